//! Every route and who calls it.

use axum::{Router, middleware::from_fn, routing::get};

use crate::{
    admin,
    catalog::catalog,
    operations::{healthz, metrics, readyz, start_page, version},
    proxy,
    request_id::with_request_id,
    state::Frontend,
};

/// The public listener: the go command (everything that is not named here), people
/// (`/`), and probes.
pub fn app(frontend: Frontend) -> Router {
    let routes = probes()
        .route("/", get(start_page))
        .route("/catalog", get(catalog))
        .fallback(proxy::answer);
    routes.layer(from_fn(with_request_id)).with_state(frontend)
}

/// The operators' listener: metrics and `/admin`, which are nowhere else, and probes.
pub fn operators(frontend: Frontend) -> Router {
    let operators = probes().route("/metrics", get(metrics)).merge(admin::routes(&frontend));
    operators.layer(from_fn(with_request_id)).with_state(frontend)
}

fn probes() -> Router<Frontend> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/version", get(version))
}
