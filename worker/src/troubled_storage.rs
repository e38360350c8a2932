//! A way to a storage that a test can close, and on which a write can stall.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stoa_shared::storage::{
    Body, ETag, GetOptions, KeyPrefix, Object, ObjectMeta, Page, Storage, StorageError, StorageKey,
    unavailable,
};
use tokio::{sync::watch, time::sleep};

/// Longer than anybody waits, and than a claim stands unrenewed.
const STALLED: Duration = Duration::from_secs(10);

/// One process's way to a storage.
pub(crate) struct TroubledStorage {
    storage: Arc<dyn Storage>,
    way: watch::Sender<Way>,
    stall: Mutex<Option<Stall>>,
    stalled: AtomicUsize,
}

/// What becomes of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They arrive and are answered.
    Open,
    /// They fail at once.
    Refused,
    /// They arrive as much later.
    Slow(Duration),
    /// They neither arrive nor fail until the way is another.
    Silent,
}

/// Where a conditional write stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// Before it arrives.
    Request,
    /// After it was done, before its answer.
    Answer,
}

impl TroubledStorage {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Arc<Self> {
        let (way, stall) = (watch::Sender::new(Way::Open), Mutex::default());
        Arc::new(Self { storage, way, stall, stalled: AtomicUsize::default() })
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Has the next conditional write stall.
    pub(crate) fn stall(&self, stall: Stall) {
        *self.stall.lock().unwrap() = Some(stall);
    }

    /// How many writes stall, or did.
    pub(crate) fn stalled(&self) -> usize {
        self.stalled.load(Ordering::SeqCst)
    }

    async fn pass(&self, key: &str) -> Result<(), StorageError> {
        let mut way = self.way.subscribe();
        let way = *way.wait_for(|way| *way != Way::Silent).await.unwrap();
        let key = StorageKey::listed(key.to_owned());
        match way {
            Way::Open => Ok(()),
            Way::Slow(delay) => {
                sleep(delay).await;
                Ok(())
            }
            Way::Refused => Err(unavailable(&key, io::ErrorKind::ConnectionRefused.into())),
            Way::Silent => pending().await,
        }
    }

    async fn write<T>(
        &self,
        key: &StorageKey,
        write: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.pass(key.as_str()).await?;
        let stall = self.stall.lock().unwrap().take();
        if stall == Some(Stall::Request) {
            self.linger().await;
        }
        let written = write.await;
        if stall == Some(Stall::Answer) {
            self.linger().await;
        }
        written
    }

    async fn linger(&self) {
        self.stalled.fetch_add(1, Ordering::SeqCst);
        sleep(STALLED).await;
    }
}

#[async_trait]
impl Storage for TroubledStorage {
    async fn head(&self, key: &StorageKey) -> Result<ObjectMeta, StorageError> {
        self.pass(key.as_str()).await?;
        self.storage.head(key).await
    }

    async fn get(&self, key: &StorageKey, options: GetOptions) -> Result<Object, StorageError> {
        self.pass(key.as_str()).await?;
        self.storage.get(key, options).await
    }

    async fn create(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.write(key, self.storage.create(key, body)).await
    }

    async fn swap(
        &self,
        key: &StorageKey,
        expected: &ETag,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        self.write(key, self.storage.swap(key, expected, body)).await
    }

    async fn put(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.pass(key.as_str()).await?;
        self.storage.put(key, body).await
    }

    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.pass(key.as_str()).await?;
        self.storage.delete(key).await
    }

    async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.pass(prefix.as_str()).await?;
        self.storage.list(prefix, after, limit).await
    }

    async fn signed_url(
        &self,
        key: &StorageKey,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        self.storage.signed_url(key, lifetime).await
    }

    async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        self.storage.discard_unfinished(age).await
    }
}
