//! One bucket, and what all requests to it have in common.

use std::{error::Error, sync::Arc, time::Duration};

use aws_sdk_s3::Client;
use hyper::Method;
use moka::sync::Cache;

use super::{
    super::{ETag, StorageError, StorageKey},
    config::S3Config,
    get::Reader,
    lineage::Lineage,
    list::Continuations,
    meta::{self, Known},
    retry::Patience,
    trouble::{Kind, Trouble},
};

/// How many objects' lineages are remembered. A swap mostly follows soon after the read
/// that told its entity tag; one that does not costs a further request.
const REMEMBERED: u64 = 4096;

/// Longest name of an object, in bytes. Asked for a longer one, a store says no more
/// than that it will not have it.
const LONGEST_NAME: usize = 1024;

/// A client for one bucket below one prefix.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) client: Client,
    /// For reads, the client aside.
    pub(super) reader: Reader,
    pub(super) name: String,
    /// Empty, or ending with a slash.
    pub(super) prefix: String,
    pub(super) patience: Patience,
    pub(super) part_size: usize,
    /// By object name and entity tag.
    lineages: Cache<(String, ETag), Arc<Lineage>>,
    pub(super) continuations: Continuations,
}

impl Bucket {
    pub(super) fn new(client: Client, reader: Reader, config: &S3Config) -> Self {
        Self {
            client,
            reader,
            name: config.bucket.clone(),
            prefix: config.key_prefix(),
            patience: Patience::new(config),
            part_size: config.part_size,
            lineages: Cache::new(REMEMBERED),
            continuations: Continuations::default(),
        }
    }

    /// The object's name in the bucket.
    pub(super) fn object_name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whether an object can have the name of `key`: what cannot is not there.
    pub(super) fn can_hold(&self, key: &StorageKey) -> bool {
        self.prefix.len() + key.as_str().len() <= LONGEST_NAME
    }

    /// Asks for an object without its bytes.
    pub(super) async fn head(&self, key: &StorageKey) -> Result<Known, StorageError> {
        if !self.can_hold(key) {
            return Err(StorageError::NotFound { key: key.to_string() });
        }
        let object_name = self.object_name(key.as_str());
        let asked = || async {
            let asked = self.reader.ask(Method::HEAD, &object_name, &[]);
            let answer = self.patience.within(Duration::ZERO, asked).await?;
            Known::of(answer.headers(), meta::length(answer.headers())?)
        };
        let known = self.patience.repeat(asked).await.map_err(|trouble| at_read(key, trouble))?;
        self.remember(key, &known.meta.etag, &known.lineage);
        Ok(known)
    }

    /// Removes an object. What was lost of the answer is made good by asking again.
    pub(super) async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        if !self.can_hold(key) {
            return Ok(());
        }
        let asked = || async {
            let request =
                self.client.delete_object().bucket(&self.name).key(self.object_name(key.as_str()));
            self.patience.attempt(0, Box::pin(request.send())).await
        };
        match self.patience.repeat(asked).await {
            Err(trouble) if trouble.kind != Kind::Missing => Err(unavailable(key, trouble)),
            _ => Ok(()),
        }
    }

    /// Keeps an object's lineage for a swap that may follow.
    pub(super) fn remember(&self, key: &StorageKey, etag: &ETag, lineage: &Lineage) {
        let lineage = Arc::new(lineage.clone());
        self.lineages.insert((key.as_str().to_owned(), etag.clone()), lineage);
    }

    /// The lineage of the object that carries `etag`, asked for if it is not remembered.
    pub(super) async fn lineage(
        &self,
        key: &StorageKey,
        etag: &ETag,
    ) -> Result<Arc<Lineage>, StorageError> {
        let name = (key.as_str().to_owned(), etag.clone());
        if let Some(lineage) = self.lineages.get(&name) {
            return Ok(lineage);
        }
        let known = self.head(key).await?;
        if known.meta.etag == *etag {
            Ok(Arc::new(known.lineage))
        } else {
            Err(StorageError::PreconditionFailed { key: key.to_string() })
        }
    }
}

/// What trouble means at reading.
pub(super) fn at_read(key: &StorageKey, trouble: Trouble) -> StorageError {
    match trouble.kind {
        Kind::Missing => StorageError::NotFound { key: key.to_string() },
        Kind::PreconditionFailed => StorageError::PreconditionFailed { key: key.to_string() },
        _ => unavailable(key, trouble),
    }
}

pub(super) fn unavailable(
    key: &StorageKey,
    source: impl Error + Send + Sync + 'static,
) -> StorageError {
    StorageError::Unavailable { key: key.to_string(), source: Box::new(source) }
}
