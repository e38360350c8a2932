//! The stage: a worker over a directory, an embedded queue and whatever upstreams.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use stoa_shared::{
    answer::{Answer, Failure, Question, Value},
    catalog::CatalogEntry,
    config::Config,
    metrics::Metrics,
    module::{ModulePath, Version},
    queue::{EmbeddedQueue, Job, Lane, Queue},
    storage::{DiskStorage, KeyPrefix, Storage, StorageKey, read_small},
};
use stoa_worker::{
    consumer::consume,
    settings::WorkerSettings,
    workers::{Sharing, Workers},
};
use tokio_util::sync::CancellationToken;

/// Only bounds a wait for what never comes.
const HAPPENS_WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) storage: Arc<DiskStorage>,
    pub(crate) queue: Arc<EmbeddedQueue>,
    pub(crate) metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    directory: tempfile::TempDir,
}

impl Scene {
    /// A worker that asks along this chain.
    pub(crate) async fn asking(chain: &str) -> Self {
        Self::with(&[("STOA_UPSTREAM", chain)]).await
    }

    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(directory.path().join("storage")).await.unwrap();
        let queue = EmbeddedQueue::open(directory.path().join("queue")).await.unwrap();
        let scene = Self {
            storage: Arc::new(storage),
            queue: Arc::new(queue),
            metrics: Arc::default(),
            shutdown: CancellationToken::new(),
            directory,
        };
        let own =
            [("HOME", "/home/user"), ("STOA_DEPLOYMENT", "om"), ("STOA_FRESHNESS_REFS", "0s")];
        let variables = own.iter().chain(variables);
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::load(None, variables).unwrap();
        let mut settings = WorkerSettings::from_config(&config).unwrap();
        settings.egress.idle_timeout = Duration::from_secs(1);
        settings.egress.upstream_idle_timeout = Duration::from_secs(1);
        let (storage, metrics) = (scene.storage.clone(), scene.metrics.clone());
        let workers = Workers::new(settings, storage, Sharing::Alone, metrics.clone()).unwrap();
        let (queue, shutdown) = (scene.queue.clone(), scene.shutdown.clone());
        let grace = Duration::from_secs(1);
        tokio::spawn(consume(Arc::new(workers), queue, metrics, 2, shutdown, grace));
        scene
    }

    /// Where the stored files lie.
    pub(crate) fn storage_directory(&self) -> std::path::PathBuf {
        self.directory.path().join("storage")
    }

    /// Asks for a version of `example.com/m` as somebody who waits; why it failed, if so.
    pub(crate) async fn fill(&self, version: &str) -> Option<Failure> {
        let question = Question::Fill(version.parse().unwrap());
        let before = self.answer(&question).await.failure;
        let after = self.ask(&question).await.failure;
        after.filter(|failure| before.as_ref() != Some(failure))
    }

    /// Asks a question about `example.com/m` as somebody who waits; the stored answer after
    /// one attempt. While a failed attempt is on its way back to the queue, a publish is
    /// taken for it: so it is published until something came of it.
    pub(crate) async fn ask(&self, question: &Question) -> Answer {
        let job = Job::new(question.task(&module()));
        let before = self.answer(question).await;
        let mut published: Option<Instant> = None;
        until("something came of the job", async || {
            // Looked at before it is published anew: a job that takes as long as that pause
            // would run again each time.
            let depth = self.queue.depth().await.unwrap();
            let is_idle = depth.interactive + depth.background + depth.running == 0;
            let is_over = published.is_some() && is_idle;
            if is_over && (self.is_there(question).await || self.answer(question).await != before) {
                return true;
            }
            if published.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
                self.queue.publish(&job, Lane::Interactive).await.unwrap();
                published = Some(Instant::now());
            }
            false
        })
        .await;
        self.answer(question).await
    }

    /// Whether the question is for a version that is in storage.
    async fn is_there(&self, question: &Question) -> bool {
        let Question::Fill(version) = question else { return false };
        let key = StorageKey::catalog_entry(&module(), version);
        let entry = read_small(&*self.storage, &key).await.unwrap();
        let entry = entry.map(|(bytes, _)| serde_json::from_slice::<CatalogEntry>(&bytes).unwrap());
        entry.is_some_and(|entry| entry.zip.is_some())
    }

    /// What is stored of a question about `example.com/m`.
    pub(crate) async fn answer(&self, question: &Question) -> Answer {
        let key = StorageKey::answer(&module(), question);
        let stored = read_small(&*self.storage, &key).await.unwrap();
        stored.map(|(bytes, _)| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default()
    }

    /// The versions that are the answer to the list's question.
    pub(crate) async fn list(&self) -> Vec<String> {
        match self.ask(&Question::List).await.good.map(|good| good.value) {
            Some(Value::Versions(versions)) => versions.iter().map(Version::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The keys of everything stored but answers.
    pub(crate) async fn stored(&self) -> Vec<String> {
        let page = self.storage.list(&KeyPrefix::for_tests(""), None, 1000).await.unwrap();
        let keys = page.keys.into_iter();
        keys.filter(|key| !key.starts_with("_stoa/answers/") && key != "_stoa/format").collect()
    }

    /// The bytes under a key.
    pub(crate) async fn read(&self, key: &str) -> Vec<u8> {
        tokio::fs::read(self.storage_directory().join(Path::new(key))).await.unwrap()
    }

    /// The catalog entry of a version of `example.com/m`.
    pub(crate) async fn entry(&self, version: &str) -> CatalogEntry {
        let key = StorageKey::catalog_entry(&module(), &version.parse().unwrap());
        let (bytes, _) = read_small(&*self.storage, &key).await.unwrap().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The one module of these stories.
pub(crate) fn module() -> ModulePath {
    "example.com/m".parse().unwrap()
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(HAPPENS_WITHIN, holds).await.unwrap_or_else(|_| panic!("never: {what}"));
}
