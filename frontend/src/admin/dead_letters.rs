//! Jobs that were given up: to be looked at, done after all, or thrown away.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use stoa_shared::queue::QueueError;

use crate::state::Frontend;

/// `GET /admin/dead-letters`: all of them, oldest first.
pub(super) async fn list(State(frontend): State<Frontend>) -> Response {
    match frontend.queue.dead_letters().await {
        Ok(letters) => json(&letters),
        Err(error) => refused(&error),
    }
}

/// `GET /admin/dead-letters/<id>`.
pub(super) async fn show(State(frontend): State<Frontend>, Path(id): Path<String>) -> Response {
    match frontend.queue.find_dead_letter(&id).await {
        Ok(letter) => json(&letter),
        Err(error) => refused(&error),
    }
}

/// `POST /admin/dead-letters/<id>/replay`: the job is tried anew.
pub(super) async fn replay(State(frontend): State<Frontend>, Path(id): Path<String>) -> Response {
    done(frontend.queue.replay_dead_letter(&id).await)
}

/// `DELETE /admin/dead-letters/<id>`.
pub(super) async fn discard(State(frontend): State<Frontend>, Path(id): Path<String>) -> Response {
    done(frontend.queue.drop_dead_letter(&id).await)
}

fn done(outcome: Result<(), QueueError>) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &QueueError) -> Response {
    let status = match error {
        QueueError::UnknownDeadLetter { .. } | QueueError::UnknownDelivery { .. } => {
            StatusCode::NOT_FOUND
        }
        QueueError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{error}\n")).into_response()
}

fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_string(value).expect("dead letters always serialise");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
