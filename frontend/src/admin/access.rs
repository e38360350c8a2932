//! Who may act: whoever knows the token or, where none is set, whoever reaches the
//! listener, which is on loopback then.

use axum::{
    body::Body,
    extract::State,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};

use crate::state::Frontend;

/// Lets those pass who may, and writes down what they did.
pub(super) async fn authorised(
    State(frontend): State<Frontend>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().map(str::to_owned);
    if !knows_token(&frontend, request.headers()) {
        tracing::warn!(target: "audit", %method, path, "admin request refused");
        let headers = [(WWW_AUTHENTICATE, "Bearer"), (CONTENT_TYPE, "text/plain; charset=utf-8")];
        let line = "access denied: send the admin token (STOA_ADMIN_TOKEN) as a bearer token\n";
        return (StatusCode::UNAUTHORIZED, headers, line).into_response();
    }
    let response = next.run(request).await;
    if method != Method::GET {
        let status = response.status().as_u16();
        tracing::info!(target: "audit", %method, path, query, status, "admin action");
    }
    response
}

fn knows_token(frontend: &Frontend, headers: &HeaderMap) -> bool {
    let Some(token) = &frontend.settings.admin_token else { return true };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, given) = given.and_then(|value| value.split_once(' ')).unwrap_or_default();
    scheme.eq_ignore_ascii_case("bearer") && token.matches(given.trim_start())
}
