//! A module whose new tag cannot wait: asked for anew, by an operator or a forge's webhook.

use std::{collections::HashMap, time::Duration};

use axum::{
    extract::{Extension, Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use stoa_shared::{
    answer::{Question, Value},
    config::NetworkMode,
    module::{ModulePath, Version},
    queue::{Completion, JobKey, Lane, Task},
    request_id::RequestId,
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    background::publish,
    error::{ApiError, Trouble},
    freshness::{Ending, Marks, ending},
    state::Frontend,
    versions::read_answer,
};

/// How often storage is looked at while nothing is heard.
const LOOK: Duration = Duration::from_secs(2);

/// What the origin says now.
#[derive(Debug, Serialize)]
struct Refreshed {
    module: ModulePath,
    versions: Vec<Version>,
}

/// `POST /admin/refresh?module=<module path>`: list and latest are asked anew; answered
/// with the new list or, when that takes longer than a client would wait, with 202.
pub(super) async fn refresh(
    State(frontend): State<Frontend>,
    Query(asked): Query<HashMap<String, String>>,
    Extension(request): Extension<RequestId>,
) -> Response {
    let module = asked.get("module").map(String::as_str).unwrap_or_default();
    let outcome = match module.parse::<ModulePath>() {
        Ok(module) => refreshed(&frontend, module, request).await,
        Err(error) => Err(ApiError::new(Trouble::BadParameter, format!("module: {error}"))),
    };
    match outcome {
        Ok(Some(refreshed)) => {
            let body = serde_json::to_string(&refreshed).expect("names always serialise");
            ([(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Err(error) => error.respond(false),
    }
}

async fn refreshed(
    frontend: &Frontend,
    module: ModulePath,
    request: RequestId,
) -> Result<Option<Refreshed>, ApiError> {
    let settings = &frontend.settings;
    if settings.network == NetworkMode::Offline {
        let message = format!("{module}: this deployment is offline (STOA_NETWORK)");
        return Err(ApiError::new(Trouble::BadParameter, message));
    }
    let policy = &settings.policy;
    let is_private = policy.private.contains(&module);
    if let Some(exclusion) = policy.exclude.find(&module, None) {
        return Err(ApiError::excluded(module.as_str(), exclusion, is_private));
    }
    if policy.is_never_fetched(&module, None) {
        let message = format!("{module}: its download mode is none (STOA_DOWNLOAD)");
        return Err(ApiError::new(Trouble::BadParameter, message));
    }
    let holdings = frontend.holdings(is_private);
    let list = async || {
        let answer = read_answer(&*holdings.storage, &module, &Question::List).await;
        answer.map_err(|error| ApiError::storage(module.as_str(), error))
    };
    let before = Marks::of(&list().await?);
    let mut completions = frontend.queue.completions();
    let job = holdings.job(Task::Refresh { module: module.clone() }, &request.into());
    let (queue, lane) = (&*frontend.queue, Lane::Interactive);
    if !publish(queue, &job, lane, &frontend.health, &frontend.metrics).await {
        return Err(ApiError::queue_unavailable(module.as_str()));
    }
    let (key, deadline) = (job.key(), Instant::now() + settings.wait);
    // A completion that is missed costs a moment and nothing else.
    let ended = loop {
        let is_over = tokio::select! {
            () = completed(&mut completions, &key) => true,
            () = sleep_until(deadline) => true,
            () = frontend.health.end_of_waits() => true,
            () = sleep(LOOK) => false,
        };
        let ended = ending(list().await?, before);
        if is_over || ended.is_some() {
            break ended;
        }
    };
    match ended {
        Some(Ending::Good(good)) => match good.value {
            Value::Versions(mut versions) => {
                policy.exclude.retain_allowed(&module, &mut versions);
                Ok(Some(Refreshed { module, versions }))
            }
            Value::Version(_) => Ok(None),
        },
        Some(Ending::Failed(failure)) => Err(ApiError::failed(module.as_str(), &failure)),
        None => Ok(None),
    }
}

async fn completed(completions: &mut Receiver<Completion>, key: &JobKey) {
    loop {
        match completions.recv().await {
            Ok(Completion::Of(completed)) if completed == *key => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
