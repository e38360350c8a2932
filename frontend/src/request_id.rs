//! The request's id: taken from whoever asks or made here, said in the answer, in every
//! line of the log and in the job.

use axum::{body::Body, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use stoa_shared::request_id::RequestId;
use tracing::Instrument;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's id if it is one, else a new one.
pub(crate) fn identify(headers: &HeaderMap) -> RequestId {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()?.parse().ok());
    given.unwrap_or_else(RequestId::generate)
}

/// Says the id in an answer.
pub(crate) fn say(id: &RequestId, headers: &mut HeaderMap) {
    let value = HeaderValue::from_str(id.as_str());
    headers.insert(X_REQUEST_ID, value.expect("letters, digits and dashes are a header value"));
}

/// Around every route: handlers find the id among the request's extensions.
pub(crate) async fn with_request_id(mut request: Request<Body>, next: Next) -> Response {
    let id = identify(request.headers());
    request.extensions_mut().insert(id.clone());
    // Of the highest level, so that no filter leaves a line without its request.
    let span = tracing::error_span!("request", request.id = %id);
    let mut response = next.run(request).instrument(span).await;
    say(&id, response.headers_mut());
    response
}
