//! The stage: one frontend, its storage and queue, and a scripted worker.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use axum::{Router, body::Body as HttpBody};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use jiff::{SignedDuration, Timestamp};
use stoa_frontend::{Frontend, FrontendSettings, RegistrySettings, app};
use stoa_shared::{
    answer::{Answer, Failure, Good, Meaning, Question, Value},
    catalog::{CatalogEntry, Status, StoredFile},
    queue::{Cause, EmbeddedQueue, Lanes, Queue},
    space::{ProjectId, Space},
    storage::{Body, DiskStorage, KeyPrefix, ObjectMeta, Storage, StorageKey},
};
use tokio::task::JoinHandle;

use crate::{
    doubles::{FaultyStorage, WatchedQueue},
    worker::{Does, store_version, work},
};

/// A fill that takes longer is a failed test.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) frontend: Frontend,
    pub(crate) router: Router,
    pub(crate) storage: Arc<FaultyStorage>,
    pub(crate) queue: Arc<WatchedQueue>,
    _directory: tempfile::TempDir,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// All but the request's id, which no two answers share.
    pub(crate) headers: HeaderMap,
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(FrontendSettings { wait: PATIENCE, ..FrontendSettings::default() }).await
    }

    /// Waits for no worker.
    pub(crate) async fn impatient() -> Self {
        let wait = Duration::from_millis(100);
        Self::with(FrontendSettings { wait, ..FrontendSettings::default() }).await
    }

    pub(crate) async fn with(settings: FrontendSettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(directory.path().join("storage")).await.unwrap();
        let queue = EmbeddedQueue::open(directory.path().join("queue")).await.unwrap();
        let storage = Arc::new(FaultyStorage {
            inner: storage,
            calls: AtomicUsize::new(0),
            fails_every: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
        });
        let queue = Arc::new(WatchedQueue {
            inner: queue,
            published: Mutex::default(),
            is_down: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            is_mute: AtomicBool::new(false),
        });
        let frontend = frontend(&storage, &queue, settings);
        let router = app(frontend.clone());
        Self { frontend, router, storage, queue, _directory: directory }
    }

    /// Another frontend over the same storage and queue.
    pub(crate) fn router_of(&self, settings: FrontendSettings) -> Router {
        app(frontend(&self.storage, &self.queue, settings))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> Reply {
        self.send(Request::get(path).header(name, value)).await
    }

    pub(crate) async fn head(&self, path: &str) -> Reply {
        self.send(Request::head(path)).await
    }

    pub(crate) async fn send(&self, request: http::request::Builder) -> Reply {
        send(self.router.clone(), request).await
    }

    /// A request of its own task, to be waited for or dropped.
    pub(crate) fn begin(&self, path: &str) -> JoinHandle<Reply> {
        tokio::spawn(send(self.router.clone(), Request::get(path)))
    }

    pub(crate) async fn store(&self, key: &StorageKey, bytes: impl Into<Vec<u8>>) -> ObjectMeta {
        self.storage.inner.put(key, Body::from(bytes.into())).await.unwrap()
    }

    /// Stores a version as a worker does: zip, mod, catalog entry, info.
    pub(crate) async fn store_version(&self, module: &str, version: &str, zip: &[u8]) {
        store_version(
            &self.storage.inner,
            &module.parse().unwrap(),
            &version.parse().unwrap(),
            zip,
        )
        .await;
    }

    pub(crate) async fn store_answer(&self, module: &str, question: &Question, answer: Answer) {
        let key = StorageKey::answer(&module.parse().unwrap(), question);
        self.store(&key, serde_json::to_vec(&answer).unwrap()).await;
    }

    /// The same about a private module of the default project.
    pub(crate) async fn store_private_answer(
        &self,
        module: &str,
        question: &Question,
        answer: Answer,
    ) {
        let whole: Arc<dyn Storage> = self.storage.clone();
        let storage = Space::Private(ProjectId::default()).storage(&whole);
        let key = StorageKey::answer(&module.parse().unwrap(), question);
        let body = Body::from(serde_json::to_vec(&answer).unwrap());
        storage.put(&key, body).await.unwrap();
    }

    /// The names of all objects.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let everything = KeyPrefix::for_tests("");
        self.storage.inner.list(&everything, None, 10_000).await.unwrap().keys
    }

    /// Starts a worker that does the same with every job. It ends with the test.
    pub(crate) fn worker(&self, does: Does) {
        let storage = Arc::clone(&self.storage);
        let queue = Arc::clone(&self.queue);
        tokio::spawn(async move {
            loop {
                let delivery = queue.inner.receive(Lanes::All).await.unwrap();
                let job = delivery.job.clone().unwrap();
                let whole: Arc<dyn Storage> = storage.clone();
                work(&*job.space.storage(&whole), &job.task, does.clone()).await;
                // In this order: a test that goes on once it has heard of the end finds no
                // equal job in hand any more.
                queue.acknowledge(delivery).await.unwrap();
                queue.announce(&job.key()).await.unwrap();
            }
        });
    }

    /// The jobs published so far, in order.
    pub(crate) fn published(&self) -> Vec<String> {
        let published = self.queue.published.lock().unwrap();
        published.iter().map(|(job, lane)| format!("{lane:?} {}", job.key())).collect()
    }

    /// What the jobs that were published so far say of the requests that caused them.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let published = self.queue.published.lock().unwrap();
        published.iter().map(|(job, _)| job.cause.clone()).collect()
    }

    /// Waits until `count` jobs were published.
    pub(crate) async fn until_published(&self, count: usize) {
        until(async || self.published().len() >= count).await;
    }

    /// Waits until `count` requests wait for a job.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let count = count.to_string();
        until(async || self.metric("stoa_waiters ").await == count).await;
    }

    /// A request of an operator.
    pub(crate) async fn operate(&self, request: http::request::Builder) -> Reply {
        send(stoa_frontend::operators(self.frontend.clone()), request).await
    }

    /// One metric's line, without its name.
    pub(crate) async fn metric(&self, name: &str) -> String {
        let metrics =
            send(stoa_frontend::operators(self.frontend.clone()), Request::get("/metrics"));
        let metrics = metrics.await;
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    }
}

