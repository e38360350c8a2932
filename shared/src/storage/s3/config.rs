//! What an S3 store needs to be told.

use std::{num::NonZeroU32, time::Duration};

/// Where a bucket is and how patiently it is asked. Credentials are not here: they come
/// from the environment, a profile, a web identity or the machine's own role, in the
/// order that every AWS tool has.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Name of a bucket that exists.
    pub bucket: String,
    /// Put before every key, with a slash between; empty for the whole bucket. Slashes
    /// at its ends do not matter.
    pub prefix: String,
    /// Base URL of the store, such as `http://127.0.0.1:9000`; AWS's own if `None`.
    pub endpoint: Option<String>,
    /// Region that requests are signed for. If `None`, the one that the environment, the
    /// profile or the machine names; beside an [`endpoint`](Self::endpoint), where most
    /// stores have but one, `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket stands in the URL's path rather than in its host name. AWS
    /// wants the latter, most other stores the former.
    pub path_style: bool,
    /// Root certificates in PEM, trusted beside the system's own; may be empty.
    pub root_certificates: Vec<u8>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the head of one answer. A request with a body gets more, by the
    /// body's size.
    pub attempt_timeout: Duration,
    /// Longest wait for the next bytes of an object that is read.
    pub stall_timeout: Duration,
    /// How often one request is tried, the first time included, and how often a broken
    /// read is taken up again.
    pub attempts: NonZeroU32,
    /// Pause before the second attempt; doubled before each further one. The actual
    /// pause is drawn between this and twice this, so that many do not return at once.
    pub backoff_base: Duration,
    /// Longest pause before the random part is added.
    pub backoff_max: Duration,
    /// Bytes in one part of a large upload. Two parts of each upload are in memory. At
    /// least 5 MiB, the least that S3 takes; parts grow beyond the thousandth.
    pub part_size: usize,
}

impl S3Config {
    /// A bucket of AWS with what suits most: an attempt is given up after 10 s and made
    /// five times within about 3 s of pauses, less than what a waiting client has.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            endpoint: None,
            region: None,
            path_style: false,
            root_certificates: Vec::new(),
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            attempts: NonZeroU32::MIN.saturating_add(4),
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
            part_size: 8 * 1024 * 1024,
        }
    }

    /// The prefix as keys carry it: empty, or ending with a slash.
    pub(super) fn key_prefix(&self) -> String {
        match self.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_around_a_prefix_do_not_matter() {
        for (prefix, expected) in
            [("", ""), ("/", ""), ("a", "a/"), ("a/", "a/"), ("/a/b/", "a/b/")]
        {
            let config = S3Config { prefix: prefix.to_owned(), ..S3Config::new("bucket") };
            assert_eq!(config.key_prefix(), expected, "{prefix:?}");
        }
    }
}
