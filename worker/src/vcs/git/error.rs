//! What can be wrong with bytes from a git server, and what it means.

use std::io;

use stoa_shared::metrics::VcsOutcome;

use crate::egress::EgressError;
use crate::vcs::pack::PackError;
use crate::vcs::{ObjectId, VcsError};

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the answer ends too early")]
    Truncated,
    #[error("the transfer failed")]
    Transfer(#[source] io::Error),
    #[error("{what}: {text:?}")]
    Malformed { what: &'static str, text: String },
    /// An `ERR` packet, or the error band of a pack.
    #[error("the server says: {message}")]
    Remote { message: String },
    #[error("more than {limit} refs")]
    TooManyRefs { limit: usize },
    #[error("more than {limit} bytes of files")]
    TooManyBytes { limit: u64 },
    #[error("a temporary file failed")]
    Spool(#[source] io::Error),
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// An error and whether outdated knowledge of the server may have caused it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: VcsError,
    pub(super) may_be_outdated: bool,
}

impl WireError {
    pub(super) fn malformed(what: &'static str, bytes: &[u8]) -> Self {
        Self::Malformed { what, text: excerpt(bytes) }
    }

    pub(super) fn remote(message: &[u8]) -> Self {
        Self::Remote { message: excerpt(message) }
    }

    /// What it means for a repository, shown as `url`.
    pub(super) fn into_failure(self, url: &str) -> Failure {
        let url = url.to_owned();
        let may_be_outdated = match &self {
            Self::Remote { message } => missing_object(message).is_none(),
            Self::Truncated | Self::Malformed { .. } => true,
            Self::Transfer(_)
            | Self::TooManyRefs { .. }
            | Self::TooManyBytes { .. }
            | Self::Spool(_)
            | Self::Pack(_) => false,
        };
        let error = match self {
            Self::Remote { message } => match missing_object(&message) {
                Some(id) => VcsError::ObjectNotFound { url, id },
                None => {
                    VcsError::Unavailable { url, reason: format!("the server says: {message}") }
                }
            },
            Self::TooManyRefs { .. }
            | Self::TooManyBytes { .. }
            | Self::Pack(PackError::LimitExceeded { .. }) => {
                VcsError::LimitExceeded { url, limit: self.to_string() }
            }
            Self::Transfer(source) | Self::Pack(PackError::Transfer(source)) => {
                VcsError::Unavailable { url, reason: format!("the transfer failed: {source}") }
            }
            Self::Spool(source) | Self::Pack(PackError::Spool(source)) => {
                VcsError::Unavailable { url, reason: format!("a temporary file failed: {source}") }
            }
            Self::Truncated | Self::Malformed { .. } | Self::Pack(_) => {
                VcsError::InvalidData { url, reason: self.to_string() }
            }
        };
        Failure { error, may_be_outdated }
    }
}

impl From<VcsError> for Failure {
    /// For what the transport says before an answer is parsed.
    fn from(error: VcsError) -> Self {
        let may_be_outdated = matches!(
            error,
            VcsError::RepositoryNotFound { .. }
                | VcsError::AccessDenied { .. }
                | VcsError::InvalidData { .. }
        );
        Self { error, may_be_outdated }
    }
}

/// What a failure to get an answer means for a repository.
pub(super) fn from_egress(error: EgressError) -> VcsError {
    match error {
        EgressError::Refused { url, reason } => VcsError::Refused { url, reason },
        EgressError::NotNamed { url } => VcsError::Refused {
            url,
            reason: "refused: it leads to a host that the operator has not named".to_owned(),
        },
        EgressError::UnknownHost { url } => {
            VcsError::Unavailable { url, reason: "no such host".to_owned() }
        }
        EgressError::Unreachable { url, reason } => VcsError::Unavailable { url, reason },
        EgressError::Tls { url, reason } => {
            VcsError::Unavailable { url, reason: format!("TLS: {reason}") }
        }
        EgressError::Timeout { url, seconds } => VcsError::Timeout { url, seconds },
        EgressError::Busy { url } => VcsError::Busy { url },
        EgressError::TooLarge { url, limit } => {
            VcsError::LimitExceeded { url, limit: format!("answer is larger than {limit} bytes") }
        }
    }
}

/// What an HTTP status other than 200 means for a repository.
pub(super) fn from_status(url: &str, status: u16) -> VcsError {
    let url = url.to_owned();
    match status {
        404 | 410 => VcsError::RepositoryNotFound { url },
        401 | 403 => VcsError::AccessDenied { url, status },
        429 | 500.. => VcsError::Unavailable { url, reason: format!("HTTP status {status}") },
        _ => VcsError::InvalidData { url, reason: format!("HTTP status {status}") },
    }
}

/// What a request that ended without an error, or with this one, counts as.
pub(super) fn counted_as(error: Option<&VcsError>) -> VcsOutcome {
    match error {
        None => VcsOutcome::Ok,
        Some(
            VcsError::RepositoryNotFound { .. }
            | VcsError::NotVisible { .. }
            | VcsError::ObjectNotFound { .. },
        ) => VcsOutcome::NotFound,
        Some(VcsError::Refused { .. } | VcsError::LimitExceeded { .. }) => VcsOutcome::Refused,
        Some(VcsError::Timeout { .. } | VcsError::Busy { .. }) => VcsOutcome::Timeout,
        Some(
            VcsError::AccessDenied { .. }
            | VcsError::NotLetIn { .. }
            | VcsError::Unavailable { .. }
            | VcsError::InvalidData { .. },
        ) => VcsOutcome::Error,
    }
}

/// The object of git's words for a want that it does not serve.
fn missing_object(message: &str) -> Option<ObjectId> {
    let (_, rest) = message.split_once("not our ref ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// One line of what a stranger sent.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_server_are_one_line_with_a_meaning() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let message = format!("upload-pack: not our ref {id}\n");
        let failure = WireError::remote(message.as_bytes()).into_failure("https://h/r");
        assert!(matches!(failure.error, VcsError::ObjectNotFound { .. }));
        assert!(!failure.may_be_outdated);
        let failure = WireError::remote(b"go\r\naway\x1b[2J").into_failure("https://h/r");
        assert_eq!(failure.error.to_string(), "https://h/r: the server says: go  away [2J");
        assert!(failure.may_be_outdated);
    }

    #[test]
    fn every_status_has_a_meaning() {
        for (status, expected) in [
            (404, "https://h/r: repository not found"),
            (410, "https://h/r: repository not found"),
            (401, "https://h/r: access denied (HTTP status 401)"),
            (403, "https://h/r: access denied (HTTP status 403)"),
            (429, "https://h/r: HTTP status 429"),
            (503, "https://h/r: HTTP status 503"),
            (405, "https://h/r: invalid answer from the git server: HTTP status 405"),
        ] {
            assert_eq!(from_status("https://h/r", status).to_string(), expected);
        }
    }

    #[test]
    fn limits_of_a_pack_are_limits_of_the_repository() {
        let error = PackError::LimitExceeded { what: "bytes", maximum: 5 };
        let failure = WireError::Pack(error).into_failure("https://h/r");
        assert_eq!(failure.error.to_string(), "https://h/r: pack: more than 5 bytes");
        assert!(matches!(failure.error, VcsError::LimitExceeded { .. }));
    }
}