fn frontend(
    storage: &Arc<FaultyStorage>,
    queue: &Arc<WatchedQueue>,
    settings: FrontendSettings,
) -> Frontend {
    Frontend::new(
        Arc::clone(storage) as Arc<dyn Storage>,
        Arc::clone(queue) as Arc<dyn Queue>,
        settings,
        Arc::default(),
    )
}

/// Waits until the condition holds.
pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.expect("the condition comes to hold");
}

pub(crate) async fn send(router: Router, request: http::request::Builder) -> Reply {
    let request = request.body(HttpBody::empty()).unwrap();
    let response = TowerToHyperService::new(router).call(request).await.unwrap();
    let (mut parts, body) = response.into_parts();
    let request_id = parts.headers.remove("x-request-id");
    let request_id = request_id.map_or_else(String::new, |id| id.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, request_id, body }
}

/// A registry that is the first of a chain.
pub(crate) fn registry(url: &str) -> RegistrySettings {
    RegistrySettings {
        url: url.parse().unwrap(),
        public: url.parse().unwrap(),
        wants_key: false,
        has_successor: false,
        has_substitute: false,
        roots: None,
    }
}

pub(crate) fn info(version: &str) -> String {
    format!(r#"{{"Version":"{version}","Time":"2024-05-01T10:00:00Z"}}"#)
}

pub(crate) fn go_mod(module: &str) -> String {
    format!("module {module}\n")
}

pub(crate) fn versions(versions: &[&str]) -> Value {
    Value::Versions(versions.iter().map(|version| version.parse().unwrap()).collect())
}

pub(crate) fn version_info(version: &str) -> Value {
    Value::Version(serde_json::from_str(&info(version)).unwrap())
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

pub(crate) fn good(at: Timestamp, value: Value) -> Answer {
    Answer { good: Some(Good { at, value }), failure: None }
}

pub(crate) fn failed(at: Timestamp, meaning: Meaning, message: &str) -> Answer {
    Answer { good: None, failure: Some(Failure { at, meaning, message: message.to_owned() }) }
}

pub(crate) fn fill(version: &str) -> Question {
    Question::Fill(version.parse().unwrap())
}

pub(crate) fn stored_file(meta: &ObjectMeta) -> StoredFile {
    let sum = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap();
    StoredFile { sum, size: meta.size, etag: meta.etag.clone() }
}

pub(crate) fn entry(go_mod: &ObjectMeta, zip: Option<&ObjectMeta>) -> CatalogEntry {
    CatalogEntry {
        status: Status::Live,
        go_mod: stored_file(go_mod),
        zip: zip.map(stored_file),
        zip_refusal: None,
        time: None,
        origin: None,
        recorded_at: Timestamp::now(),
    }
}

/// Bytes that differ at every position worth asking for.
pub(crate) fn pattern(range: Range<usize>) -> Vec<u8> {
    range.map(|position| (position % 251) as u8).collect()
}
