//! A directory as object store: a key is a relative path, so that the directory is a
//! static GOPROXY and a module cache's `cache/download` can be copied in.
//!
//! A write goes to a file under `_stoa/tmp/`, is synced, and takes its name in one
//! step; the directories around it are synced before the write returns. One process
//! owns the directory (`_stoa/lock`), which is why conditional writes need no more
//! than locks in memory.

mod chunks;
mod directories;
mod format;
mod list;
mod open;
mod path;
#[cfg(test)]
mod tests;
mod write;

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tokio::{sync::mpsc, task};

use super::{
    Body, Draft, ETag, GetOptions, KeyPrefix, Object, ObjectMeta, Page, Storage, StorageError,
    StorageKey,
};
use crate::directory::{self, DirectoryError, DirectoryLock, Scratch};
use chunks::{BufferPool, chunks};
use write::{Chunk, Condition, Writer};

/// Objects as files of one directory that this process owns.
///
/// Symbolic links are followed by reads, but not listed. Keys with an empty, `.` or
/// `..` element and, for writes, elements longer than the file system allows are
/// [`StorageError::Unavailable`]: no key that is built from parsed identifiers has
/// the former.
#[derive(Debug)]
pub struct DiskStorage {
    root: Arc<open::Root>,
    writer: Arc<Writer>,
    buffers: Arc<BufferPool>,
}

/// Why a directory cannot be opened as storage.
#[derive(Debug, thiserror::Error)]
pub enum DiskStorageError {
    /// It is not ours to use.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A newer program wrote it (design §3).
    #[error(
        "{}: storage format {found} is newer than {supported}, the newest this program reads; use a newer program",
        directory.display()
    )]
    NewerFormat {
        /// The directory asked for.
        directory: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        supported: u32,
    },
    /// `_stoa/format` holds no number.
    #[error(
        "{}: _stoa/format does not hold a format number; restore it, or choose another directory",
        directory.display()
    )]
    UnreadableFormat {
        /// The directory asked for.
        directory: PathBuf,
    },
}

impl DiskStorage {
    /// Takes the directory for this process and creates it where missing. What a
    /// killed process left half-written is removed.
    pub async fn open(directory: PathBuf) -> Result<Self, DiskStorageError> {
        let named = directory.clone();
        task::spawn_blocking(move || Self::open_blocking(directory))
            .await
            .map_err(|error| DirectoryError::unusable(&named)(error.into()))?
    }

    fn open_blocking(directory: PathBuf) -> Result<Self, DiskStorageError> {
        let lock = DirectoryLock::take(&directory, &directory.join(path::LOCK))?;
        format::check(&directory)?;
        let opened = || -> io::Result<Self> {
            let scratch = Scratch::open(directory.join(path::SCRATCH))?;
            format::record(&directory, &scratch)?;
            Ok(Self {
                root: Arc::new(open::Root::open(directory.clone())?),
                writer: Arc::new(Writer::new(directory.clone(), scratch, lock)),
                buffers: Arc::default(),
            })
        };
        Ok(opened().map_err(DirectoryError::unusable(&directory))?)
    }

    async fn write(
        &self,
        key: &StorageKey,
        condition: Condition,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        path::check(key.as_str())?;
        let (writer, name) = (Arc::clone(&self.writer), key.as_str().to_owned());
        let body = match body {
            Body::File(draft) => {
                let write = move || writer.write_draft(&name, &condition, draft);
                return blocking(key.as_str(), write).await;
            }
            Body::Bytes(bytes) => {
                let write = move || writer.write_bytes(&name, &condition, &bytes);
                return blocking(key.as_str(), write).await;
            }
            Body::Stream(stream) => stream,
        };
        // The writing thread is ahead of the producer by at most this many chunks.
        let (chunks, received) = mpsc::channel(2);
        let writing = task::spawn_blocking(move || writer.write(&name, &condition, received));
        // When this future is dropped, so is `chunks`, and the writing thread gives up.
        let sent = send(body, chunks).await;
        let written = writing.await.map_err(|error| unavailable(key.as_str(), error.into()))?;
        match sent {
            Err(source) => Err(StorageError::Body { key: key.to_string(), source }),
            Ok(()) => written,
        }
    }
}

#[async_trait]
impl Storage for DiskStorage {
    async fn head(&self, key: &StorageKey) -> Result<ObjectMeta, StorageError> {
        Ok(self.root.open_file(key).await?.meta)
    }

