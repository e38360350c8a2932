//! Why a module path has no repository, by meaning (go-modules §1.3).

use stoa_shared::answer::Meaning;

use super::{declared::Refusal, matching::Mismatch};

/// Why a module path does not lead to a repository. Each message is one line,
/// without credentials. [`LocateError::meaning`] says which are definite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// Paths under this host have a fixed shape, and this one has not.
    #[error("{module}: not a repository path on {host}")]
    MalformedForHost {
        /// The module path.
        module: String,
        /// The host (or host and folder) with the fixed shape.
        host: &'static str,
    },
    /// The host's repository names do not end like this.
    #[error("{module}: repository names on {host} do not end in {suffix}")]
    VcsSuffix {
        /// The module path.
        module: String,
        /// The host.
        host: &'static str,
        /// For example `.git`.
        suffix: &'static str,
    },
    /// The path names no address that could be asked.
    #[error("{path}: does not begin with a usable host name")]
    UnusableHost {
        /// The module path, or its prefix.
        path: String,
    },
    /// A version control system other than git.
    #[error("{module}: version control system {vcs:?} is not supported")]
    UnsupportedVcs {
        /// The module path.
        module: String,
        /// As the path or the host's rule has it.
        vcs: String,
    },
    /// The page answered, but says nothing of the module.
    #[error("{page}: {reason}")]
    NoUsableTag {
        /// The page's address.
        page: String,
        /// One line: what it has instead.
        reason: String,
    },
    /// The page answered that it is not for us.
    #[error("{page}: no go-import tag for this path (HTTP status {status})")]
    PageDenied {
        /// The page's address.
        page: String,
        /// 401 or 403, or 200 of another page to which a redirect led.
        status: u16,
    },
    /// A private module is not asked for at a host that nobody has named.
    #[error(
        "{page}: not asked where the private module's repository is, because its host is not known here: name it in STOA_VCS_CREDENTIALS or STOA_VCS_REWRITE, or its address in STOA_ALLOW_ADDRESSES"
    )]
    HostNotNamed {
        /// The page's address.
        page: String,
    },
    /// The page contradicts itself.
    #[error("{page}: {mismatch}: {module}")]
    Ambiguous {
        /// The page's address.
        page: String,
        /// The module path.
        module: String,
        /// What is wrong with the tags.
        mismatch: Mismatch,
    },
    /// The module's page claims a prefix whose own page says otherwise.
    #[error("{page} and {prefix_page} disagree about go-import for {prefix}")]
    Disagreement {
        /// The module's page.
        page: String,
        /// The prefix's page.
        prefix_page: String,
        /// The prefix.
        prefix: String,
    },
    /// The tag names something we do not use.
    #[error("{page}: {refusal}")]
    RefusedTag {
        /// The page's address.
        page: String,
        /// Which rule.
        refusal: Refusal,
    },
    /// No such host name.
    #[error("{page}: no such host")]
    HostNotFound {
        /// The page's address.
        page: String,
    },
    /// The page is at an address that we do not connect to, or redirects there.
    #[error("{page}: {reason}")]
    RefusedPage {
        /// The page's address.
        page: String,
        /// Which rule.
        reason: String,
    },
    /// No answer in time.
    #[error("{page}: no answer within {seconds} s")]
    Timeout {
        /// The page's address.
        page: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Enough others wait for the host already: to be asked again later.
    #[error("{page}: the host is silent, and others wait for it already")]
    Busy {
        /// The page's address.
        page: String,
    },
    /// The host is in trouble or cannot be reached; asking again may help.
    #[error("{page}: {reason}")]
    Unavailable {
        /// The page's address.
        page: String,
        /// One line.
        reason: String,
    },
}

impl LocateError {
    /// What the failure means for whoever asked. What is not definite must not be
    /// remembered: the next answer may differ.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::MalformedForHost { .. }
            | Self::VcsSuffix { .. }
            | Self::UnusableHost { .. }
            | Self::UnsupportedVcs { .. }
            | Self::NoUsableTag { .. }
            | Self::PageDenied { .. }
            | Self::Ambiguous { .. }
            | Self::Disagreement { .. }
            | Self::RefusedTag { .. }
            | Self::HostNotFound { .. }
            | Self::RefusedPage { .. } => Meaning::Absent,
            Self::Timeout { .. } | Self::Busy { .. } => Meaning::OriginTimeout,
            Self::Unavailable { .. } | Self::HostNotNamed { .. } => Meaning::OriginUnavailable,
        }
    }
}
