//! Health, readiness, build and metrics.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use tokio::time::{Instant, timeout};

use crate::{background::QUEUE_PATIENCE, state::Frontend};

const TEXT: [(http::HeaderName, &str); 2] =
    [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];

/// The process is alive; nothing else is looked at.
pub(crate) async fn healthz() -> Response {
    (TEXT, "ok\n").into_response()
}

/// Whether requests are welcome; a second line says what does not work nevertheless.
pub(crate) async fn readyz(State(frontend): State<Frontend>) -> Response {
    let now = Instant::now();
    match frontend.health.ready(now) {
        Ok(()) => {
            let degraded = frontend.health.degraded(frontend.queue.is_connected(), now);
            let degraded = degraded.map(|line| format!("{line}\n"));
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

/// All metrics of the process, in the Prometheus text format. What varies by itself is
/// looked at now; a queue that does not say its depth leaves the one it said last.
pub(crate) async fn metrics(State(frontend): State<Frontend>) -> Response {
    frontend.hot.measure();
    frontend.metrics.queue_connected().set(frontend.queue.is_connected().into());
    match timeout(QUEUE_PATIENCE, frontend.queue.depth()).await {
        Ok(Ok(depth)) => frontend.metrics.set_queue_depth(&depth),
        Ok(Err(error)) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the queue's depth is unknown");
        }
        Err(_) => tracing::warn!("the queue's depth is unknown: the queue did not answer"),
    }
    let content_type = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, frontend.metrics.render()).into_response()
}
