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
    config::NetworkMode,
    metrics::{Endpoint, Outcome},
    module::{ModulePath, Version, preferred},
    policy::{Download, Policy},
    protocol,
    queue::Job,
    storage::{StorageError, read_whole},
    stored_versions::visible_versions,
};

use super::{Answered, Asked, JSON, TEXT, miss};
use crate::{
    decision::{Decision, Known, Otherwise, Wanted},
    error::{ApiError, PRIVATE, Trouble},
    freshness::{Standing, standing},
    holdings::Holdings,
    hot::Document,
    registry::Registry,
    state::Frontend,
    versions::{ModuleVersion, read_answer},
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
        && let Some(error) = miss::hopeless(module)
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
                None => Err(asking.refusal(&Decision::RegistryDown)),
            };
        }
        (Decision::Wait { at_most, otherwise }, ..) => {
            let (outcome, good) = asking.wait(at_most, otherwise).await?;
            (outcome, good, STALE_PAUSE.min(settings.freshness))
        }
        (decision, ..) => return Err(asking.refusal(&decision)),
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

/// One request for one answer.
struct Asking<'a> {
    frontend: &'a Frontend,
    asked: &'a Asked,
    holdings: &'a Holdings,
    module: &'a ModulePath,
    /// What is asked about, where that is a version by its looks.
    version: Option<Version>,
    question: Question,
    subject: String,
}

