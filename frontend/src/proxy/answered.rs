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
    protocol,
};

use super::{
    Answered, Asked, JSON, TEXT,
    asking::{Asking, misfit},
    miss,
};
use crate::{
    decision::{Decision, Known, Wanted},
    error::{ApiError, PRIVATE},
    freshness::{Standing, standing},
    holdings::Holdings,
    hot::Document,
    registry::Registry,
    state::Frontend,
    versions::read_answer,
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
    holdings: &Holdings,
    wanted: &protocol::Endpoint,
    question: Question,
) -> Answered {
    let module = &wanted.module;
    let (subject, settings) = (subject(module, &question), &frontend.settings);
    let version = match &question {
        Question::Query(query) => query.as_version(),
        _ => None,
    };
    let asking = Asking { frontend, asked, holdings, module, version, question, subject };
    let answer = read_answer(&*holdings.storage, module, &asking.question).await;
    let answer = answer.map_err(|error| asking.unreadable(error))?;
    let last = answer.good.clone();
    let standing = if asking.is_closed() {
        // A copy may name versions that are not to be had.
        Standing::Unknown
    } else {
        standing(answer, Timestamp::now(), settings.freshness, settings.negative)
    };
    let decide = |known| {
        let (version, wanted) = (asking.version.as_ref(), Wanted::Mutable(known));
        miss::decide(frontend, asked, holdings, module, version, wanted)
    };
    let known = match &standing {
        Standing::Fresh(..) => Known::Fresh,
        Standing::Stale(_) => Known::Stale,
        Standing::Remembered(_) => Known::Absent,
        Standing::Unknown => Known::Nothing,
    };
    let (mut decision, mut stored) = (decide(known), None);
    // Only where nothing else is left it matters which versions are stored.
    let is_refusal = matches!(
        decision,
        Decision::NotStored(_) | Decision::RegistryDown | Decision::AbsentAndFill
    );
    if known == Known::Nothing && is_refusal {
        stored = asking.stored(last).await?;
        if stored.is_some() {
            decision = decide(Known::Versions);
        }
    }
    if known == Known::Nothing
        && stored.is_none()
        && let Some(error) = miss::hopeless(&frontend.settings.policy.private, module)
    {
        return Err(error);
    }
    let job_goes_out = matches!(
        decision,
        Decision::Serve { refresh: true }
            | Decision::FromStored { refresh: true }
            | Decision::AbsentAndFill
    );
    if job_goes_out {
        frontend.background.publish(asking.job());
    }
    let (outcome, good, usable) = match (decision, standing, stored) {
        (Decision::Serve { .. }, Standing::Fresh(good, left), _) => (Outcome::Hit, good, left),
        (Decision::Serve { refresh: true }, Standing::Stale(good), _) => {
            (Outcome::Stale, good, STALE_PAUSE)
        }
        (Decision::Serve { refresh: false }, Standing::Stale(good), _) => {
            (Outcome::Stale, asking.with_stored(good).await?, STALE_PAUSE)
        }
        (Decision::FromStored { .. }, _, Some(good)) => (Outcome::Stale, good, STALE_PAUSE),
        (Decision::Absent, Standing::Remembered(failure), _) => {
            return Err(ApiError::failed(&asking.subject, &failure));
        }
        (Decision::Redirect { to, .. }, ..) => {
            let registry = frontend.registry.as_ref().map(Registry::public);
            return match to.or(registry) {
                Some(to) => Ok((Outcome::Redirect, miss::redirect(to, wanted))),
                None => Err(asking.refusal(&Decision::RegistryDown).await),
            };
        }
        (Decision::Wait { at_most, otherwise }, ..) => {
            let (outcome, good) = asking.wait(at_most, otherwise).await?;
            (outcome, good, STALE_PAUSE.min(settings.freshness))
        }
        (decision, ..) => return Err(asking.refusal(&decision).await),
    };
    let good = asking.allowed(good).await?;
    let (endpoint, content_type, body) = content(&asking.question, &asking.subject, good)?;
    let document = Document {
        endpoint,
        // Whoever finds it in memory waits no longer.
        outcome: if outcome == Outcome::Stale { Outcome::Stale } else { Outcome::Hit },
        content_type,
        cache_control: match holdings.is_private() {
            true => PRIVATE,
            false => cache_control(settings.freshness),
        },
        etag: None,
        accepts_ranges: false,
        fresh_until: Some(Instant::now() + usable),
        body,
    };
    let response = document.respond(asked.is_head, &asked.headers);
    // Whether a refresh may be asked for differs between callers: only those who may
    // leave their stale answer to the others.
    let is_for_all = asked.may_ask && !holdings.is_private();
    if is_for_all && document.body.len() <= LARGEST_IN_MEMORY {
        frontend.hot.remember(&asked.path, Arc::new(document));
    }
    Ok((outcome, response.map(Body::new)))
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
pub(super) fn cache_control(freshness: Duration) -> HeaderValue {
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
