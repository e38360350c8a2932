//! Failure: why a job could not find or build what it was asked for, by meaning.

use stoa_shared::{answer::Meaning, storage::StorageError};

use crate::{
    claim::ClaimError,
    locate::LocateError,
    module_zip::ZipError,
    vcs::{VcsError, pack::ObjectError},
};

/// Why a module, version or query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such thing: the not-found class of go-modules §1.3.
    #[error("{0}")]
    Absent(String),
    /// It is there, but can never be a valid module version.
    #[error("{0}")]
    Invalid(String),
    /// The module path leads to no repository, or discovery is in trouble.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// The repository cannot be read.
    #[error(transparent)]
    Vcs(#[from] VcsError),
    /// A fetched object is missing or broken.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Our own storage is in trouble.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another worker is at it, or took it over.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The zip cannot be written.
    #[error(transparent)]
    Packing(#[from] ZipError),
    /// What is stored under the version differs from what was fetched now.
    #[error("{0}")]
    Conflict(String),
    /// A piece of the program failed that never should.
    #[error("{0}")]
    Internal(String),
    /// The failure could not be stored: whoever waits has heard nothing.
    #[error("{failure}; this could not be stored")]
    Untold {
        /// Why the job failed.
        failure: Box<Self>,
        /// Why it could not be stored.
        source: StorageError,
    },
}

impl Failure {
    /// What the failure means for the client.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Absent(_) => Meaning::Absent,
            Self::Invalid(_) => Meaning::Invalid,
            Self::Locate(error) => error.meaning(),
            Self::Vcs(error) => vcs_meaning(error),
            Self::Object(error) => object_meaning(error),
            // Names of hundreds of bytes fit neither a disk nor a bucket, nor a zip.
            Self::Storage(StorageError::NameTooLong { .. })
            | Self::Packing(ZipError::NameTooLong { .. } | ZipError::TooLarge { .. }) => {
                Meaning::Invalid
            }
            Self::Storage(_)
            | Self::Claim(_)
            | Self::Packing(_)
            | Self::Conflict(_)
            | Self::Internal(_)
            | Self::Untold { .. } => Meaning::Internal,
        }
    }

    /// Whether the same job may succeed later.
    pub fn is_worth_a_retry(&self) -> bool {
        !self.meaning().is_definite() && !matches!(self, Self::Conflict(_))
    }

    /// Whether our own storage may not hold the outcome, good or bad.
    pub fn is_storage_trouble(&self) -> bool {
        matches!(
            self,
            Self::Storage(_)
                | Self::Claim(ClaimError::Storage(_) | ClaimError::Unconfirmed { .. })
                | Self::Untold { .. }
        )
    }

    /// Whether it was not this attempt's turn: others are at the same thing, or wait for
    /// the same host. The job comes again, and whoever waits for it goes on waiting.
    pub fn is_out_of_turn(&self) -> bool {
        matches!(
            self,
            Self::Claim(ClaimError::Taken { .. } | ClaimError::Lost { .. })
                | Self::Vcs(VcsError::Busy { .. })
                | Self::Locate(LocateError::Busy { .. })
        )
    }

    /// One line for the client. Troubles of our own are named, not described: what
    /// they say belongs into our log.
    pub fn client_message(&self) -> String {
        match self.meaning() {
            Meaning::Internal => "internal error, see the worker's log".to_owned(),
            _ => self.to_string(),
        }
    }
}

/// A repository that git itself could not check out makes no module; one whose pack
/// lacks something may have been cut short.
fn object_meaning(error: &ObjectError) -> Meaning {
    match error {
        ObjectError::WrongKind { .. }
        | ObjectError::Malformed { .. }
        | ObjectError::TooLarge { .. } => Meaning::Invalid,
        ObjectError::NotFound { .. } => Meaning::OriginUnavailable,
        ObjectError::Spool { .. } => Meaning::Internal,
    }
}

/// go-modules §1.3: a repository that hides itself is absent, a refused address or a
/// limit is definite, all else is the origin's trouble and never remembered for long.
fn vcs_meaning(error: &VcsError) -> Meaning {
    match error {
        VcsError::RepositoryNotFound { .. } | VcsError::Refused { .. } => Meaning::Absent,
        VcsError::LimitExceeded { .. } => Meaning::Invalid,
        VcsError::Timeout { .. } | VcsError::Busy { .. } => Meaning::OriginTimeout,
        // Only what a listing named is asked for: it moved in between.
        VcsError::ObjectNotFound { .. }
        | VcsError::AccessDenied { .. }
        | VcsError::Unavailable { .. }
        | VcsError::InvalidData { .. } => Meaning::OriginUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_definite_failures_are_not_retried() {
        let url = || "https://example.com/r".to_owned();
        let cases = [
            (Failure::Absent("x".into()), Meaning::Absent),
            (Failure::Invalid("x".into()), Meaning::Invalid),
            (VcsError::RepositoryNotFound { url: url() }.into(), Meaning::Absent),
            (VcsError::Refused { url: url(), reason: "r".into() }.into(), Meaning::Absent),
            (VcsError::LimitExceeded { url: url(), limit: "l".into() }.into(), Meaning::Invalid),
            (VcsError::Timeout { url: url(), seconds: 1 }.into(), Meaning::OriginTimeout),
            (VcsError::AccessDenied { url: url(), status: 401 }.into(), Meaning::OriginUnavailable),
            (
                VcsError::Unavailable { url: url(), reason: "r".into() }.into(),
                Meaning::OriginUnavailable,
            ),
            (Failure::Internal("x".into()), Meaning::Internal),
        ];
        for (failure, meaning) in cases {
            assert_eq!(failure.meaning(), meaning, "{failure}");
            assert_eq!(failure.is_worth_a_retry(), !meaning.is_definite());
        }
    }

    #[test]
    fn our_own_troubles_are_not_described_to_clients() {
        let failure = Failure::Internal("/secret/path".into());
        assert!(!failure.client_message().contains("/secret"));
    }
}
