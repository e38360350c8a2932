//! What one fleet stands on: a prefix of its own in the bucket, and a vhost of its own.

use stoa_shared::testing::broker::Vhost;
use stoa_shared::testing::services;

use super::bucket::Bucket;
use crate::Bench;
use crate::directories::Directories;
use crate::outcome::{Failure, Outcome};
use crate::stoa_process::{StoaProcess, StoaSettings};

/// How the services are found; a fleet has its own place in each.
const SERVICES: [&str; 3] = ["STOA_STORAGE", "STOA_QUEUE", "STOA_TEST_RABBITMQ_MANAGEMENT"];
/// What else is known of the S3 server, which processes are told as it is.
const S3: [&str; 4] =
    ["STOA_S3_ENDPOINT", "STOA_S3_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Dropped, it takes its part of the bucket and the vhost away; processes have to be
/// dropped before.
pub(super) struct Site {
    pub(super) bucket: Bucket,
    directories: Directories,
    /// Where processes find their backends, and what else they are told.
    variables: Vec<(String, String)>,
    _vhost: Vhost,
}

impl Site {
    pub(super) fn prepare(bench: &Bench) -> Outcome<Self> {
        let named = |name: &str| match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok((name.to_owned(), value)),
            _ => Err(Failure::new("run by `make bench`, which starts the services")),
        };
        SERVICES.into_iter().try_for_each(|name| named(name).map(|_| ()))?;
        let mut variables: Vec<_> = S3.into_iter().map(named).collect::<Outcome<_>>()?;
        let s3 = services::s3();
        let location = format!("s3://{}/{}", s3.bucket, s3.prefix);
        let bucket = Bucket::open(s3)?;
        let vhost = Vhost::create();
        variables.push(("STOA_STORAGE".to_owned(), location));
        variables.push(("STOA_S3_PATH_STYLE".to_owned(), "true".to_owned()));
        variables.push(("STOA_QUEUE".to_owned(), vhost.url()));
        Ok(Self { bucket, directories: bench.directories.clone(), variables, _vhost: vhost })
    }

    /// Tells all processes that are started from now on.
    pub(super) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn frontend(&self) -> Outcome<StoaProcess> {
        self.settings("stoa-frontend").start()
    }

    /// A frontend that keeps no file in memory.
    pub(super) fn forgetful_frontend(&self) -> Outcome<StoaProcess> {
        self.settings("stoa-frontend").set("STOA_MEMORY_CACHE", "0B").start()
    }

    pub(super) fn worker(&self, slots: usize) -> Outcome<StoaProcess> {
        self.settings("stoa-worker").set("STOA_SLOTS", slots.to_string()).start()
    }

    fn settings(&self, program: &'static str) -> StoaSettings {
        let settings = StoaSettings::of_fleet(program, &self.directories.unused(program));
        self.variables.iter().fold(settings, |settings, (name, value)| settings.set(name, value))
    }
}
