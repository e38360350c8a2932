//! One fleet's part of the bucket, written and looked at from beside.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use stoa_shared::storage::{
    Body, KeyPrefix, S3Config, S3Storage, Storage, StorageError, StorageKey,
};
use tokio::runtime::Runtime;
use tokio_util::io::ReaderStream;

use crate::corpus::Corpus;
use crate::outcome::{Failure, Naming, Outcome};

/// Requests at once of what writes or deletes many objects.
const CONCURRENCY: usize = 16;
/// Bytes read at once of a file that is stored.
const CHUNK: usize = 256 << 10;
/// Longer than a run.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(3600);

/// Emptied when it is dropped.
pub(super) struct Bucket {
    runtime: Runtime,
    storage: S3Storage,
    /// `host:port` of the S3 server.
    authority: String,
}

impl Bucket {
    pub(super) fn open(config: S3Config) -> Outcome<Self> {
        let endpoint = config.endpoint.clone().unwrap_or_default();
        let authority = endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority
            .ok_or_else(|| Failure::new(format!("{endpoint}: the S3 server must speak http")))?
            .to_owned();
        let runtime = Runtime::new().naming("tokio")?;
        let storage = runtime.block_on(S3Storage::open(config)).naming("the bucket")?;
        Ok(Self { runtime, storage, authority })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Stores the corpus under the keys that its files have as paths.
    pub(super) fn put_corpus(&self, corpus: &Corpus) -> Outcome<()> {
        let puts = stream::iter(corpus.files()).map(|file| async move {
            let path = corpus.place(file);
            let opened = tokio::fs::File::open(&path).await.naming(path.display())?;
            let body = Body::Stream(ReaderStream::with_capacity(opened, CHUNK).boxed());
            let key = StorageKey::listed(file.path.clone());
            self.storage.put(&key, body).await.naming("the bucket").map(|_| ())
        });
        self.runtime.block_on(puts.buffer_unordered(CONCURRENCY).try_collect())
    }

    pub(super) fn put(&self, key: &str, body: Body) -> Outcome<()> {
        let key = StorageKey::listed(key.to_owned());
        self.runtime.block_on(self.storage.put(&key, body)).naming("the bucket").map(|_| ())
    }

    /// Path and query by which the S3 server itself gives the object away.
    pub(super) fn signed_path(&self, key: &str) -> Outcome<String> {
        let key = StorageKey::listed(key.to_owned());
        let signed = self.runtime.block_on(self.storage.signed_url(&key, SIGNATURE_LIFETIME));
        let url = signed.naming("the bucket")?.unwrap_or_default();
        let path = url.strip_prefix("http://").and_then(|rest| rest.strip_prefix(&self.authority));
        let elsewhere = || Failure::new(format!("{key}: the signed URL leads elsewhere: {url}"));
        path.map(str::to_owned).ok_or_else(elsewhere)
    }

    /// How many keys start so.
    pub(super) fn count(&self, prefix: &str) -> Outcome<usize> {
        let keys = self.runtime.block_on(self.keys(prefix));
        keys.naming("the bucket").map(|keys| keys.len())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let prefix = KeyPrefix::for_tests(prefix);
        let (mut keys, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.storage.list(&prefix, after.as_deref(), 1000).await?;
            keys.extend(page.keys);
            after = page.next;
            if after.is_none() {
                return Ok(keys);
            }
        }
    }

    async fn clear(&self) -> Result<(), StorageError> {
        let deletes = stream::iter(self.keys("").await?)
            .map(|key| async move { self.storage.delete(&StorageKey::listed(key)).await });
        deletes.buffer_unordered(CONCURRENCY).try_collect().await
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // What stays behind is in nobody's way: the prefix is not used again.
        let _cleared = self.runtime.block_on(self.clear());
    }
}
