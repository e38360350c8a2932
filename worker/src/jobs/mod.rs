//! One handler per kind of job; each is idempotent and may be cut off anywhere.

mod fill;
mod origin;
mod refresh;

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use stoa_shared::{
    answer::Question,
    config::NetworkMode,
    metrics::Metrics,
    module::{ModulePath, Version},
    policy::PrivateModules,
    queue::{Job, Task},
    storage::Storage,
};

use crate::{
    answers,
    claim::{Claim, ClaimError, Claims},
    egress::as_one,
    failure::Failure,
    goproxy::GoProxies,
    locate::Locator,
    repository::Repositories,
    settings::Origins,
    upstreams::Upstreams,
};

pub(crate) use origin::Opened;

/// What every job of one space needs; shared by all slots, and cheap to clone.
#[derive(Clone)]
pub struct Worker {
    pub(crate) origins: Origins,
    pub(crate) storage: Arc<dyn Storage>,
    /// Who is asked, in order.
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) proxies: GoProxies,
    pub(crate) locator: Arc<Locator>,
    pub(crate) repositories: Arc<Repositories>,
    /// Whose turn it is to work on a version or a question.
    pub(crate) claims: Arc<Claims>,
    /// An answer this young needs no new question: the listing of refs that it would be
    /// made from may be as old.
    pub(crate) refs_freshness: Duration,
    /// Whether a listing of refs that is fresh does not do for a list.
    pub(crate) wants_new_refs: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) max_files: u64,
    pub(crate) network: NetworkMode,
    pub(crate) private: PrivateModules,
}

/// How long a job waits for another that is at a part of what it does. Most fills take no
/// longer. Who is at the very same thing is not waited for: there may be many such jobs,
/// and each would hold a slot meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

impl Worker {
    /// Runs one job. What comes of it is in storage then, but for a failure: whether that
    /// is an outcome yet is the consumer's verdict.
    pub async fn run(&self, job: &Job) -> Result<(), Failure> {
        let Job { task, cause, .. } = job;
        if cause.via.is_empty() {
            return as_one(self.run_task(task)).await;
        }
        let proxies = self.proxies.on_behalf_of(&cause.via);
        as_one(Self { proxies, ..self.clone() }.run_task(task)).await
    }

    async fn run_task(&self, task: &Task) -> Result<(), Failure> {
        if self.origins == Origins::Public && self.private.contains(task.module()) {
            // The job is older than the pattern: whoever asks now asks for the private one.
            let module = task.module();
            return Err(Failure::Withheld(format!(
                "{module}: private, and not asked for as public"
            )));
        }
        let outcome = match task {
            Task::Fill { module, version } => self.fill(module, version).await,
            Task::List { module } => self.refresh_list(module).await,
            Task::Latest { module } => self.refresh_latest(module).await,
            Task::Query { module, query } => self.refresh_query(module, query).await,
            Task::Refresh { module } => self.refresh(module).await,
        };
        outcome.map_err(|failure| match self.origins {
            Origins::Public => failure,
            Origins::Private => failure.of_private_module(),
        })
    }

    /// The right to fill a version, which is its fetch and the writing of its files, if
    /// nobody is at it.
    pub(crate) async fn claim(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<Claim, ClaimError> {
        self.claims.take(&format!("{module}@{version}"), Duration::ZERO).await
    }

    /// The same, once whoever is at it has finished, if that is soon.
    pub(crate) async fn await_claim(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<Claim, ClaimError> {
        self.claims.take(&format!("{module}@{version}"), PATIENCE).await
    }

    /// The right to ask a repository a question whose answer is stored, unless somebody
    /// has just stored it.
    pub(crate) async fn claim_question(
        &self,
        module: &ModulePath,
        question: &Question,
    ) -> Result<Option<Claim>, Failure> {
        let subject = Job::new(question.task(module)).key().to_string();
        let claim = self.claims.take(&subject, Duration::ZERO).await?;
        let good = answers::load(&*self.storage, module, question).await?;
        let age = good.and_then(|answer| answer.good).map(|good| {
            Duration::try_from(Timestamp::now().duration_since(good.at)).unwrap_or(Duration::MAX)
        });
        Ok(age.is_none_or(|age| age > self.refs_freshness).then_some(claim))
    }

    /// Stores why a job failed, for whoever waits, and returns it: as one that nobody has
    /// heard of, where storage refuses this too.
    pub(crate) async fn store_failure(&self, task: &Task, failure: Failure) -> Failure {
        let (module, question) = (task.module(), question(task));
        match answers::store_failure(&*self.storage, module, &question, &failure).await {
            Ok(()) => failure,
            Err(source) => Failure::Untold { failure: Box::new(failure), source },
        }
    }

    /// Nothing is fetched where the operator says so; `subject` is what is missing.
    pub(crate) fn may_fetch(&self, subject: impl fmt::Display) -> Result<(), Failure> {
        match self.network {
            NetworkMode::Online => Ok(()),
            NetworkMode::Offline => Err(Failure::Offline(subject.to_string())),
        }
    }
}

/// Where the task's failure is looked for.
fn question(task: &Task) -> Question {
    match task {
        Task::Fill { version, .. } => Question::Fill(version.clone()),
        Task::Latest { .. } => Question::Latest,
        Task::Query { query, .. } => Question::Query(query.clone()),
        Task::List { .. } | Task::Refresh { .. } => Question::List,
    }
}