impl Asking<'_> {
    /// Whether nothing is ever fetched for it, so that only what is stored counts.
    fn is_closed(&self) -> bool {
        let Policy { download, .. } = &self.frontend.settings.policy;
        // Private modules have no download mode.
        let is_unfetched = !self.holdings.is_private()
            && download.find(self.module, self.version.as_ref()) == Some(&Download::Nothing);
        is_unfetched || self.frontend.settings.network == NetworkMode::Offline
    }

    /// Waits for the workers' answer. Where they have trouble, or none of them is there,
    /// what is stored may have to do.
    async fn wait(
        &self,
        at_most: Option<Duration>,
        otherwise: Otherwise,
    ) -> Result<(Outcome, Good), ApiError> {
        let (waits, request) = (&self.holdings.waits, &self.asked.request);
        let subject = &self.subject;
        let trouble = match waits.outcome(self.module, &self.question, request, at_most).await {
            Ok(waits::Outcome::Answered(good)) => {
                return Ok((Outcome::Miss, Arc::unwrap_or_clone(good)));
            }
            Ok(waits::Outcome::Filled) => return Err(misfit(subject)),
            Ok(waits::Outcome::StorageUnavailable(error)) => {
                return Err(ApiError::storage(subject, error));
            }
            Ok(waits::Outcome::Failed(failure)) => {
                self.frontend.heard_of(&failure);
                let error = ApiError::failed(subject, &failure);
                if failure.meaning.is_definite() {
                    return Err(error);
                }
                error
            }
            Ok(waits::Outcome::QueueUnavailable) => ApiError::queue_unavailable(subject),
            Err(over) => match at_most {
                None => ApiError::wait_over(subject, over),
                Some(at_most) => {
                    let seconds = at_most.as_secs();
                    let message = format!(
                        "{subject}: the registry has not answered for {seconds} s; ask again in a while"
                    );
                    ApiError::new(Trouble::RegistryDown, message)
                }
            },
        };
        let stored = match otherwise {
            Otherwise::Failure => None,
            Otherwise::WhatIsStored => self.stored(None).await?,
        };
        stored.map(|good| (Outcome::Stale, good)).ok_or(trouble)
    }

    /// The answer as far as what is stored here gives one: versions that can be had
    /// without asking anybody.
    async fn stored(&self, last: Option<Good>) -> Result<Option<Good>, ApiError> {
        if matches!(self.question, Question::List | Question::Latest) {
            let mut versions = self.stored_versions().await?;
            let is_known = !versions.is_empty() || last.is_some();
            versions.retain(|version| !version.is_pseudo());
            if self.question == Question::List {
                // Where nobody is asked, a module without tags has an empty list.
                let is_list = !versions.is_empty() || (is_known && self.is_closed());
                let good = Good { at: Timestamp::now(), value: Value::Versions(versions) };
                return Ok(is_list.then_some(good));
            }
            if let Some(version) = latest(&versions) {
                return self.stored_info(version.clone()).await;
            }
        }
        match last.map(|good| good.value) {
            Some(Value::Version(info)) => self.stored_info(info.version).await,
            _ => Ok(None),
        }
    }

    /// The stored versions that are allowed.
    async fn stored_versions(&self) -> Result<Vec<Version>, ApiError> {
        let stored = visible_versions(&*self.holdings.storage, self.module).await;
        let mut versions = stored.map_err(|error| self.unreadable(error))?;
        self.frontend.settings.policy.exclude.retain_allowed(self.module, &mut versions);
        Ok(versions)
    }

    /// A copy that nobody refreshes, and what came here since it was made.
    async fn with_stored(&self, good: Good) -> Result<Good, ApiError> {
        if !matches!(self.question, Question::List | Question::Latest) {
            return Ok(good);
        }
        let mut versions = self.stored_versions().await?;
        versions.retain(|version| !version.is_pseudo());
        match &good.value {
            Value::Versions(known) => versions.extend_from_slice(known),
            Value::Version(info) => versions.push(info.version.clone()),
        }
        versions.sort_unstable();
        versions.dedup();
        match &good.value {
            Value::Versions(_) => Ok(Good { value: Value::Versions(versions), ..good }),
            Value::Version(info) => {
                let newest = preferred(&versions, !info.version.is_incompatible());
                match newest.filter(|newest| **newest != info.version) {
                    Some(newest) => Ok(self.stored_info(newest.clone()).await?.unwrap_or(good)),
                    None => Ok(good),
                }
            }
        }
    }

    /// The version's `.info`, if it is stored.
    async fn stored_info(&self, version: Version) -> Result<Option<Good>, ApiError> {
        let id = ModuleVersion { module: self.module.clone(), version };
        let opened = self.holdings.versions.open_info(&id).await;
        let Some((object, visible)) = opened.map_err(|error| self.unreadable(error))? else {
            return Ok(None);
        };
        let read = read_whole(&id.info_key(visible.space), object).await;
        let bytes = read.map_err(|error| self.unreadable(error))?;
        let info = serde_json::from_slice(&bytes).map_err(|_| misfit(&self.subject))?;
        Ok(Some(Good { at: Timestamp::now(), value: Value::Version(info) }))
    }

    /// The version's `.info`, for which it is filled if need be.
    async fn fetched_info(&self, version: Version) -> Result<Option<Good>, ApiError> {
        let stored = self.stored_info(version.clone()).await?;
        let wanted = Wanted::File { is_stored: stored.is_some() };
        let Asking { frontend, asked, holdings, module, .. } = *self;
        let decision = miss::decide(frontend, asked, holdings, module, Some(&version), wanted);
        if !matches!(decision, Decision::Wait { .. } | Decision::Redirect { .. }) {
            return Ok(stored);
        }
        let question = Question::Fill(version.clone());
        let outcome = holdings.waits.outcome(module, &question, &asked.request, None).await;
        miss::filled(frontend, &self.subject, outcome)?;
        self.stored_info(version).await
    }

    /// The latest version that is allowed, where the latest of all is not: by the list, or
    /// else of what is stored.
    async fn allowed_latest(&self) -> Result<Option<Good>, ApiError> {
        let answer = read_answer(&*self.holdings.storage, self.module, &Question::List).await;
        let list = answer.map_err(|error| self.unreadable(error))?.good;
        let mut versions = match list.map(|good| good.value) {
            Some(Value::Versions(versions)) => versions,
            _ => Vec::new(),
        };
        self.frontend.settings.policy.exclude.retain_allowed(self.module, &mut versions);
        let fetched = match latest(&versions) {
            Some(version) => self.fetched_info(version.clone()).await,
            None => Ok(None),
        };
        match fetched {
            Ok(Some(good)) => Ok(Some(good)),
            nothing => match self.stored(None).await? {
                Some(good) => Ok(Some(good)),
                None => nothing,
            },
        }
    }

    /// The answer without what policy excludes.
    async fn allowed(&self, good: Good) -> Result<Good, ApiError> {
        let exclude = &self.frontend.settings.policy.exclude;
        match good.value {
            Value::Versions(mut versions) => {
                exclude.retain_allowed(self.module, &mut versions);
                Ok(Good { value: Value::Versions(versions), ..good })
            }
            Value::Version(info) => match exclude.find(self.module, Some(&info.version)) {
                None => Ok(Good { value: Value::Version(info), ..good }),
                Some(exclusion) => {
                    let subject = format!("{}@{}", self.module, info.version);
                    let is_latest = self.question == Question::Latest;
                    let other = if is_latest { self.allowed_latest().await? } else { None };
                    let is_private = self.holdings.is_private();
                    other.ok_or_else(|| ApiError::excluded(&subject, exclusion, is_private))
                }
            },
        }
    }

    /// The job that finds the answer.
    fn job(&self) -> Job {
        self.holdings.job(self.question.task(self.module), &self.asked.request)
    }

    fn refusal(&self, decision: &Decision<'_>) -> ApiError {
        miss::refusal(&self.subject, decision, self.holdings.is_private())
    }

    fn unreadable(&self, error: StorageError) -> ApiError {
        ApiError::storage(&self.subject, error)
    }
}

/// What `latest` means of these, as far as they tell.
fn latest(versions: &[Version]) -> Option<&Version> {
    preferred(versions, versions.iter().any(|version| !version.is_incompatible()))
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
