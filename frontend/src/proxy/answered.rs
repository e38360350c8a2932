//! `list`, `@latest` and `.info` of a branch, tag or commit: answers that may change,
//! stored by workers, served stale while one job refreshes them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use stoa_shared::{
    answer::{Good, Question, Value},
    metrics::{Endpoint, Outcome},
    module::ModulePath,
};

use super::{Answered, Asked, JSON, TEXT};
use crate::{
    error::{ApiError, Trouble},
    freshness::{Standing, standing},
    hot::Document,
    state::Frontend,
    versions::read_answer,
    waits,
};

/// A stale answer is served from memory this long before storage is looked at again
/// for the refreshed one.
const STALE_PAUSE: Duration = Duration::from_secs(1);

/// A longer list is read from storage each time. Bytes; some 50,000 versions.
const LARGEST_IN_MEMORY: usize = 1 << 20;

/// Answers the question from storage, or asks the workers and waits.
pub(super) async fn serve(
    frontend: &Frontend,
    asked: &Asked,
    module: &ModulePath,
    question: Question,
) -> Answered {
    let subject = subject(module, &question);
    let settings = &frontend.settings;
    let answer = read_answer(&*frontend.storage, module, &question)
        .await
        .map_err(|error| ApiError::storage(&subject, error))?;
    let (outcome, good, usable) =
        match standing(answer, Timestamp::now(), settings.freshness, settings.negative) {
            Standing::Fresh(good, left) => (Outcome::Hit, good, left),
            Standing::Stale(good) => {
                if asked.may_ask {
                    frontend.background.publish(question.task(module), &asked.request);
                }
                (Outcome::Stale, good, STALE_PAUSE)
            }
            Standing::Remembered(failure) => return Err(ApiError::failed(&subject, &failure)),
            Standing::Unknown if !asked.may_ask => return Err(ApiError::not_stored(&subject)),
            Standing::Unknown => {
                let good = wait(frontend, asked, module, &question, &subject).await?;
                (Outcome::Miss, good, STALE_PAUSE.min(settings.freshness))
            }
        };
    let (endpoint, content_type, body) = content(&question, &subject, good)?;
    let document = Document {
        endpoint,
        // Whoever finds it in memory waits no longer.
        outcome: if outcome == Outcome::Stale { Outcome::Stale } else { Outcome::Hit },
        content_type,
        cache_control: cache_control(settings.freshness),
        etag: None,
        accepts_ranges: false,
        fresh_until: Some(Instant::now() + usable),
        body,
    };
    let response = document.respond(asked.is_head, &asked.headers);
    // Whether a refresh may be asked for differs between callers: only those who may
    // leave their stale answer to the others.
    if asked.may_ask && document.body.len() <= LARGEST_IN_MEMORY {
        frontend.hot.remember(&asked.path, Arc::new(document));
    }
    Ok((outcome, response.map(Body::new)))
}

async fn wait(
    frontend: &Frontend,
    asked: &Asked,
    module: &ModulePath,
    question: &Question,
    subject: &str,
) -> Result<Good, ApiError> {
    let outcome = frontend.waits.outcome(module, question, &asked.request).await;
    match outcome.map_err(|over| ApiError::wait_over(subject, over))? {
        waits::Outcome::Answered(good) => Ok(Arc::unwrap_or_clone(good)),
        waits::Outcome::Failed(failure) => Err(ApiError::failed(subject, &failure)),
        waits::Outcome::StorageUnavailable(error) => Err(ApiError::storage(subject, error)),
        waits::Outcome::QueueUnavailable => Err(ApiError::queue_unavailable(subject)),
        waits::Outcome::Filled => Err(misfit(subject)),
    }
}

/// What a good answer is as a response body, and what asking for it counts as.
fn content(
    question: &Question,
    subject: &str,
    good: Good,
) -> Result<(Endpoint, HeaderValue, Bytes), ApiError> {
    match (question, good.value) {
        (Question::List, Value::Versions(versions)) => {
            let lines: String = versions.iter().map(|version| format!("{version}\n")).collect();
            Ok((Endpoint::List, TEXT, lines.into()))
        }
        (Question::Latest | Question::Query(_), Value::Version(info)) => {
            let is_latest = matches!(question, Question::Latest);
            let endpoint = if is_latest { Endpoint::Latest } else { Endpoint::Info };
            let json = serde_json::to_vec(&info).map_err(|_| misfit(subject))?;
            Ok((endpoint, JSON, json.into()))
        }
        _ => Err(misfit(subject)),
    }
}

/// How long others may remember the answer.
fn cache_control(freshness: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={}", freshness.as_secs()))
        .expect("a number is a valid header value")
}

/// What the question is about, as error lines begin.
fn subject(module: &ModulePath, question: &Question) -> String {
    match question {
        Question::List => module.to_string(),
        Question::Latest => format!("{module}@latest"),
        Question::Query(query) => format!("{module}@{query}"),
        Question::Fill(version) => format!("{module}@{version}"),
    }
}

/// The stored answer is of another kind than its question.
fn misfit(subject: &str) -> ApiError {
    ApiError::new(Trouble::Internal, format!("{subject}: the stored answer does not fit"))
}
