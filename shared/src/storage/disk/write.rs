//! Writing: a synced file takes its name in one step, if the condition still holds.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    super::{Draft, ETag, ObjectMeta, StorageError, stamps::Stamps},
    directories::Directories,
    meta, path, unavailable, unreadable,
};
use crate::directory::{self, DirectoryLock, Scratch};

/// How many keys can be written at once without waiting for each other by accident.
const STRIPES: usize = 64;

/// What must hold of a key for a write to happen.
#[derive(Debug)]
pub(super) enum Condition {
    /// Nothing.
    None,
    /// Nothing lies there.
    Absent,
    /// The object there still carries this entity tag.
    Unchanged(ETag),
}

/// A part of a body. A body that ends without [`Chunk::End`] was given up.
pub(super) enum Chunk {
    Data(Bytes),
    End,
}

/// All changes to the directory.
#[derive(Debug)]
pub(super) struct Writer {
    root: PathBuf,
    scratch: Scratch,
    /// One writer at a time compares and changes a key.
    keys: Stripes,
    directories: Directories,
    stamps: Arc<Stamps>,
    _lock: DirectoryLock,
}

impl Writer {
    pub(super) fn new(root: PathBuf, scratch: Scratch, lock: DirectoryLock) -> Self {
        Self {
            root,
            scratch,
            keys: Stripes::default(),
            directories: Directories::default(),
            stamps: Arc::default(),
            _lock: lock,
        }
    }

    /// Writes a body that arrives in `chunks`. Blocks until its end.
    pub(super) fn write(
        &self,
        key: &str,
        condition: &Condition,
        chunks: mpsc::Receiver<Chunk>,
    ) -> Result<ObjectMeta, StorageError> {
        let target = self.root.join(key);
        // What cannot succeed is refused before its bytes are fetched.
        condition.check(key, &target)?;
        let draft = self.receive(chunks).map_err(|error| unavailable(key, error))?;
        self.store(key, &target, condition, draft)
    }

    /// Writes bytes that are all there.
    pub(super) fn write_bytes(
        &self,
        key: &str,
        condition: &Condition,
        bytes: &[u8],
    ) -> Result<ObjectMeta, StorageError> {
        let target = self.root.join(key);
        condition.check(key, &target)?;
        let draft = self.take_down(bytes).map_err(|error| unavailable(key, error))?;
        self.store(key, &target, condition, draft)
    }

    /// Stores a file that was written to its end, under the name that it gets here if it
    /// lies here already.
    pub(super) fn write_draft(
        &self,
        key: &str,
        condition: &Condition,
        draft: Draft,
    ) -> Result<ObjectMeta, StorageError> {
        let target = self.root.join(key);
        condition.check(key, &target)?;
        let draft = match draft.is_in(self.scratch.path()) {
            true => draft,
            false => self.copy(draft.file()).map_err(|error| unavailable(key, error))?,
        };
        self.store(key, &target, condition, draft)
    }

    /// A file that can be stored without a copy.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        let (file, path) = self.scratch.file()?.into_parts();
        Ok(Draft::named(file, path, Arc::clone(&self.stamps)))
    }

    /// A draft of these bytes, of which nothing but the name is missing.
    pub(super) fn stage(&self, bytes: &[u8]) -> io::Result<Draft> {
        let mut draft = self.take_down(bytes)?;
        draft.settle()?;
        Ok(draft)
    }

    /// Creates the directories that the object will need.
    pub(super) fn expect(&self, key: &str) -> io::Result<()> {
        self.root.join(key).parent().map_or(Ok(()), |parent| self.directories.create(parent))
    }

    fn store(
        &self,
        key: &str,
        target: &Path,
        condition: &Condition,
        mut draft: Draft,
    ) -> Result<ObjectMeta, StorageError> {
        let settled = draft.settle().and_then(|()| meta(&draft.file().metadata()?));
        let meta = settled.map_err(|error| unavailable(key, error))?;
        if let Some(parent) = target.parent() {
            self.directories.create(parent).map_err(|error| unavailable(key, error))?;
        }
        {
            let _turn = self.keys.lock(target);
            condition.check(key, target)?;
            let nameless = || unavailable(key, io::ErrorKind::NotFound.into());
            let path = draft.into_path().ok_or_else(nameless)?;
            let persisted = match condition {
                Condition::Absent => path.persist_noclobber(target),
                Condition::None | Condition::Unchanged(_) => path.persist(target),
            };
            persisted.map_err(|refused| match refused.error.kind() {
                io::ErrorKind::AlreadyExists => StorageError::AlreadyExists { key: key.to_owned() },
                _ => unavailable(key, refused.error),
            })?;
        }
        directory::sync_parent(target).map_err(|error| unavailable(key, error))?;
        Ok(meta)
    }

    /// Removes the object; the directories around it stay.
    pub(super) fn delete(&self, key: &str) -> Result<(), StorageError> {
        let target = self.root.join(key);
        let _turn = self.keys.lock(&target);
        directory::remove(&target).map_err(|error| unavailable(key, error))
    }

    /// Removes half-written files that nobody has written to for `age`; their number.
    pub(super) fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        self.scratch.discard(age).map_err(|error| unavailable(path::SCRATCH, error))
    }

    fn receive(&self, mut chunks: mpsc::Receiver<Chunk>) -> io::Result<Draft> {
        let draft = self.draft()?;
        loop {
            match chunks.blocking_recv() {
                Some(Chunk::Data(bytes)) => draft.file().write_all(&bytes)?,
                Some(Chunk::End) => break,
                None => return Err(io::Error::other("the body was given up")),
            }
        }
        Ok(draft)
    }

    fn take_down(&self, bytes: &[u8]) -> io::Result<Draft> {
        let draft = self.draft()?;
        draft.file().write_all(bytes)?;
        Ok(draft)
    }

    fn copy(&self, mut file: &File) -> io::Result<Draft> {
        file.seek(SeekFrom::Start(0))?;
        let copy = self.draft()?;
        io::copy(&mut file, &mut copy.file())?;
        Ok(copy)
    }

    #[cfg(test)]
    pub(super) fn pretend_last_stamp(&self, stamp: std::time::SystemTime) {
        self.stamps.pretend_last(stamp);
    }
}

impl Condition {
    fn check(&self, key: &str, target: &Path) -> Result<(), StorageError> {
        match self {
            Self::None => Ok(()),
            Self::Absent => match target.try_exists() {
                Ok(true) => Err(StorageError::AlreadyExists { key: key.to_owned() }),
                // Trouble shows when the file is to take its name.
                _ => Ok(()),
            },
            Self::Unchanged(expected) => {
                let found = fs::metadata(target)
                    .and_then(|metadata| meta(&metadata))
                    .map_err(|error| unreadable(key, error))?;
                if found.etag == *expected {
                    Ok(())
                } else {
                    Err(StorageError::PreconditionFailed { key: key.to_owned() })
                }
            }
        }
    }
}

/// A fixed number of locks that stand for any number of paths.
#[derive(Debug)]
struct Stripes([Mutex<()>; STRIPES]);

impl Default for Stripes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Stripes {
    fn lock(&self, path: &Path) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let stripe = &self.0[hasher.finish() as usize % STRIPES];
        // The lock guards no data that a panic could leave half-changed.
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
