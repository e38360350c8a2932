//! The object store seam: a bucket or a directory that is itself a static GOPROXY.
//!
//! [`Storage`] is the least an implementor owes; `contract` (feature `testing`) is the
//! one suite that every implementation passes. Keys are built by [`StorageKey`] alone.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod disk;
mod draft;
mod format;
mod key;
mod reading;
mod s3;
mod stamps;
mod within;

use std::{
    fmt, io,
    ops::Range,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{future::try_join_all, stream::BoxStream};

pub use disk::{DiskStorage, DiskStorageError};
pub use draft::Draft;
pub use key::{KeyPrefix, StorageKey};
pub use reading::{head_if_present, if_present, read_small, read_whole, unavailable};
pub use s3::{Place, S3Config, S3Storage, S3StorageError};
pub use within::Within;

/// A flat, strongly consistent store of immutable byte strings under string keys.
///
/// Contract: an object appears whole or not at all, and is durable once a write
/// returned `Ok`; a reader that has begun keeps reading the object it began with,
/// whatever is written meanwhile; conditional writes are atomic against each other.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Size, entity tag and time of the object, without its bytes.
    async fn head(&self, key: &StorageKey) -> Result<ObjectMeta, StorageError>;

    /// Opens the object for streaming; `options` narrow to a range or to one entity tag.
    async fn get(&self, key: &StorageKey, options: GetOptions) -> Result<Object, StorageError>;

    /// Writes the object only if the key is free; [`StorageError::AlreadyExists`] if not.
    /// A body that yields an error leaves nothing behind.
    async fn create(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError>;

    /// Replaces the object only if it still carries `expected`;
    /// [`StorageError::PreconditionFailed`] if not, [`StorageError::NotFound`] if it is gone.
    async fn swap(
        &self,
        key: &StorageKey,
        expected: &ETag,
        body: Body,
    ) -> Result<ObjectMeta, StorageError>;

    /// Writes unconditionally, the last writer wins: for knowledge that may be asked again.
    async fn put(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError>;

    /// Whether anything lies under any of the keys.
    async fn has_any(&self, keys: &[StorageKey]) -> Result<bool, StorageError> {
        let heads = keys.iter().map(async |key| if_present(self.head(key).await));
        Ok(try_join_all(heads).await?.iter().any(Option::is_some))
    }

    /// A file for bytes that have to be looked at before they may be stored: as a
    /// [`Body::File`] of this store, such a draft costs no copy where it can be helped.
    /// Blocks, as all that is done with the file.
    fn draft(&self) -> Result<Draft, StorageError> {
        Draft::unnamed().map_err(|source| StorageError::Unavailable {
            key: "a draft".to_owned(),
            source: source.into(),
        })
    }

    /// Takes down the bytes of an object that is to be written a little later, so that the
    /// write itself has less to wait for.
    async fn stage(&self, bytes: Bytes) -> Result<Body, StorageError> {
        Ok(Body::Bytes(bytes))
    }

    /// Says that an object is about to be created, so that what this takes beforehand can
    /// be done while its bytes are still on their way. A hint: whatever is in the way is
    /// told by the write, and nothing is owed if there is none.
    async fn expect(&self, _key: &StorageKey) {}

    /// Removes the object; a missing one is no error.
    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError>;

    /// Up to `limit` keys that start with `prefix`, in byte order, strictly after `after`.
    async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError>;

    /// A URL from which anyone may GET the object for `lifetime`, without credentials;
    /// `None` where the store hands out none. Whether the object is there is not asked.
    async fn signed_url(
        &self,
        key: &StorageKey,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError>;

    /// Removes what lies in the store of writes that never ended, such as those of a
    /// killed process, and that began longer ago than `age`; how many there were. A
    /// write that is still going on after `age` fails.
    async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError>;
}

/// What is to be read of an object.
#[derive(Debug, Clone, Default)]
pub struct GetOptions {
    /// Bytes wanted, end exclusive; cut at the object's size. A start at or past
    /// the size is [`StorageError::RangeNotSatisfiable`].
    pub range: Option<Range<u64>>,
    /// Only this entity tag will do; another is [`StorageError::PreconditionFailed`].
    pub if_match: Option<ETag>,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Size of the whole object in bytes, also when only a range is read.
    pub size: u64,
    /// Changes whenever the bytes change.
    pub etag: ETag,
    /// When the object was written.
    pub modified: SystemTime,
}

/// An opened object.
pub struct Object {
    /// Of the whole object.
    pub meta: ObjectMeta,
    /// The bytes that `body` yields, end exclusive.
    pub range: Range<u64>,
    /// The bytes, in chunks of bounded size.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("meta", &self.meta).field("range", &self.range).finish()
    }
}

/// What is to be written.
pub enum Body {
    /// All of it, small.
    Bytes(Bytes),
    /// A stream of unknown length; its first error aborts the write.
    Stream(BoxStream<'static, io::Result<Bytes>>),
    /// A file that was written to its end.
    File(Draft),
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// An opaque entity tag, without quotes (RFC 9110 §8.8.3, strong).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ETag(pub String);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Whole keys, in byte order.
    pub keys: Vec<String>,
    /// Give this as `after` for the next page; `None` at the end.
    pub next: Option<String>,
}

/// Why storage could not do it, by meaning; provider codes never leak.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Nothing lies under the key.
    #[error("{key}: not in storage")]
    NotFound {
        /// The key asked for.
        key: String,
    },
    /// A conditional create found the key taken.
    #[error("{key}: already in storage")]
    AlreadyExists {
        /// The key to be created.
        key: String,
    },
    /// The object does not carry the expected entity tag.
    #[error("{key}: changed in storage meanwhile")]
    PreconditionFailed {
        /// The key asked for.
        key: String,
    },
    /// The range starts at or past the end.
    #[error("{key}: range starts past the end of {size} bytes")]
    RangeNotSatisfiable {
        /// The key asked for.
        key: String,
        /// Size of the whole object in bytes.
        size: u64,
    },
    /// The body to be written failed before its end; nothing was stored.
    #[error("{key}: the bytes to store ended early")]
    Body {
        /// The key to be written.
        key: String,
        /// What the body's producer said.
        #[source]
        source: io::Error,
    },
    /// No object can have such a name here, now or later.
    #[error("{key}: the name is too long for storage")]
    NameTooLong {
        /// The key to be written.
        key: String,
    },
    /// The store itself is in trouble; the same call may succeed later.
    #[error("{key}: storage is unavailable")]
    Unavailable {
        /// The key asked for.
        key: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StorageError {
    /// Whether the error says that nothing lies under the key.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
