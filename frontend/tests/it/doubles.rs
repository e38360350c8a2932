//! Storage and queue that misbehave when told to.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stoa_shared::{
    queue::{
        Completion, DeadLetter, Delivery, Depth, EmbeddedQueue, Job, JobKey, Lane, Lanes, Queue,
        QueueError,
    },
    storage::{
        Body, DiskStorage, ETag, GetOptions, KeyPrefix, Object, ObjectMeta, Page, Storage,
        StorageError, StorageKey,
    },
};
use tokio::sync::broadcast;

/// Storage that fails reads when told to.
pub(crate) struct FaultyStorage {
    pub(crate) inner: DiskStorage,
    /// Reads so far.
    pub(crate) calls: AtomicUsize,
    pub(crate) fails_every: AtomicUsize,
    /// The bucket was deleted: an answer without a body says of everything in it that it
    /// is not there, and any other that the bucket is not.
    pub(crate) is_gone: AtomicBool,
}

impl FaultyStorage {
    /// One read in `every` fails from now on, in no regular order; 0 heals it.
    pub(crate) fn fail_every(&self, every: usize) {
        self.fails_every.store(every, Ordering::SeqCst);
    }

    fn read(&self, key: &StorageKey) -> Result<(), StorageError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let every = self.fails_every.load(Ordering::SeqCst);
        let fails = every > 0 && (call.wrapping_mul(0x9e37_79b9) >> 16).is_multiple_of(every);
        if fails || self.is_gone.load(Ordering::SeqCst) {
            return Err(StorageError::Unavailable {
                key: key.to_string(),
                source: "secret-host:9000 said no".into(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Storage for FaultyStorage {
    async fn head(&self, key: &StorageKey) -> Result<ObjectMeta, StorageError> {
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(StorageError::NotFound { key: key.to_string() });
        }
        self.read(key)?;
        self.inner.head(key).await
    }

    async fn get(&self, key: &StorageKey, options: GetOptions) -> Result<Object, StorageError> {
        self.read(key)?;
        self.inner.get(key, options).await
    }

    async fn create(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.inner.create(key, body).await
    }

    async fn swap(
        &self,
        key: &StorageKey,
        expected: &ETag,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        self.inner.swap(key, expected, body).await
    }

    async fn put(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.inner.put(key, body).await
    }

    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.inner.delete(key).await
    }

    async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn signed_url(
        &self,
        key: &StorageKey,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        self.inner.signed_url(key, lifetime).await
    }

    async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        self.inner.discard_unfinished(age).await
    }
}

/// A queue that remembers what was published, and is down or mute when told to be.
pub(crate) struct WatchedQueue {
    pub(crate) inner: EmbeddedQueue,
    pub(crate) published: Mutex<Vec<(Job, Lane)>>,
    pub(crate) is_down: AtomicBool,
    /// It takes jobs and never says so.
    pub(crate) is_stuck: AtomicBool,
    /// Completions get lost.
    pub(crate) is_mute: AtomicBool,
}

#[async_trait]
impl Queue for WatchedQueue {
    async fn publish_later(
        &self,
        job: &Job,
        lane: Lane,
        delay: Duration,
    ) -> Result<(), QueueError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(QueueError::Unavailable { source: "no broker".into() });
        }
        if self.is_stuck.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.published.lock().unwrap().push((job.clone(), lane));
        self.inner.publish_later(job, lane, delay).await
    }

    async fn receive(&self, lanes: Lanes) -> Result<Delivery, QueueError> {
        self.inner.receive(lanes).await
    }

    async fn acknowledge(&self, delivery: Delivery) -> Result<(), QueueError> {
        self.inner.acknowledge(delivery).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        delay: Duration,
        reason: &str,
    ) -> Result<(), QueueError> {
        self.inner.retry(delivery, delay, reason).await
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<(), QueueError> {
        self.inner.dead_letter(delivery, reason).await
    }

    async fn release(&self, delivery: Delivery, delay: Duration) -> Result<(), QueueError> {
        self.inner.release(delivery, delay).await
    }

    async fn announce(&self, completed: &JobKey) -> Result<(), QueueError> {
        if self.is_mute.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.inner.announce(completed).await
    }

    fn completions(&self) -> broadcast::Receiver<Completion> {
        self.inner.completions()
    }

    fn is_connected(&self) -> bool {
        !self.is_down.load(Ordering::SeqCst)
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        self.inner.dead_letters().await
    }

    async fn find_dead_letter(&self, id: &str) -> Result<DeadLetter, QueueError> {
        self.inner.find_dead_letter(id).await
    }

    async fn replay_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        self.inner.replay_dead_letter(id).await
    }

    async fn drop_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        self.inner.drop_dead_letter(id).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(QueueError::Unavailable { source: "no broker".into() });
        }
        self.inner.depth().await
    }
}
