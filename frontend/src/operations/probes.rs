//! Health, readiness, build and metrics.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use tokio::time::Instant;

use crate::state::Frontend;

const TEXT: [(http::HeaderName, &str); 2] =
    [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];

/// The process is alive; nothing else is looked at.
pub(crate) async fn healthz() -> Response {
    (TEXT, "ok\n").into_response()
}

/// Whether requests are welcome; a second line says what does not work nevertheless.
pub(crate) async fn readyz(State(frontend): State<Frontend>) -> Response {
    match frontend.health.ready(Instant::now()) {
        Ok(()) => {
            let degraded = frontend.health.degraded().map(|line| format!("{line}\n"));
            (TEXT, format!("ready\n{}", degraded.unwrap_or_default())).into_response()
        }
        Err(unready) => {
            (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{unready}\n")).into_response()
        }
    }
}

/// Which build this is, as JSON.
pub(crate) async fn version() -> Response {
    let body = serde_json::json!({ "name": "stoa", "version": env!("CARGO_PKG_VERSION") });
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, format!("{body}\n")).into_response()
}

/// All metrics of the process, in the Prometheus text format.
pub(crate) async fn metrics(State(frontend): State<Frontend>) -> Response {
    match frontend.metrics.render() {
        Ok(text) => {
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
