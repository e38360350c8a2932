//! Heads of the answers about a file: how storage's words stand in HTTP.

use std::ops::Range;

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use stoa_shared::storage::ObjectMeta;

/// A version never changes: a week, as is practice elsewhere (go-modules §1.10).
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=604800, immutable");

pub(super) fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The strong tag, quoted; `None` if the store's own cannot stand in a header.
pub(super) fn entity_tag(meta: &ObjectMeta) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{}\"", meta.etag)).ok()
}

pub(super) fn content_range(part: &Range<u64>, size: u64) -> HeaderValue {
    header(format!("bytes {}-{}/{size}", part.start, part.end - 1))
}

pub(super) fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("ASCII words and numbers are a valid header value")
}
