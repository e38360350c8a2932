//! The one table from meaning to response.
//!
//! The go command goes on to the next proxy only after 404 and 410, so these are said
//! only when absence is known or was asked for; it stops at the 403 of a policy;
//! everything else is 5xx (go-modules §1.3, §1.4).

use std::{error::Error, fmt};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use stoa_shared::{
    answer::{Failure, Meaning},
    metrics::Outcome,
    policy::{Exclusion, Look},
    storage::StorageError,
};
use tracing::Level;

use crate::waits::WaitOver;

/// What caches between here and those who were entitled to ask are told.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// The go command shows at most 648 bytes of a body; ours stay below.
const LONGEST_BODY: usize = 600;

/// What went wrong for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The path is none of the protocol's.
    Malformed,
    /// There is no such module or version.
    Absent,
    /// It is there, but can never be a valid module version.
    Invalid,
    /// It is not here, and nobody is asked: HEAD, `Disable-Module-Fetch`, or policy.
    NotStored,
    /// It is private and not here, and nobody can be asked: whether it is anywhere is not
    /// known, and the next proxy must not hear its name.
    OutOfReach,
    /// Neither GET nor HEAD.
    MethodNotAllowed,
    /// A parameter of the query is none.
    BadParameter,
    /// Callers have to say who they are.
    Unauthorised,
    /// Policy forbids it, here or upstream.
    Refused,
    /// It has been here before.
    Loop,
    /// The registry that has to be asked is down.
    RegistryDown,
    /// The origin is in trouble.
    OriginUnavailable,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The worker is in trouble.
    Internal,
    /// Our storage is in trouble.
    StorageUnavailable,
    /// The queue did not take the job.
    QueueUnavailable,
    /// What lies in storage is not what was recorded.
    Damaged,
    /// The job takes longer than a request may wait.
    WaitOver,
    /// The job takes longer than this process lives.
    Stopping,
}

/// How a [`Trouble`] looks from outside.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    status: StatusCode,
    first_words: &'static str,
    /// Seconds.
    retry_after: Option<&'static str>,
    cache_control: &'static str,
    level: Level,
}

