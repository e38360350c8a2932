//! A bucket of S3, or of a store that speaks its protocol, as object store. A key is an
//! object's name behind the configured prefix, so that the bucket is a static GOPROXY.
//!
//! Conditional writes are the store's own (`If-None-Match: *`, `If-Match`), and so the
//! promises hold among all processes of a fleet. What is special here is an answer that
//! gets lost: `lineage` and `write` say how a write learns what became of it.

mod bucket;
mod client;
mod config;
mod connect;
mod credentials;
mod error;
mod get;
mod lineage;
mod list;
mod meta;
mod parts;
mod probe;
mod read;
mod retry;
mod signing;
mod stray;
#[cfg(test)]
mod tests;
mod transport;
mod trouble;
mod upload;
mod write;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_s3::presigning::PresigningConfig;

use super::{
    Body, ETag, GetOptions, KeyPrefix, Object, ObjectMeta, Page, Storage, StorageError, StorageKey,
};
use bucket::Bucket;
pub use config::S3Config;
pub use error::{Place, S3StorageError};
use trouble::Trouble;
use write::Condition;

/// The longest that a signature is valid.
const LONGEST_SIGNATURE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Objects in a bucket that any number of processes share.
///
/// Two limits that the protocol sets: the entity tag of equal bytes is the same, and of
/// a `head` that finds nothing it is not known whether the bucket itself is gone, which
/// is why a store is asked for its bucket once at [`open`](Self::open).
#[derive(Debug)]
pub struct S3Storage {
    bucket: Arc<Bucket>,
}

impl S3Storage {
    /// Connects to a bucket and verifies, with throwaway keys under `_stoa/probe/`, that
    /// it keeps the promises of [`Storage`]. Names this program's layout in a bucket that
    /// has no name of one yet.
    pub async fn open(config: S3Config) -> Result<Self, S3StorageError> {
        let place = Place::of(&config);
        let (client, reader) = client::connect(&config, &place).await?;
        let bucket = Arc::new(Bucket::new(client, reader, &config));
        probe::verify(&bucket, place).await?;
        Ok(Self { bucket })
    }
}

#[async_trait]
impl Storage for S3Storage {
    async fn head(&self, key: &StorageKey) -> Result<ObjectMeta, StorageError> {
        Ok(self.bucket.head(key).await?.meta)
    }

    async fn get(&self, key: &StorageKey, options: GetOptions) -> Result<Object, StorageError> {
        self.bucket.get(key, options).await
    }

    async fn create(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.bucket.write(key, Condition::Absent, body).await
    }

    async fn swap(
        &self,
        key: &StorageKey,
        expected: &ETag,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        self.bucket.write(key, Condition::Unchanged(expected.clone()), body).await
    }

    async fn put(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.bucket.write(key, Condition::None, body).await
    }

    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.bucket.delete(key).await
    }

    async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.bucket.list(prefix, after, limit).await
    }

    async fn signed_url(
        &self,
        key: &StorageKey,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        let lifetime = lifetime.min(LONGEST_SIGNATURE);
        let signing = PresigningConfig::expires_in(lifetime)
            .map_err(|error| bucket::unavailable(key, error))?;
        let request = self.bucket.client.get_object().bucket(&self.bucket.name);
        let request = request.key(self.bucket.object_name(key.as_str()));
        let signed = request.presigned(signing).await;
        let signed = signed.map_err(|error| bucket::unavailable(key, Trouble::from(error)))?;
        Ok(Some(signed.uri().to_owned()))
    }

    async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        self.bucket.discard_unfinished(age).await
    }
}
