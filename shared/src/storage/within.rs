//! Within: the part of a store below a prefix, as a store of its own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Body, Draft, ETag, GetOptions, KeyPrefix, Object, ObjectMeta, Page, Storage, StorageError,
    StorageKey,
};

/// A store whose every key lies below a prefix of another store. Its users neither see
/// the prefix nor anything beside it; errors name the whole key, for whoever looks.
pub struct Within {
    whole: Arc<dyn Storage>,
    prefix: KeyPrefix,
}

impl Within {
    /// The part of `whole` below `prefix`, which ends with a slash.
    pub fn new(whole: Arc<dyn Storage>, prefix: KeyPrefix) -> Self {
        Self { whole, prefix }
    }
}

#[async_trait]
impl Storage for Within {
    async fn head(&self, key: &StorageKey) -> Result<ObjectMeta, StorageError> {
        self.whole.head(&self.prefix.key(key)).await
    }

    async fn get(&self, key: &StorageKey, options: GetOptions) -> Result<Object, StorageError> {
        self.whole.get(&self.prefix.key(key), options).await
    }

    async fn create(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.whole.create(&self.prefix.key(key), body).await
    }

    async fn swap(
        &self,
        key: &StorageKey,
        expected: &ETag,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        self.whole.swap(&self.prefix.key(key), expected, body).await
    }

    async fn put(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.whole.put(&self.prefix.key(key), body).await
    }

    async fn has_any(&self, keys: &[StorageKey]) -> Result<bool, StorageError> {
        let keys: Vec<_> = keys.iter().map(|key| self.prefix.key(key)).collect();
        self.whole.has_any(&keys).await
    }

    fn draft(&self) -> Result<Draft, StorageError> {
        self.whole.draft()
    }

    async fn stage(&self, bytes: Bytes) -> Result<Body, StorageError> {
        self.whole.stage(bytes).await
    }

    async fn expect(&self, key: &StorageKey) {
        self.whole.expect(&self.prefix.key(key)).await;
    }

    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.whole.delete(&self.prefix.key(key)).await
    }

    async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let after = after.map(|after| format!("{}{after}", self.prefix.as_str()));
        let page = self.whole.list(&self.prefix.prefix(prefix), after.as_deref(), limit).await?;
        let own = |key: String| key.strip_prefix(self.prefix.as_str()).map(str::to_owned);
        Ok(Page {
            keys: page.keys.into_iter().filter_map(own).collect(),
            next: page.next.and_then(own),
        })
    }

    async fn signed_url(
        &self,
        key: &StorageKey,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        self.whole.signed_url(&self.prefix.key(key), lifetime).await
    }

    /// Writes that never ended belong to the whole store, which discards them itself.
    async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        self.whole.discard_unfinished(age).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        space::{ProjectId, Space},
        storage::{DiskStorage, S3Storage, contract, read_small},
        testing::services,
    };

    fn space(project: &str) -> Space {
        Space::Private(project.parse().unwrap())
    }

    async fn all_keys(storage: &dyn Storage) -> Vec<String> {
        storage.list(&KeyPrefix::everything(), None, 1000).await.unwrap().keys
    }

    #[tokio::test]
    async fn the_contract_holds_below_a_prefix_of_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let whole = DiskStorage::open(directory.path().to_owned()).await.unwrap();
        contract::run(space("default").storage(&(Arc::new(whole) as Arc<dyn Storage>))).await;
    }

    #[tokio::test]
    async fn the_contract_holds_below_a_prefix_of_a_bucket() {
        let whole = S3Storage::open(services::s3()).await.unwrap();
        contract::run(space("default").storage(&(Arc::new(whole) as Arc<dyn Storage>))).await;
    }

    #[tokio::test]
    async fn spaces_share_no_key_and_errors_name_the_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let whole: Arc<dyn Storage> =
            Arc::new(DiskStorage::open(directory.path().to_owned()).await.unwrap());
        let spaces =
            [Space::Public, space("a"), space("a.b"), Space::Private(ProjectId::default())];
        let key = StorageKey::for_contract("same/key");
        for space in &spaces {
            let storage = space.storage(&whole);
            assert!(storage.head(&key).await.unwrap_err().is_not_found(), "{space}");
            storage.create(&key, space.to_string().into_bytes().into()).await.unwrap();
        }
        for space in &spaces {
            let storage = space.storage(&whole);
            let (bytes, _) = read_small(&*storage, &key).await.unwrap().unwrap();
            assert_eq!(bytes, space.to_string());
            if space.project().is_some() {
                assert_eq!(all_keys(&*storage).await, ["_stoa/contract/same/key"]);
            }
        }
        let taken = spaces[1].storage(&whole).create(&key, Vec::new().into()).await.unwrap_err();
        assert_eq!(
            taken.to_string(),
            "_stoa/private/a/_stoa/contract/same/key: already in storage"
        );
        insta::assert_snapshot!(
            all_keys(&*whole).await.into_iter().filter(|key| key.contains("contract")).collect::<Vec<_>>().join("\n"),
            @r"
        _stoa/contract/same/key
        _stoa/private/a.b/_stoa/contract/same/key
        _stoa/private/a/_stoa/contract/same/key
        _stoa/private/default/_stoa/contract/same/key
        "
        );
    }
}
