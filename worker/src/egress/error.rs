//! EgressError: why there is no answer, by meaning.

use std::error::Error;
use std::io;
use std::time::Duration;

use url::Url;

use super::resolver::ResolveError;

/// Why a request got no answer, or its body did not arrive whole. All URLs are
/// without credentials and query.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// A rule forbids this address.
    #[error("{url}: refused: {reason}")]
    Refused {
        /// Where to.
        url: String,
        /// Which rule.
        reason: String,
    },
    /// Private modules are not asked for at a host that the operator has not named.
    #[error("{url}: the operator has not named the host for private modules")]
    NotNamed {
        /// Where to, or what redirects there.
        url: String,
    },
    /// The name does not exist.
    #[error("{url}: no such host")]
    UnknownHost {
        /// Where to.
        url: String,
    },
    /// No connection, or it broke.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Where to.
        url: String,
        /// One line.
        reason: String,
    },
    /// No TLS connection: a certificate that we do not trust, mostly.
    #[error("{url}: TLS: {reason}")]
    Tls {
        /// Where to.
        url: String,
        /// One line.
        reason: String,
    },
    /// No answer in time.
    #[error("{url}: no answer within {seconds} s")]
    Timeout {
        /// Where to.
        url: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Enough others wait for this host already: to be asked again later.
    #[error("{url}: the host is silent, and others wait for it already")]
    Busy {
        /// Where to.
        url: String,
    },
    /// The body goes beyond the limit.
    #[error("{url}: answer is larger than {limit} bytes")]
    TooLarge {
        /// Where to.
        url: String,
        /// In bytes.
        limit: u64,
    },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `STOA_CA_FILE` is no PEM.
    #[error("the file of certificate authorities cannot be read: {reason}")]
    Roots {
        /// One line.
        reason: String,
    },
    /// A proxy variable is no URL. Its value may hold a password and is not shown.
    #[error("{variable}: not a proxy URL")]
    Proxy {
        /// Which one.
        variable: &'static str,
    },
    /// TLS could not be set up: no roots on this machine, mostly.
    #[error("HTTP client: {reason}")]
    Client {
        /// One line.
        reason: String,
    },
}

/// A URL as it may be shown: without credentials, query and fragment.
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

impl EgressError {
    pub(super) fn refused(url: &Url, reason: impl Into<String>) -> Self {
        Self::Refused { url: shown(url), reason: reason.into() }
    }

    pub(super) fn not_named(url: &Url) -> Self {
        Self::NotNamed { url: shown(url) }
    }

    pub(super) fn timeout(url: &Url, limit: Duration) -> Self {
        Self::Timeout { url: shown(url), seconds: limit.as_secs() }
    }

    pub(super) fn too_large(url: &Url, limit: u64) -> Self {
        Self::TooLarge { url: shown(url), limit }
    }

    pub(super) fn from_resolver(url: &Url, error: &ResolveError) -> Self {
        match error {
            ResolveError::NotPublic { .. } => Self::refused(url, error.to_string()),
            ResolveError::UnknownHost => Self::UnknownHost { url: shown(url) },
            ResolveError::Failed { reason } => {
                Self::Unreachable { url: shown(url), reason: reason.clone() }
            }
        }
    }

    /// `limit` is the timeout that applied where it failed.
    pub(super) fn from_client(url: &Url, error: &reqwest::Error, limit: Duration) -> Self {
        let causes = causes(error);
        if let Some(error) = causes.iter().find_map(|cause| cause.downcast_ref::<ResolveError>()) {
            return Self::from_resolver(url, error);
        }
        if let Some(error) = causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
            return Self::Tls { url: shown(url), reason: one_line(&error.to_string()) };
        }
        if error.is_timeout() {
            return Self::timeout(url, limit);
        }
        // The outer errors only repeat the URL and say that something failed.
        let reason = causes.last().map_or_else(String::new, |cause| one_line(&cause.to_string()));
        Self::Unreachable { url: shown(url), reason }
    }
}

impl SetupError {
    pub(super) fn roots(error: reqwest::Error) -> Self {
        Self::Roots { reason: last_cause(&error) }
    }

    pub(super) fn client(error: reqwest::Error) -> Self {
        Self::Client { reason: last_cause(&error) }
    }
}

fn last_cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, |cause| one_line(&cause.to_string()))
}

/// The error and what is behind it, outermost first. An I/O error that wraps another
/// error names that one's source as its own, so the wrapped one is taken out.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        causes.push(cause);
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => cause.source(),
        };
    }
    causes
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
