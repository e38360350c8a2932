//! What operators and probes ask of a worker: health, readiness, build, metrics.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderName, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use stoa_shared::{metrics::Metrics, queue::Queue};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The queue gets this long to say how many jobs it has.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

const TEXT: [(HeaderName, &str); 2] =
    [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];

/// What the answers are made from. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    queue: Arc<dyn Queue>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

impl Operations {
    /// Of a worker that consumes `queue` until `shutdown`.
    pub fn new(queue: Arc<dyn Queue>, metrics: Arc<Metrics>, shutdown: CancellationToken) -> Self {
        Self { queue, metrics, shutdown }
    }
}

/// The worker's listener.
pub fn router(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .with_state(operations)
}

/// The process is alive: its runtime answers.
async fn healthz() -> Response {
    (TEXT, "ok\n").into_response()
}

/// Whether jobs are being consumed.
async fn readyz(State(operations): State<Operations>) -> Response {
    let unready = if operations.shutdown.is_cancelled() {
        "not ready: shutting down\n"
    } else if !operations.queue.is_connected() {
        "not ready: the job queue is unavailable\n"
    } else {
        return (TEXT, "ready\n").into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, TEXT, unready).into_response()
}

async fn version() -> Response {
    let body = serde_json::json!({ "name": "stoa-worker", "version": env!("CARGO_PKG_VERSION") });
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, format!("{body}\n")).into_response()
}

/// All metrics of the process. A queue that does not say its depth leaves the one it
/// said last.
async fn metrics(State(operations): State<Operations>) -> Response {
    operations.metrics.queue_connected().set(operations.queue.is_connected().into());
    match timeout(QUEUE_PATIENCE, operations.queue.depth()).await {
        Ok(Ok(depth)) => operations.metrics.set_queue_depth(&depth),
        Ok(Err(_)) | Err(_) => tracing::warn!("the queue's depth is unknown"),
    }
    let content_type = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, operations.metrics.render()).into_response()
}
