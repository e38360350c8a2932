//! One question whose answer may change: what the workers say, what is stored, and what of
//! it is allowed.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use stoa_shared::{
    answer::{Good, Question, Value},
    config::NetworkMode,
    metrics::Outcome,
    module::{ModulePath, Version, latest, preferred},
    queue::Job,
    storage::{StorageError, read_whole},
    stored_versions::visible_versions,
};

use super::{Asked, miss};
use crate::{
    decision::{Decision, Known, Otherwise, Wanted},
    error::{ApiError, Trouble},
    holdings::Holdings,
    state::Frontend,
    versions::{ModuleVersion, read_answer},
    waits,
};

/// One request for one answer.
pub(super) struct Asking<'a> {
    pub(super) frontend: &'a Frontend,
    pub(super) asked: &'a Asked,
    pub(super) holdings: &'a Holdings,
    pub(super) module: &'a ModulePath,
    /// What is asked about, where that is a version by its looks.
    pub(super) version: Option<Version>,
    pub(super) question: Question,
    pub(super) subject: String,
}

impl Asking<'_> {
    /// Whether nothing is ever fetched for it, so that only what is stored counts.
    pub(super) fn is_closed(&self) -> bool {
        let settings = &self.frontend.settings;
        settings.network == NetworkMode::Offline
            || settings.policy.is_never_fetched(self.module, self.version.as_ref())
    }

    /// Waits for the workers' answer. Where they have trouble, or none of them is there,
    /// what is stored may have to do.
    pub(super) async fn wait(
        &self,
        at_most: Option<Duration>,
        otherwise: Otherwise,
    ) -> Result<(Outcome, Good), ApiError> {
        let (waits, cause) = (&self.holdings.waits, &self.asked.cause);
        let subject = &self.subject;
        let trouble = match waits.outcome(self.module, &self.question, cause, at_most).await {
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
                        "{subject}: no answer of the registry came within {seconds} s; ask again in a while"
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
    pub(super) async fn stored(&self, last: Option<Good>) -> Result<Option<Good>, ApiError> {
        let mut commits = Vec::new();
        if matches!(self.question, Question::List | Question::Latest) {
            let all = self.stored_versions().await?;
            let is_known = !all.is_empty() || last.is_some();
            let versions: Vec<Version>;
            (commits, versions) = all.into_iter().partition(Version::is_pseudo);
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
        if let Some(Value::Version(info)) = last.map(|good| good.value)
            && let Some(good) = self.stored_info(info.version).await?
        {
            return Ok(Some(good));
        }
        // And its latest is the newest commit that came here.
        match latest(&commits).filter(|_| self.is_closed()) {
            Some(version) => self.stored_info(version.clone()).await,
            None => Ok(None),
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
    pub(super) async fn with_stored(&self, good: Good) -> Result<Good, ApiError> {
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
        let outcome = holdings.waits.outcome(module, &question, &asked.cause, None).await;
        miss::filled(frontend, &self.subject, outcome)?;
        self.stored_info(version).await
    }

    /// The list, which nobody has asked for yet, if it may be asked for and can be had.
    async fn fetched_list(&self) -> Option<Good> {
        let Asking { frontend, asked, holdings, module, .. } = *self;
        let wanted = Wanted::Mutable(Known::Nothing);
        let decision = miss::decide(frontend, asked, holdings, module, None, wanted);
        let Decision::Wait { at_most, otherwise } = decision else { return None };
        let (question, subject) = (Question::List, self.subject.clone());
        let asking = Asking { question, subject, version: None, ..*self };
        // What is stored may still have an answer.
        asking.wait(at_most, otherwise).await.ok().map(|(_, good)| good)
    }

    /// The latest version that is allowed, where the latest of all is not: by the list, or
    /// else of what is stored.
    async fn allowed_latest(&self) -> Result<Option<Good>, ApiError> {
        let answer = read_answer(&*self.holdings.storage, self.module, &Question::List).await;
        let list = match answer.map_err(|error| self.unreadable(error))?.good {
            None => self.fetched_list().await,
            stored => stored,
        };
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
    pub(super) async fn allowed(&self, good: Good) -> Result<Good, ApiError> {
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
    pub(super) fn job(&self) -> Job {
        self.holdings.job(self.question.task(self.module), &self.asked.cause)
    }

    pub(super) async fn refusal(&self, decision: &Decision<'_>) -> ApiError {
        miss::refusal_of_path(self.holdings, self.module, &self.subject, decision).await
    }

    pub(super) fn unreadable(&self, error: StorageError) -> ApiError {
        ApiError::storage(&self.subject, error)
    }
}

/// The stored answer is of another kind than its question.
pub(super) fn misfit(subject: &str) -> ApiError {
    ApiError::new(Trouble::Internal, format!("{subject}: the stored answer does not fit"))
}
