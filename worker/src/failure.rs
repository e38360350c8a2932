//! Failure: why a job could not find or build what it was asked for, by meaning.

use stoa_shared::{answer::Meaning, storage::StorageError};

use crate::{
    claim::ClaimError,
    goproxy::GoProxyError,
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
    /// An upstream, or the module proxy that a page names, has no answer.
    #[error(transparent)]
    Upstream(#[from] GoProxyError),
    /// Nobody is asked (`STOA_NETWORK`). Says nothing of what there is elsewhere.
    #[error("{0}: not stored here, and STOA_NETWORK is offline")]
    Offline(String),
    /// Policy forbids to look.
    #[error("{0}")]
    Withheld(String),
    /// Of a private module nothing is known, because we could not or would not look.
    #[error("{0}")]
    Undecided(String),
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
            // 404 on purpose: who goes on to the next proxy may do so.
            Self::Absent(_) | Self::Offline(_) => Meaning::Absent,
            Self::Invalid(_) => Meaning::Invalid,
            Self::Locate(error) => error.meaning(),
            Self::Vcs(error) => vcs_meaning(error),
            Self::Upstream(error) => error.meaning(),
            Self::Withheld(_) => Meaning::Refused,
            Self::Undecided(_) => Meaning::OriginUnavailable,
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
        let is_settings = matches!(self, Self::Locate(LocateError::HostNotNamed { .. }));
        !self.meaning().is_definite() && !is_settings && !matches!(self, Self::Conflict(_))
    }

    /// What the failure says of a private module. That we were not let in, refuse to go
    /// there, ask nobody or find no such host is no absence: told so, the go command would
    /// take the module's name to the next proxy.
    #[must_use]
    pub fn of_private_module(self) -> Self {
        match &self {
            Self::Locate(LocateError::PageDenied { .. }) => {
                Self::Undecided(format!("{self}; check STOA_VCS_CREDENTIALS"))
            }
            Self::Locate(
                LocateError::HostNotFound { .. }
                | LocateError::RefusedPage { .. }
                | LocateError::RefusedTag { .. },
            )
            | Self::Vcs(VcsError::Refused { .. })
            | Self::Offline(_) => Self::Undecided(self.to_string()),
            _ => self,
        }
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
                | Self::Upstream(GoProxyError::Busy { .. })
        )
    }

    /// Whether the version may be at the upstream in a moment: it was asked in the same
    /// moment as our client, and fills its own storage first.
    pub fn may_be_filled_upstream(&self) -> bool {
        matches!(self, Self::Upstream(GoProxyError::Absent { .. }))
    }

    /// Whether the trouble is the origin's, or there is nobody to ask: what was known of it
    /// before still holds.
    pub fn leaves_what_is_known(&self) -> bool {
        let is_trouble =
            matches!(self.meaning(), Meaning::OriginUnavailable | Meaning::OriginTimeout);
        !self.is_out_of_turn() && (is_trouble || matches!(self, Self::Offline(_)))
    }

    /// One line for the client. Troubles of our own are named, not described: what
    /// they say belongs into our log.
    pub fn client_message(&self) -> String {
        if self.meaning() == Meaning::Internal {
            return "internal error, see the worker's log".to_owned();
        }
        let said = self.to_string();
        match self.advice() {
            // An upstream that is a Stoa has said so already.
            Some(advice) if !said.contains("ask again") => format!("{said}; {advice}"),
            _ => said,
        }
    }

    /// What to do about an origin's trouble that passes by itself. The others say what is
    /// to be set right.
    fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Vcs(VcsError::Unavailable { .. })
            | Self::Locate(LocateError::Unavailable { .. })
            | Self::Upstream(GoProxyError::Unavailable { .. }) => Some("ask again when it is back"),
            Self::Vcs(VcsError::Timeout { .. })
            | Self::Locate(LocateError::Timeout { .. })
            | Self::Upstream(GoProxyError::Timeout { .. }) => Some("ask again in a while"),
            _ => None,
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
        VcsError::RepositoryNotFound { .. }
        | VcsError::NotVisible { .. }
        | VcsError::Refused { .. } => Meaning::Absent,
        VcsError::LimitExceeded { .. } => Meaning::Invalid,
        VcsError::Timeout { .. } | VcsError::Busy { .. } => Meaning::OriginTimeout,
        // Only what a listing named is asked for: it moved in between.
        VcsError::ObjectNotFound { .. }
        | VcsError::AccessDenied { .. }
        | VcsError::NotLetIn { .. }
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
            (GoProxyError::Absent { server: url(), reason: "r".into() }.into(), Meaning::Absent),
            (GoProxyError::Refused { server: url(), reason: "r".into() }.into(), Meaning::Refused),
            (
                GoProxyError::InvalidData { server: url(), reason: "r".into() }.into(),
                Meaning::OriginUnavailable,
            ),
            (Failure::Offline("x".into()), Meaning::Absent),
            (Failure::Internal("x".into()), Meaning::Internal),
        ];
        for (failure, meaning) in cases {
            assert_eq!(failure.meaning(), meaning, "{failure}");
            assert_eq!(failure.is_worth_a_retry(), !meaning.is_definite());
        }
    }

    #[test]
    fn that_nothing_is_known_of_a_private_module_is_no_absence() {
        let (page, url) =
            (|| "https://h.example/m".to_owned(), || "https://h.example/r".to_owned());
        let undecided = [
            Failure::from(LocateError::HostNotFound { page: page() }),
            LocateError::RefusedPage { page: page(), reason: "r".into() }.into(),
            LocateError::PageDenied { page: page(), status: 401 }.into(),
            LocateError::HostNotNamed { page: page() }.into(),
            VcsError::Refused { url: url(), reason: "r".into() }.into(),
            VcsError::NotLetIn { url: url(), reason: "r".into() }.into(),
            Failure::Offline("m".into()),
        ];
        for failure in undecided {
            let said = failure.to_string();
            let failure = failure.of_private_module();
            assert_eq!(failure.meaning(), Meaning::OriginUnavailable, "{said}");
            assert!(failure.client_message().starts_with(&said));
        }
        let absent = [
            Failure::from(LocateError::NoUsableTag { page: page(), reason: "r".into() }),
            VcsError::NotVisible { url: url() }.into(),
            Failure::Absent("unknown revision".into()),
        ];
        for failure in absent {
            assert_eq!(failure.of_private_module().meaning(), Meaning::Absent);
        }
        let unnamed = Failure::from(LocateError::HostNotNamed { page: page() });
        assert!(!unnamed.is_worth_a_retry());
    }

    #[test]
    fn clients_are_told_once_what_to_do_about_what_passes() {
        let server = || "go.example.org".to_owned();
        let unavailable = |reason: &str| GoProxyError::Unavailable {
            server: server(),
            reason: reason.to_owned(),
        };
        let misled = GoProxyError::Misconfigured { server: server(), reason: "denied".into() };
        let url = || "https://h.example/r".to_owned();
        for (failure, said) in [
            (
                Failure::from(unavailable("connection refused")),
                "go.example.org: connection refused; ask again when it is back",
            ),
            (unavailable("503: ask again later").into(), "go.example.org: 503: ask again later"),
            (misled.into(), "go.example.org: denied"),
            (
                VcsError::Timeout { url: url(), seconds: 9 }.into(),
                "https://h.example/r: no answer within 9 s; ask again in a while",
            ),
            (
                VcsError::NotLetIn { url: url(), reason: "no key".into() }.into(),
                "https://h.example/r: no key",
            ),
            (
                VcsError::RepositoryNotFound { url: url() }.into(),
                "https://h.example/r: repository not found",
            ),
        ] {
            assert_eq!(failure.client_message(), said);
        }
    }

    #[test]
    fn our_own_troubles_are_not_described_to_clients() {
        let failure = Failure::Internal("/secret/path".into());
        assert!(!failure.client_message().contains("/secret"));
    }
}
