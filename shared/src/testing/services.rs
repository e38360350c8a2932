//! Where the services are that tests need: what `make services` has printed.

use std::env;

use crate::storage::S3Config;

/// A prefix of its own in the bucket of the S3 server. Fails the test if there is none.
pub fn s3() -> S3Config {
    let location = required("STOA_STORAGE");
    let bucket = location.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
    for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        required(credential);
    }
    S3Config {
        prefix: format!("test/{:016x}", rand::random::<u64>()),
        endpoint: Some(required("STOA_S3_ENDPOINT")),
        region: Some(required("STOA_S3_REGION")),
        path_style: true,
        ..S3Config::new(bucket.unwrap_or_else(|| missing("an s3:// URL in STOA_STORAGE")))
    }
}

fn required(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| missing(name))
}

fn missing(what: &str) -> ! {
    panic!("{what} is missing: run `eval \"$(make -s services)\"` first (or `make test`)")
}
