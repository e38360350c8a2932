//! GoProxyError: what a server's answer means, and what may be told of it.

use http::StatusCode;
use stoa_shared::{answer::Meaning, config::Secret, metrics::VcsOutcome};

use super::Server;
use crate::egress::{EgressError, Trust};

/// Most characters that are kept of a server's own words.
const LONGEST_REASON: usize = 300;

/// Why a server has no answer for us. Messages name it without credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoProxyError {
    /// 404 or 410: there is no such thing, as far as it knows.
    #[error("{reason} (says {server})")]
    Absent {
        /// Its name.
        server: String,
        /// In its own words.
        reason: String,
    },
    /// 403: its policy does not let us have it.
    #[error("{reason} (says {server})")]
    Refused {
        /// Its name.
        server: String,
        /// In its own words.
        reason: String,
    },
    /// A stranger's page names it, and there is no such server, or none that we talk to.
    #[error("{server}: {reason}")]
    Unusable {
        /// Its name.
        server: String,
        /// One line.
        reason: String,
    },
    /// No answer in time.
    #[error("{server}: no answer within {seconds} s")]
    Timeout {
        /// Its name.
        server: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Enough others wait for it already: to be asked again later.
    #[error("{server}: the host is silent, and others wait for it already")]
    Busy {
        /// Its name.
        server: String,
    },
    /// It is in trouble or cannot be reached; asking again may help.
    #[error("{server}: {reason}")]
    Unavailable {
        /// Its name.
        server: String,
        /// One line.
        reason: String,
    },
    /// We do not get along with it until somebody sets something right.
    #[error("{server}: {reason}")]
    Misconfigured {
        /// Its name.
        server: String,
        /// One line that says what.
        reason: String,
    },
    /// It sent what cannot be true. That heals when the server does.
    #[error("{server}: invalid answer: {reason}")]
    InvalidData {
        /// Its name.
        server: String,
        /// One line.
        reason: String,
    },
}

impl GoProxyError {
    /// What it means for whoever asked.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Absent { .. } | Self::Unusable { .. } => Meaning::Absent,
            Self::Refused { .. } => Meaning::Refused,
            Self::Timeout { .. } | Self::Busy { .. } => Meaning::OriginTimeout,
            Self::Unavailable { .. } | Self::Misconfigured { .. } | Self::InvalidData { .. } => {
                Meaning::OriginUnavailable
            }
        }
    }

    /// What the request counts as.
    pub(super) fn outcome(&self) -> VcsOutcome {
        match self {
            Self::Absent { .. } => VcsOutcome::NotFound,
            Self::Refused { .. } | Self::Unusable { .. } => VcsOutcome::Refused,
            Self::Timeout { .. } | Self::Busy { .. } => VcsOutcome::Timeout,
            Self::Unavailable { .. } | Self::Misconfigured { .. } | Self::InvalidData { .. } => {
                VcsOutcome::Error
            }
        }
    }

    /// A status other than 200, with the server's words for it, which may be none.
    pub(super) fn of_status(server: &Server, status: StatusCode, words: &str) -> Self {
        let status = status.as_u16();
        let server = server.name.clone();
        let reason = match words {
            "" => format!("HTTP status {status}"),
            words => words.to_owned(),
        };
        let explained = match words {
            "" => reason.clone(),
            words => format!("HTTP status {status}: {words}"),
        };
        match status {
            404 | 410 => {
                // Said once, by whoever tells the client.
                let reason = reason.strip_prefix("not found: ").unwrap_or(&reason).to_owned();
                Self::Absent { server, reason }
            }
            403 => {
                let reason = reason.strip_prefix("refused: ").unwrap_or(&reason).to_owned();
                Self::Refused { server, reason }
            }
            401 | 407 => {
                let reason = format!("access denied ({explained}): check its credentials");
                Self::Misconfigured { server, reason }
            }
            508 => Self::Misconfigured {
                server,
                reason: format!("the upstreams form a loop ({explained})"),
            },
            _ => Self::Unavailable { server, reason: explained },
        }
    }

    /// A request that was not answered, or not to the end. The messages of [`EgressError`]
    /// name addresses; ours name the server.
    pub(super) fn of_egress(server: &Server, error: EgressError) -> Self {
        let is_foreign = server.trust == Trust::Foreign;
        let server = server.name.clone();
        match error {
            EgressError::Refused { reason, .. } if is_foreign => Self::Unusable { server, reason },
            EgressError::UnknownHost { .. } if is_foreign => {
                Self::Unusable { server, reason: "no such host".to_owned() }
            }
            EgressError::NotNamed { .. } => Self::Misconfigured {
                server,
                reason: "not to be asked for private modules".to_owned(),
            },
            EgressError::Refused { reason, .. } => Self::Misconfigured { server, reason },
            EgressError::Unreachable { reason, .. } => Self::Unavailable { server, reason },
            EgressError::UnknownHost { .. } => {
                Self::Unavailable { server, reason: "no such host".to_owned() }
            }
            EgressError::Tls { reason, .. } => {
                Self::Unavailable { server, reason: format!("TLS: {reason}") }
            }
            EgressError::Timeout { seconds, .. } => Self::Timeout { server, seconds },
            EgressError::Busy { .. } => Self::Busy { server },
            EgressError::TooLarge { limit, .. } => {
                Self::InvalidData { server, reason: format!("it is larger than {limit} bytes") }
            }
        }
    }
}

/// A server's words as they may be shown: their first line, printable, of bounded length,
/// and without credentials, its URLs' or ours.
pub(super) fn cleaned(words: &str, secrets: &[Secret]) -> String {
    if secrets.iter().any(|secret| words.contains(secret.expose())) {
        return String::new();
    }
    let line = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let printable = line.chars().map(|character| match character {
        _ if character.is_ascii_graphic() || character.is_alphanumeric() => character,
        _ if character.is_whitespace() => ' ',
        _ => '?',
    });
    let line: String = printable.collect();
    without_userinfo(&line).chars().take(LONGEST_REASON).collect()
}

/// The text with the user name and password of every URL in it left out.
fn without_userinfo(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let authority = part.find(['/', ' ', '"', '?', '#']).unwrap_or(part.len());
        let start = part[..authority].rfind('@').map_or(0, |at| at + 1);
        clean.push_str("://");
        clean.push_str(&part[start..]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_cleaned() {
        let password: Secret = "s3cret".parse().unwrap();
        let long = "é".repeat(400);
        for (words, expected) in [
            ("", ""),
            ("\n \nfirst\nsecond", "first"),
            ("a\tb\u{1b}[31m\u{202e}c é", "a b?[31m?c é"),
            (
                "see https://u:hunter2@h.example/x and http://v@h",
                "see https://h.example/x and http://h",
            ),
            ("https://a:p@ss@h.example", "https://h.example"),
            ("mail me@h.example", "mail me@h.example"),
            ("your password is s3cret", ""),
            (&long, &"é".repeat(300)),
        ] {
            assert_eq!(cleaned(words, std::slice::from_ref(&password)), expected, "{words}");
        }
    }
}