    async fn get(&self, key: &StorageKey, options: GetOptions) -> Result<Object, StorageError> {
        let open::OpenFile { file, meta } = self.root.open_file(key).await?;
        if options.if_match.is_some_and(|expected| expected != meta.etag) {
            return Err(StorageError::PreconditionFailed { key: key.to_string() });
        }
        let range = match options.range {
            None => 0..meta.size,
            Some(range) if range.start >= meta.size => {
                let (key, size) = (key.to_string(), meta.size);
                return Err(StorageError::RangeNotSatisfiable { key, size });
            }
            Some(range) => range.start..range.end.clamp(range.start, meta.size),
        };
        let body = chunks(file, range.clone(), Arc::clone(&self.buffers)).boxed();
        Ok(Object { meta, range, body })
    }

    async fn create(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.write(key, Condition::Absent, body).await
    }

    async fn swap(
        &self,
        key: &StorageKey,
        expected: &ETag,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        self.write(key, Condition::Unchanged(expected.clone()), body).await
    }

    async fn put(&self, key: &StorageKey, body: Body) -> Result<ObjectMeta, StorageError> {
        self.write(key, Condition::None, body).await
    }

    async fn has_any(&self, keys: &[StorageKey]) -> Result<bool, StorageError> {
        self.root.has_any(keys).await
    }

    fn draft(&self) -> Result<Draft, StorageError> {
        self.writer.draft().map_err(|error| unavailable(path::SCRATCH, error))
    }

    async fn stage(&self, bytes: Bytes) -> Result<Body, StorageError> {
        let writer = Arc::clone(&self.writer);
        blocking(path::SCRATCH, move || {
            let staged = writer.stage(&bytes);
            staged.map(Body::File).map_err(|error| unavailable(path::SCRATCH, error))
        })
        .await
    }

    async fn expect(&self, key: &StorageKey) {
        if path::check(key.as_str()).is_err() {
            return;
        }
        let (writer, name) = (Arc::clone(&self.writer), key.as_str().to_owned());
        // Whatever is in the way stands in the way of the write as well.
        let _ = task::spawn_blocking(move || writer.expect(&name)).await;
    }

    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        path::check(key.as_str())?;
        let writer = Arc::clone(&self.writer);
        let name = key.as_str().to_owned();
        blocking(key.as_str(), move || writer.delete(&name)).await
    }

    async fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        path::check_prefix(prefix.as_str())?;
        let root = self.root.path().to_owned();
        let (name, after) = (prefix.as_str().to_owned(), after.unwrap_or_default().to_owned());
        blocking(prefix.as_str(), move || {
            list::page(&root, &name, &after, limit).map_err(|error| unavailable(&name, error))
        })
        .await
    }

    async fn signed_url(
        &self,
        _: &StorageKey,
        _: Duration,
    ) -> Result<Option<String>, StorageError> {
        Ok(None)
    }

    async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        let writer = Arc::clone(&self.writer);
        blocking(path::SCRATCH, move || writer.discard_unfinished(age)).await
    }
}

/// Hands the body to the writing thread; the error is the body's own.
async fn send(
    mut body: BoxStream<'static, io::Result<Bytes>>,
    chunks: mpsc::Sender<Chunk>,
) -> io::Result<()> {
    // A send fails only once the writing thread has given up; it tells why itself.
    while let Some(bytes) = body.next().await {
        if chunks.send(Chunk::Data(bytes?)).await.is_err() {
            return Ok(());
        }
    }
    let _ = chunks.send(Chunk::End).await;
    Ok(())
}

/// Runs blocking work for `key` on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    key: &str,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    task::spawn_blocking(work).await.map_err(|error| unavailable(key, error.into()))?
}

fn unavailable(key: &str, source: io::Error) -> StorageError {
    if source.kind() == io::ErrorKind::InvalidFilename {
        return StorageError::NameTooLong { key: key.to_owned() };
    }
    StorageError::Unavailable { key: key.to_owned(), source: source.into() }
}

/// What an error at reading means: absence or trouble.
fn unreadable(key: &str, error: io::Error) -> StorageError {
    if directory::is_absence(&error) {
        StorageError::NotFound { key: key.to_owned() }
    } else {
        unavailable(key, error)
    }
}

fn meta(of: &fs::Metadata) -> io::Result<ObjectMeta> {
    use std::os::unix::fs::MetadataExt;
    // No two objects in a row share an inode, and the writer gives no time stamp twice.
    let etag = format!(
        "{:x}-{:x}-{:x}",
        of.ino(),
        i128::from(of.mtime()) * 1_000_000_000 + i128::from(of.mtime_nsec()),
        of.len()
    );
    Ok(ObjectMeta { size: of.len(), etag: ETag(etag), modified: of.modified()? })
}
