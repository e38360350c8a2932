//! What one attempt came to, by what has to be done next. The one place that knows the
//! provider's codes.

use std::{error::Error, fmt};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use http_body_util::{BodyExt, Limited};
use hyper::{Response, body::Incoming};

/// Longest text that is taken over from a store, in characters.
const LONGEST: usize = 300;

/// Longest document that says why a request was refused, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;

/// An answer to HEAD has no body that could hold a code; MinIO puts it into a header.
const CODE_OF_HEAD: &str = "x-minio-error-code";

/// Why an attempt failed. As an error it says in one line what the store said.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    said: String,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing lies under the key.
    Missing,
    /// The bucket is not there: this says nothing about the object.
    NoBucket,
    /// A condition does not hold.
    PreconditionFailed,
    /// The range starts past the end.
    RangeNotSatisfiable,
    /// The upload has ended: completed or aborted.
    UploadGone,
    /// The credentials do not reach that far.
    Denied,
    /// Not done now; another attempt may be.
    Busy,
    /// The store answered with trouble of its own; whether it did anything is not known.
    Unclear,
    /// No answer; whether the request arrived is not known.
    Unreachable,
    /// Refused for good.
    Refused,
}

impl Trouble {
    pub(super) fn new(kind: Kind, said: impl Into<String>) -> Self {
        Self { kind, said: one_line(&said.into()) }
    }

    /// Reads why a store refused what was asked of it without the SDK.
    pub(super) async fn of(answer: Response<Incoming>) -> Self {
        let status = answer.status().as_u16();
        let header = answer.headers().get(CODE_OF_HEAD).and_then(|code| code.to_str().ok());
        let header = header.map(str::to_owned);
        match Limited::new(answer.into_body(), LONGEST_REFUSAL).collect().await {
            Ok(document) => {
                let document = document.to_bytes();
                let document = String::from_utf8_lossy(&document);
                let code = element(&document, "Code").or(header);
                let message = element(&document, "Message");
                let said = said(status, code.as_deref(), message.as_deref());
                Self::new(kind(status, code.as_deref()), said)
            }
            Err(error) => Self::new(Kind::Unclear, format!("{status}: {}", chain(&*error))),
        }
    }

    /// Whether another attempt may succeed.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Busy | Kind::Unclear | Kind::Unreachable)
    }

    /// Whether the attempt may have had its effect all the same.
    pub(super) fn is_unclear(&self) -> bool {
        matches!(self.kind, Kind::Unclear | Kind::Unreachable)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl Error for Trouble {}

impl<E> From<SdkError<E>> for Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        match (&error, status) {
            (SdkError::ServiceError(_), Some(status)) => {
                let (code, message) = (error.code(), error.message());
                Self::new(kind(status, code), said(status, code, message))
            }
            // An answer that breaks off or makes no sense.
            (_, Some(status)) => Self::new(Kind::Unclear, format!("{status}: {}", chain(&error))),
            (SdkError::ConstructionFailure(_), None) => Self::new(Kind::Refused, chain(&error)),
            (_, None) => Self::new(Kind::Unreachable, chain(&error)),
        }
    }
}

/// By the code first: an upload is completed with status 200 before the store knows what
/// comes of it, and an error then stands in the body.
fn kind(status: u16, code: Option<&str>) -> Kind {
    match (status, code) {
        (_, Some("NoSuchBucket")) => Kind::NoBucket,
        (_, Some("NoSuchUpload")) => Kind::UploadGone,
        // What the store has no name for cannot lie there.
        (_, Some("KeyTooLongError" | "XMinioInvalidObjectName")) => Kind::Missing,
        (_, Some("PreconditionFailed")) => Kind::PreconditionFailed,
        (_, Some("ConditionalRequestConflict" | "OperationAborted" | "RequestTimeout")) => {
            Kind::Busy
        }
        (_, Some("InternalError" | "ServiceUnavailable" | "SlowDown")) => Kind::Unclear,
        (200..=299, _) => Kind::Unclear,
        (401 | 403, _) => Kind::Denied,
        (404, _) => Kind::Missing,
        (412, _) => Kind::PreconditionFailed,
        (416, _) => Kind::RangeNotSatisfiable,
        // 409 is another conditional write of the same key that is not finished yet.
        (408 | 409 | 425 | 429, _) => Kind::Busy,
        // 501 is a store that will never know what was asked of it.
        (501, _) => Kind::Refused,
        (500.., _) => Kind::Unclear,
        _ => Kind::Refused,
    }
}

fn said(status: u16, code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{status} {code}: {message}"),
        (Some(text), None) | (None, Some(text)) => format!("{status} {text}"),
        (None, None) => format!("{status}, without a reason"),
    }
}

/// The text of an element in a store's refusal, whose elements hold nothing but text.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    // The ampersand last: what it begins then is not an escape.
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&quot;", "\"")];
    let escapes = escapes.into_iter().chain([("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")]);
    Some(escapes.fold(text.to_owned(), |text, (escape, letter)| text.replace(escape, letter)))
}

/// The error and its sources in one line; each adds to the one before.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_what_the_store_can_know() {
        for (status, code, expected) in [
            (404, Some("NoSuchKey"), Kind::Missing),
            (404, None, Kind::Missing),
            (404, Some("NoSuchBucket"), Kind::NoBucket),
            (404, Some("NoSuchUpload"), Kind::UploadGone),
            (403, Some("AccessDenied"), Kind::Denied),
            (409, Some("ConditionalRequestConflict"), Kind::Busy),
            (412, Some("PreconditionFailed"), Kind::PreconditionFailed),
            (416, Some("InvalidRange"), Kind::RangeNotSatisfiable),
            (400, Some("RequestTimeout"), Kind::Busy),
            (400, Some("InvalidArgument"), Kind::Refused),
            (301, Some("PermanentRedirect"), Kind::Refused),
            (500, Some("InternalError"), Kind::Unclear),
            (501, Some("NotImplemented"), Kind::Refused),
            (503, Some("SlowDown"), Kind::Unclear),
            (200, Some("InternalError"), Kind::Unclear),
            (200, Some("SlowDown"), Kind::Unclear),
            (200, Some("PreconditionFailed"), Kind::PreconditionFailed),
            (200, Some("ConditionalRequestConflict"), Kind::Busy),
            (200, Some("NoSuchUpload"), Kind::UploadGone),
            (200, None, Kind::Unclear),
        ] {
            assert_eq!(kind(status, code), expected, "{status} {code:?}");
        }
    }

    #[test]
    fn a_refusal_is_a_document_with_a_code_and_a_message() {
        let document = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code>\
                        <Message>no &#34;a&amp;lt;b&#34;</Message><Key>Code</Key></Error>";
        assert_eq!(element(document, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(document, "Message").as_deref(), Some("no \"a&lt;b\""));
        for other in ["", "<html>Code</html>", "<Code>", "<Code/>"] {
            assert_eq!(element(other, "Code"), None, "{other}");
        }
    }

    #[test]
    fn what_a_store_says_is_one_short_line() {
        let trouble = Trouble::new(Kind::Unclear, "first\nsecond\t\tthird ".repeat(100));
        let said = trouble.to_string();
        assert!(said.starts_with("first second third first"), "{said}");
        assert_eq!(said.chars().count(), LONGEST);
    }
}