/// A failed request: its [`Trouble`], one line for the client, and the cause for the log.
#[derive(Debug)]
pub(crate) struct ApiError {
    trouble: Trouble,
    message: String,
    is_private: bool,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Trouble {
    fn row(self) -> Row {
        use Trouble::*;
        const NEVER: &str = "no-store";
        const NOT_FOUND: (StatusCode, &str) = (StatusCode::NOT_FOUND, "not found");
        const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let ((status, first_words), retry_after, cache_control, level) = match self {
            Malformed => (NOT_FOUND, None, "public, max-age=86400", Level::DEBUG),
            Absent => (NOT_FOUND, None, "public, max-age=10", Level::DEBUG),
            Invalid => (NOT_FOUND, None, "public, max-age=10", Level::DEBUG),
            NotStored => (NOT_FOUND, None, NEVER, Level::DEBUG),
            OutOfReach => ((UNAVAILABLE, "not stored"), Some("60"), NEVER, Level::INFO),
            MethodNotAllowed => {
                ((StatusCode::METHOD_NOT_ALLOWED, "method not allowed"), None, NEVER, Level::DEBUG)
            }
            BadParameter => ((StatusCode::BAD_REQUEST, "bad request"), None, NEVER, Level::DEBUG),
            Unauthorised => ((StatusCode::UNAUTHORIZED, "key required"), None, NEVER, Level::DEBUG),
            Refused => ((StatusCode::FORBIDDEN, "refused"), None, NEVER, Level::INFO),
            Loop => ((StatusCode::LOOP_DETECTED, "loop detected"), None, NEVER, Level::ERROR),
            RegistryDown => ((UNAVAILABLE, "registry unavailable"), Some("10"), NEVER, Level::INFO),
            OriginUnavailable => {
                ((UNAVAILABLE, "origin unavailable"), Some("10"), NEVER, Level::WARN)
            }
            OriginTimeout => {
                ((StatusCode::GATEWAY_TIMEOUT, "origin timeout"), Some("10"), NEVER, Level::WARN)
            }
            Internal => ((UNAVAILABLE, "internal error"), Some("10"), NEVER, Level::ERROR),
            StorageUnavailable => {
                ((UNAVAILABLE, "storage unavailable"), Some("5"), NEVER, Level::ERROR)
            }
            QueueUnavailable => {
                ((UNAVAILABLE, "queue unavailable"), Some("5"), NEVER, Level::ERROR)
            }
            Damaged => ((UNAVAILABLE, "damaged copy"), Some("10"), NEVER, Level::ERROR),
            WaitOver => {
                ((StatusCode::GATEWAY_TIMEOUT, "still working"), Some("30"), NEVER, Level::INFO)
            }
            Stopping => ((UNAVAILABLE, "shutting down"), Some("1"), NEVER, Level::INFO),
        };
        Row { status, first_words, retry_after, cache_control, level }
    }
}

impl ApiError {
    /// `message` names the object; the first words come from the table.
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into(), is_private: false, cause: None }
    }

    /// What a worker's failure to answer about `subject` means for the client.
    pub(crate) fn failed(subject: &str, failure: &Failure) -> Self {
        let trouble = match failure.meaning {
            Meaning::Absent => Trouble::Absent,
            Meaning::Invalid => Trouble::Invalid,
            Meaning::Refused => Trouble::Refused,
            Meaning::OriginUnavailable => Trouble::OriginUnavailable,
            Meaning::OriginTimeout => Trouble::OriginTimeout,
            Meaning::Internal => Trouble::Internal,
        };
        // Said once, whoever said it first.
        let reason = failure.message.strip_prefix("not found: ").unwrap_or(&failure.message);
        if reason.starts_with(subject) {
            Self::new(trouble, reason)
        } else {
            Self::new(trouble, format!("{subject}: {reason}"))
        }
    }

    /// Whoever asks for `subject` has to say who it is.
    pub(crate) fn unauthorised(subject: &str) -> Self {
        let message = format!("{subject}: callers without a key get nothing here");
        Self::new(Trouble::Unauthorised, message)
    }

    /// Nobody gets `subject`. After a 404 the go command would take a private one's name
    /// to the next proxy.
    pub(crate) fn excluded(subject: &str, exclusion: &Exclusion, is_private: bool) -> Self {
        let trouble = match exclusion.look() {
            Look::Absent if !is_private => Trouble::NotStored,
            Look::Absent | Look::Refuse => Trouble::Refused,
        };
        let reason = exclusion.reason().map_or(String::new(), |reason| format!(": {reason}"));
        Self::new(trouble, format!("{subject}: excluded here{reason}"))
    }

    /// The job about `subject` could not be published.
    pub(crate) fn queue_unavailable(subject: &str) -> Self {
        let message = format!("{subject}: not stored here, and no job can be queued to fetch it");
        Self::new(Trouble::QueueUnavailable, message)
    }

    /// The wait for `subject` is over.
    pub(crate) fn wait_over(subject: &str, over: WaitOver) -> Self {
        let (trouble, advice) = match over {
            WaitOver::Deadline => (Trouble::WaitOver, "ask again in a while"),
            WaitOver::Stopping => (Trouble::Stopping, "ask again: another will answer"),
        };
        Self::new(trouble, format!("{subject}: being fetched, {advice}"))
    }

    /// What storage's error means for whoever asked for `subject`. The client is not
    /// told keys or hosts, the log is.
    pub(crate) fn storage(subject: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let message = format!("{subject}: cannot be read now");
        Self { cause: Some(error.into()), ..Self::new(Trouble::StorageUnavailable, message) }
    }

    /// `subject`'s object is not the one that was recorded.
    pub(crate) fn damaged(subject: &str, error: Option<StorageError>) -> Self {
        let message = format!("{subject}: the stored copy is being checked");
        let cause = error.map(Into::into);
        Self { cause, ..Self::new(Trouble::Damaged, message) }
    }

    /// The same about a private module: no cache keeps what it says.
    pub(crate) fn about_private(self, is_private: bool) -> Self {
        Self { is_private, ..self }
    }

    /// What the request counts as.
    pub(crate) fn outcome(&self) -> Outcome {
        use Trouble::*;
        match self.trouble {
            Malformed | Absent | Invalid | NotStored => Outcome::NotFound,
            MethodNotAllowed | BadParameter | Unauthorised | Refused => Outcome::Refused,
            WaitOver | Stopping => Outcome::Timeout,
            OriginUnavailable | OriginTimeout | Internal | StorageUnavailable
            | QueueUnavailable | Damaged | Loop | RegistryDown | OutOfReach => Outcome::Error,
        }
    }

    /// The response to a GET or, without its body, to a HEAD.
    pub(crate) fn respond(self, is_head: bool) -> Response {
        let row = self.trouble.row();
        self.log(&row);
        let body = one_line(row.first_words, &self.message);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let cache_control =
            if self.is_private { PRIVATE } else { HeaderValue::from_static(row.cache_control) };
        headers.insert(CACHE_CONTROL, cache_control);
        if let Some(seconds) = row.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        match self.trouble {
            Trouble::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Trouble::Unauthorised => {
                let challenge = HeaderValue::from_static("Basic realm=\"stoa\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            _ => {}
        }
        let body = if is_head { Body::empty() } else { Body::from(body) };
        (row.status, headers, body).into_response()
    }

    fn log(&self, row: &Row) {
        let status = row.status.as_u16();
        let cause = self.cause.as_ref().map(|cause| &**cause as &dyn Error);
        let words = row.first_words;
        match row.level {
            Level::ERROR => tracing::error!(status, error = cause, "{words}: {}", self.message),
            Level::WARN => tracing::warn!(status, error = cause, "{words}: {}", self.message),
            Level::INFO => tracing::info!(status, error = cause, "{words}: {}", self.message),
            _ => tracing::debug!(status, error = cause, "{words}: {}", self.message),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.trouble.row().first_words, self.message)
    }
}

/// One printable line within the limit: the go command shows nothing at all of a body
/// with a character that it does not hold printable.
fn one_line(first_words: &str, message: &str) -> String {
    let mut line = String::with_capacity(first_words.len() + 2 + message.len());
    for character in first_words.chars().chain(": ".chars()).chain(message.chars()) {
        let printable = match character {
            _ if character.is_ascii_graphic() || character.is_alphanumeric() => character,
            _ if character.is_whitespace() => ' ',
            _ => '?',
        };
        if line.len() + printable.len_utf8() > LONGEST_BODY {
            break;
        }
        line.push(printable);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_meaning_has_its_response() {
        use Trouble::*;
        let table = [
            (Malformed, 404, "not found", None, Outcome::NotFound),
            (Absent, 404, "not found", None, Outcome::NotFound),
            (Invalid, 404, "not found", None, Outcome::NotFound),
            (NotStored, 404, "not found", None, Outcome::NotFound),
            (OutOfReach, 503, "not stored", Some("60"), Outcome::Error),
            (MethodNotAllowed, 405, "method not allowed", None, Outcome::Refused),
            (BadParameter, 400, "bad request", None, Outcome::Refused),
            (Unauthorised, 401, "key required", None, Outcome::Refused),
            (Refused, 403, "refused", None, Outcome::Refused),
            (Loop, 508, "loop detected", None, Outcome::Error),
            (RegistryDown, 503, "registry unavailable", Some("10"), Outcome::Error),
            (OriginUnavailable, 503, "origin unavailable", Some("10"), Outcome::Error),
            (OriginTimeout, 504, "origin timeout", Some("10"), Outcome::Error),
            (Internal, 503, "internal error", Some("10"), Outcome::Error),
            (StorageUnavailable, 503, "storage unavailable", Some("5"), Outcome::Error),
            (QueueUnavailable, 503, "queue unavailable", Some("5"), Outcome::Error),
            (Damaged, 503, "damaged copy", Some("10"), Outcome::Error),
            (WaitOver, 504, "still working", Some("30"), Outcome::Timeout),
            (Stopping, 503, "shutting down", Some("1"), Outcome::Timeout),
        ];
        for (trouble, status, first_words, retry_after, outcome) in table {
            let error = ApiError::new(trouble, "m@v1.0.0");
            assert_eq!(error.outcome(), outcome, "{trouble:?}");
            let response = error.respond(false);
            let row = trouble.row();
            assert_eq!(response.status(), status, "{trouble:?}");
            assert_eq!(row.first_words, first_words, "{trouble:?}");
            assert_eq!(row.retry_after, retry_after, "{trouble:?}");
            let passes = status >= 500 && trouble != Loop;
            assert_eq!(response.headers().get(RETRY_AFTER).is_some(), passes, "{trouble:?}");
            let remembered = response.headers()[CACHE_CONTROL] != "no-store";
            assert!(!remembered || status == 404, "{trouble:?}");
        }
    }

    #[test]
    fn a_failure_is_named_once() {
        let table = [
            (Meaning::Absent, "unknown revision", "not found: m@v1.0.0: unknown revision"),
            (Meaning::Absent, "not found: m@v1.0.0: gone", "not found: m@v1.0.0: gone"),
            (Meaning::Invalid, "m@v1.0.0: bad zip", "not found: m@v1.0.0: bad zip"),
            (Meaning::Refused, "m: excluded (says r)", "refused: m@v1.0.0: m: excluded (says r)"),
            (Meaning::OriginTimeout, "git: 30 s", "origin timeout: m@v1.0.0: git: 30 s"),
        ];
        for (meaning, message, expected) in table {
            let failure =
                Failure { at: jiff::Timestamp::UNIX_EPOCH, meaning, message: message.to_owned() };
            assert_eq!(ApiError::failed("m@v1.0.0", &failure).to_string(), expected);
        }
    }

    #[test]
    fn a_body_is_one_printable_line() {
        assert_eq!(one_line("a", "b\nc\u{1b}[31m\u{202e}d é"), "a: b c?[31m?d é");
        let long = one_line("a", &"é".repeat(600));
        assert_eq!(long.len(), 599);
        assert!(long.is_char_boundary(long.len()));
    }
}
