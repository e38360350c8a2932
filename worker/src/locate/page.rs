//! The seam to the network: one discovery page.

use async_trait::async_trait;
use bytes::Bytes;

use crate::vcs::Remote;

/// Fetches discovery pages.
#[async_trait]
pub trait PageSource: Send + Sync + 'static {
    /// Gets the page at `address`, following redirects (go-modules §1.9). Any HTTP
    /// status is an answer. Addresses that are not trusted must be `https` and
    /// public, and so must be every redirect target.
    async fn page(&self, address: &Remote) -> Result<Page, PageError>;
}

/// A page as it was answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// The HTTP status after redirects.
    pub status: u16,
    /// Whether a redirect led to another path: to where people log in, perhaps.
    pub is_elsewhere: bool,
    /// At most 1 MiB (go-modules §7.5).
    pub body: Bytes,
}

/// Why there is no page. Reasons are one line each, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The host name does not exist.
    #[error("no such host")]
    HostNotFound,
    /// The address, or one it redirects to, is one that we refuse to connect to.
    #[error("{reason}")]
    Refused {
        /// Which rule.
        reason: String,
    },
    /// The page is that of a private module, and the host none that the operator has
    /// named.
    #[error("the operator has not named the host")]
    NotNamed,
    /// The page is larger than we read.
    #[error("page is larger than {limit_bytes} bytes")]
    TooLarge {
        /// How much we read.
        limit_bytes: u64,
    },
    /// No answer in time.
    #[error("no answer within {seconds} s")]
    Timeout {
        /// How long we waited.
        seconds: u64,
    },
    /// Enough others wait for the host already.
    #[error("the host is silent, and others wait for it already")]
    Busy,
    /// The connection failed or broke.
    #[error("{reason}")]
    Unreachable {
        /// One line.
        reason: String,
    },
    /// The host's certificate or its TLS is not acceptable.
    #[error("TLS: {reason}")]
    Tls {
        /// One line.
        reason: String,
    },
}
