//! A directory on disk that exactly one process owns, and durable writes into it.
//!
//! The file implementations of storage and queue both stand on this, without
//! knowing each other. Everything here blocks: call it where blocking is allowed.

use std::{
    fs::{self, File, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::NamedTempFile;

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error(
        "{}: in use by another Stoa process ({holder}); stop that process or choose another directory",
        directory.display()
    )]
    InUse {
        /// The directory asked for.
        directory: PathBuf,
        /// Who has it, as far as its lock file tells.
        holder: String,
    },
    /// The operating system refused.
    #[error("{}: cannot be used as a directory of this process", directory.display())]
    Unusable {
        /// The directory asked for.
        directory: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl DirectoryError {
    /// Turns an input or output error into one that names `directory`.
    pub(crate) fn unusable(directory: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unusable { directory: directory.to_owned(), source }
    }
}

/// Holds a directory for this process until it is dropped, also by a kill.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// The lock is the open file's; the kernel releases it when the file closes.
    _file: File,
}

impl DirectoryLock {
    /// Takes `directory` by the lock file `file` in it; both are created where missing.
    pub(crate) fn take(directory: &Path, file: &Path) -> Result<Self, DirectoryError> {
        let lock = open_lock(file).map_err(DirectoryError::unusable(directory))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DirectoryError::InUse {
                    directory: directory.to_owned(),
                    holder: holder(lock),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(DirectoryError::unusable(directory)(source));
            }
        }
        sign(&lock).map_err(DirectoryError::unusable(directory))?;
        Ok(Self { _file: lock })
    }
}

/// A directory for half-written files. What lies there at start was left by a dead
/// process, because the caller holds the lock of the directory around it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates the directory, or empties the one that is there.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(path))
    }

    /// Removes the files that were last written to longer than `age` ago; their number.
    pub(crate) fn discard(&self, age: Duration) -> io::Result<usize> {
        let mut discarded = 0;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // It may get its name while we look.
                Err(error) if is_absence(&error) => continue,
                Err(error) => return Err(error),
            };
            // A stamp in the future has no age.
            let is_old = metadata.modified()?.elapsed().is_ok_and(|elapsed| elapsed > age);
            if is_old && !metadata.is_dir() {
                remove(&entry.path())?;
                discarded += 1;
            }
        }
        Ok(discarded)
    }

    /// Where they lie.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A new file that is removed when dropped. Its mode is that of any new file, so
    /// that other programs may read what it becomes where the umask lets them.
    pub(crate) fn file(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(&self.0)
    }

    /// Writes a small file so that `target` is either what it was or all of `bytes`,
    /// also after a power cut.
    pub(crate) fn write(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.filled(bytes)?;
        file.as_file().sync_all()?;
        file.persist(target)?;
        sync_parent(target)
    }

    /// The same, but for a power cut, which may leave anything under the name.
    pub(crate) fn jot(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        self.filled(bytes)?.persist(target)?;
        Ok(())
    }

    fn filled(&self, bytes: &[u8]) -> io::Result<NamedTempFile> {
        let mut file = self.file()?;
        file.write_all(bytes)?;
        Ok(file)
    }
}

/// Makes the names in the directory around `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Removes a file durably; a missing one is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match unlink(path)? {
        true => sync_parent(path),
        false => Ok(()),
    }
}

/// Removes a file, which a power cut may bring back; whether there was one.
pub(crate) fn unlink(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error says that nothing lies under the path: it or a directory before
/// it is missing, a file stands where a directory would, or no name can be that long.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

fn open_lock(file: &Path) -> io::Result<File> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    File::options().read(true).write(true).create(true).truncate(false).open(file)
}

fn sign(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "process {}", std::process::id())
}

fn holder(lock: File) -> String {
    let mut text = String::new();
    match lock.take(64).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().replace('\n', " "),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_the_refusal_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lock");
        let lock = DirectoryLock::take(directory.path(), &file).unwrap();
        let refusal = DirectoryLock::take(directory.path(), &file).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!(
                "{}: in use by another Stoa process (process {}); \
                 stop that process or choose another directory",
                directory.path().display(),
                std::process::id()
            )
        );
        drop(lock);
        DirectoryLock::take(directory.path(), &file).unwrap();
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let refusal = DirectoryLock::take(&file, &file.join("lock")).unwrap_err();
        assert!(matches!(refusal, DirectoryError::Unusable { .. }));
    }

    #[test]
    fn scratch_is_empty_after_it_was_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tmp");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("left by a killed process"), "half").unwrap();
        let scratch = Scratch::open(path.clone()).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);

        let target = directory.path().join("target");
        scratch.write(&target, b"first").unwrap();
        scratch.write(&target, b"second").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"second");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        remove(&file).unwrap();
        for absent in [file.clone(), file.join("below"), directory.path().join("x".repeat(300))] {
            remove(&absent).unwrap();
        }
        assert!(remove(directory.path()).is_err(), "a directory is not removed");
    }
}
