//! The version control seam: refs and objects of a remote repository.
//!
//! [`Vcs`] moves bytes and knows nothing of modules; what a ref or a commit means
//! for a module is decided above it, from values.

#[cfg(test)]
mod contract;
pub mod git;
mod object_id;
pub mod pack;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use url::Url;

pub use object_id::{InvalidObjectId, ObjectFormat, ObjectId};

/// Access to remote repositories.
#[async_trait]
pub trait Vcs: Send + Sync + 'static {
    /// Lists `HEAD`, heads and tags, annotated tags peeled (go-modules §3.2). With
    /// the `capabilities` of an earlier listing the server is not asked for them again.
    async fn list_refs(
        &self,
        remote: &Remote,
        capabilities: Option<&Capabilities>,
    ) -> Result<RefListing, VcsError>;

    /// Fetches objects into a local store that vanishes with its last handle. The
    /// wants were advertised in `listing` or are full ids found through it.
    async fn fetch(
        &self,
        remote: &Remote,
        listing: &RefListing,
        request: &FetchRequest,
    ) -> Result<pack::ObjectStore, VcsError>;

    /// Files of a commit as the git program converts them by the attributes in its tree
    /// (go-modules §4.1), for encodings that we do not implement. `objects` holds the
    /// commit with all its contents; nobody else may use its pack file meanwhile. The
    /// `paths` start at the repository's root, exist, and are regular files; others are
    /// missing in the result. `remote` is only named in errors.
    async fn convert(
        &self,
        remote: &Remote,
        objects: &pack::ObjectStore,
        commit: &ObjectId,
        paths: &[Vec<u8>],
    ) -> Result<git::ConvertedFiles, VcsError>;
}

/// Where a repository is fetched from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    /// The address to connect to, after rewriting.
    pub url: Url,
    /// Whether the operator named this address (`STOA_VCS_REWRITE`): only then may
    /// it be `http`, `file`, or resolve to a private address.
    pub is_trusted: bool,
}

/// One listing of a repository's refs. Everything outside `HEAD`, `refs/heads/` and
/// `refs/tags/` does not exist (go-modules §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefListing {
    /// How object ids are computed.
    pub object_format: ObjectFormat,
    /// What `HEAD` points to; `None` if it dangles.
    pub head: Option<ObjectId>,
    /// Branch name without `refs/heads/` → commit.
    pub heads: BTreeMap<String, ObjectId>,
    /// Tag name without `refs/tags/` → what it points to.
    pub tags: BTreeMap<String, TagTarget>,
    /// What the server said it can do.
    pub capabilities: Capabilities,
}

/// What a tag points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagTarget {
    /// The ref's own value: a commit, or a tag object when annotated.
    pub object: ObjectId,
    /// The object after peeling all tag objects.
    pub peeled: ObjectId,
}

/// What is remembered of a server so that its next answers cost one request each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The wire protocol it speaks.
    pub protocol: Protocol,
    /// How the repository computes object ids.
    pub object_format: ObjectFormat,
    /// Whether it honours `filter` in a fetch.
    pub can_filter: bool,
    /// Whether it honours `deepen` in a fetch.
    pub can_be_shallow: bool,
}

/// Ways to talk to a git server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Stateless version 2.
    V2,
    /// The original smart protocol (versions 0 and 1).
    V0,
    /// Plain files over HTTP, by the git program.
    Dumb,
}

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Full object ids.
    pub wants: Vec<ObjectId>,
    /// How much history comes along.
    pub history: History,
    /// Which objects are needed.
    pub contents: Contents,
}

/// How much history a fetch brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The wanted commits alone (depth 1).
    Tip,
    /// Everything reachable from them.
    Full,
}

/// Which objects a fetch must bring. A server that cannot filter brings everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Commits, trees and blobs.
    Everything,
    /// Trees and blobs of this many levels at least: 1 is the root directory itself, 2
    /// its files and the directories in it.
    Top(u32),
    /// Commits and tags: ancestry needs no trees (go-modules §3.10).
    Commits,
}

/// Why a repository could not be read, by meaning.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VcsError {
    /// The server says that there is no such repository (or hides it).
    #[error("{url}: repository not found")]
    RepositoryNotFound {
        /// Without credentials.
        url: String,
    },
    /// The host of a private repository, which knows us, says that there is none. Hosts say
    /// the same of one that they do not show to whom they know.
    #[error(
        "{url}: repository not found, or hidden from the credentials that STOA_VCS_CREDENTIALS has for its host"
    )]
    NotVisible {
        /// Without credentials.
        url: String,
    },
    /// A wanted object is not to be had (a ref moved, or the id is unknown).
    #[error("{url}: object {id} is not available")]
    ObjectNotFound {
        /// Without credentials.
        url: String,
        /// The object.
        id: ObjectId,
    },
    /// The address is one that we refuse to connect to.
    #[error("{url}: {reason}")]
    Refused {
        /// Without credentials.
        url: String,
        /// Which rule refused it.
        reason: String,
    },
    /// A limit on size, count or time was met.
    #[error("{url}: {limit}")]
    LimitExceeded {
        /// Without credentials.
        url: String,
        /// Which limit, with its figure.
        limit: String,
    },
    /// The server asks for credentials or refuses ours.
    #[error("{url}: access denied (HTTP status {status})")]
    AccessDenied {
        /// Without credentials.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// We cannot show the host of a private repository what it wants to see, so that it
    /// tells us nothing about the repository.
    #[error("{url}: {reason}")]
    NotLetIn {
        /// Without credentials.
        url: String,
        /// One line that says what to do.
        reason: String,
    },
    /// No answer in time.
    #[error("{url}: no answer within {seconds} s")]
    Timeout {
        /// Without credentials.
        url: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Enough others wait for the server already: to be asked again later.
    #[error("{url}: the host is silent, and others wait for it already")]
    Busy {
        /// Without credentials.
        url: String,
    },
    /// The server is in trouble or cannot be reached; asking again may help.
    #[error("{url}: {reason}")]
    Unavailable {
        /// Without credentials.
        url: String,
        /// One line.
        reason: String,
    },
    /// The server sent what is no valid git data.
    #[error("{url}: invalid answer from the git server: {reason}")]
    InvalidData {
        /// Without credentials.
        url: String,
        /// One line.
        reason: String,
    },
}

impl Contents {
    /// What a server that can filter is asked to leave out, in git's notation.
    pub fn filter(self) -> Option<String> {
        match self {
            Self::Everything => None,
            Self::Top(levels) => Some(format!("tree:{levels}")),
            Self::Commits => Some("tree:0".to_owned()),
        }
    }
}

impl VcsError {
    /// The same error under the name that people know the repository by: where its
    /// address is rewritten to is nobody's business.
    #[must_use]
    pub fn of(mut self, known_as: &str) -> Self {
        match &mut self {
            Self::RepositoryNotFound { url }
            | Self::NotVisible { url }
            | Self::ObjectNotFound { url, .. }
            | Self::Refused { url, .. }
            | Self::LimitExceeded { url, .. }
            | Self::AccessDenied { url, .. }
            | Self::NotLetIn { url, .. }
            | Self::Timeout { url, .. }
            | Self::Busy { url }
            | Self::Unavailable { url, .. }
            | Self::InvalidData { url, .. } => known_as.clone_into(url),
        }
        self
    }
}
