//! Opening an object, without leaving the calling thread when the kernel has the
//! path in memory: a hit costs three system calls and no hop between threads.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::{ObjectMeta, StorageError, StorageKey},
    blocking, meta, path, unreadable,
};
use crate::directory;

/// The directory that all keys are relative to.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    #[cfg(target_os = "linux")]
    handle: File,
}

/// An object that stays readable as it is, whatever happens to its name.
pub(super) struct OpenFile {
    pub(super) file: Arc<File>,
    pub(super) meta: ObjectMeta,
}

impl Root {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            #[cfg(target_os = "linux")]
            handle: File::open(&path)?,
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what lies under `key`; anything but a file counts as nothing.
    pub(super) async fn open_file(&self, key: &StorageKey) -> Result<OpenFile, StorageError> {
        path::check(key.as_str())?;
        match self.open_cached(key.as_str()) {
            Ok(file) => OpenFile::new(key.as_str(), file),
            Err(error) if directory::is_absence(&error) => Err(unreadable(key.as_str(), error)),
            // Not in memory, or an old kernel, or a sandbox that knows no openat2.
            Err(_) => {
                let path = self.path.join(key.as_str());
                let name = key.as_str().to_owned();
                blocking(key.as_str(), move || {
                    let file = File::open(path).map_err(|error| unreadable(&name, error))?;
                    OpenFile::new(&name, file)
                })
                .await
            }
        }
    }

    /// Whether anything lies under any of the keys; what is not in memory is looked for by
    /// one thread.
    pub(super) async fn has_any(&self, keys: &[StorageKey]) -> Result<bool, StorageError> {
        let mut unknown = Vec::new();
        for key in keys {
            path::check(key.as_str())?;
            match self.open_cached(key.as_str()) {
                Ok(_) => return Ok(true),
                Err(error) if directory::is_absence(&error) => {}
                Err(_) => unknown.push((key.to_string(), self.path.join(key.as_str()))),
            }
        }
        let Some((first, _)) = unknown.first() else { return Ok(false) };
        blocking(&first.clone(), move || {
            for (key, path) in unknown {
                match fs::metadata(path) {
                    Ok(_) => return Ok(true),
                    Err(error) if directory::is_absence(&error) => {}
                    Err(error) => return Err(unreadable(&key, error)),
                }
            }
            Ok(false)
        })
        .await
    }

    #[cfg(target_os = "linux")]
    fn open_cached(&self, key: &str) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat2(&self.handle, key, flags, Mode::empty(), ResolveFlags::CACHED)?.into())
    }

    #[cfg(not(target_os = "linux"))]
    fn open_cached(&self, _: &str) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl OpenFile {
    fn new(key: &str, file: File) -> Result<Self, StorageError> {
        let metadata = file.metadata().map_err(|error| unreadable(key, error))?;
        if !metadata.is_file() {
            return Err(StorageError::NotFound { key: key.to_owned() });
        }
        let meta = meta(&metadata).map_err(|error| unreadable(key, error))?;
        Ok(Self { file: Arc::new(file), meta })
    }
}
