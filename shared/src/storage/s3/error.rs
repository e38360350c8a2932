//! Why a bucket cannot be opened as storage.

use std::{error::Error, fmt};

use super::config::S3Config;

/// Why a bucket cannot be opened as storage. One line each, which names the bucket and
/// the way out; what the store said is the source.
#[derive(Debug, thiserror::Error)]
pub enum S3StorageError {
    /// The configuration makes no sense.
    #[error("{place}: {reason}")]
    Invalid {
        /// The bucket asked for.
        place: Place,
        /// Which rule broke.
        reason: String,
    },
    /// The chain of credentials is empty or broken.
    #[error(
        "{place}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the process a profile or a role"
    )]
    NoCredentials {
        /// The bucket asked for.
        place: Place,
        /// What the chain said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The bucket does not exist.
    #[error("{place}: there is no such bucket; create it, or name another")]
    MissingBucket {
        /// The bucket asked for.
        place: Place,
    },
    /// The credentials are not accepted, or not for what storage needs.
    #[error(
        "{place}: access denied {during}; check the credentials, and grant them s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on its objects"
    )]
    AccessDenied {
        /// The bucket asked for.
        place: Place,
        /// What was tried.
        during: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nothing answers, or nothing that is up.
    #[error("{place}: cannot be reached; check the endpoint, the network and the store itself")]
    Unreachable {
        /// The bucket asked for.
        place: Place,
        /// What the connection said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something answers, but not as a store does.
    #[error("{place}: refused {during}; check the endpoint, the region and the path style")]
    Refused {
        /// The bucket asked for.
        place: Place,
        /// What was tried.
        during: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store does not keep the promises that everything rests on.
    #[error(
        "{place}: {broken}; use a store that honours If-None-Match and If-Match at writing, such as AWS S3 or a recent MinIO"
    )]
    NoConditionalWrites {
        /// The bucket asked for.
        place: Place,
        /// Which promise was broken.
        broken: &'static str,
        /// What the store said, where it said that it cannot.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A newer program wrote what lies there (design §3).
    #[error(
        "{place}: storage format {found} is newer than {supported}, the newest this program reads; use a newer program"
    )]
    NewerFormat {
        /// The bucket asked for.
        place: Place,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        supported: u32,
    },
    /// `_stoa/format` holds no number.
    #[error(
        "{place}: _stoa/format does not hold a format number; restore it, or choose another bucket or prefix"
    )]
    UnreadableFormat {
        /// The bucket asked for.
        place: Place,
    },
}

/// Which bucket is meant, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the bucket.
    pub bucket: String,
    /// The store's base URL, without user and password; `None` for AWS's own.
    pub endpoint: Option<String>,
}

impl Place {
    pub(super) fn of(config: &S3Config) -> Self {
        // Before an at sign stands what must not be shown, whether or not it is a URL.
        let shown = |endpoint: &String| endpoint.rsplit('@').next().map(str::to_owned);
        Self { bucket: config.bucket.clone(), endpoint: config.endpoint.as_ref().and_then(shown) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Some(endpoint) => write!(f, "bucket {} at {endpoint}", self.bucket),
            None => write!(f, "bucket {}", self.bucket),
        }
    }
}
