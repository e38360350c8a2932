//! `/admin`: what operators do, by token and with a line in the log for each action.

mod access;
mod dead_letters;
mod refresh;

use axum::{Router, middleware::from_fn_with_state, routing::get, routing::post};

use self::access::authorised;
use crate::state::Frontend;

/// All routes below `/admin`.
pub(crate) fn routes(frontend: &Frontend) -> Router<Frontend> {
    Router::new()
        .route("/admin/dead-letters", get(dead_letters::list))
        .route("/admin/dead-letters/{id}", get(dead_letters::show).delete(dead_letters::discard))
        .route("/admin/dead-letters/{id}/replay", post(dead_letters::replay))
        .route("/admin/refresh", post(refresh::refresh))
        .layer(from_fn_with_state(frontend.clone(), authorised))
}
