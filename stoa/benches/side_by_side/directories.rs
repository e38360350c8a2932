//! Where things lie: below `target/bench`, what is expensive to make kept between runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::outcome::{Naming, Outcome};

/// Bytes.
const CLIENT_CACHE_ROOM: u64 = 4 << 30;

#[derive(Debug, Clone)]
pub(crate) struct Directories {
    root: PathBuf,
}

impl Directories {
    /// Creates them and throws away what the last run left in [`Self::scratch`].
    pub(crate) fn prepare() -> Outcome<Self> {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let root = temporary.parent().unwrap_or(temporary).join("bench");
        let directories = Self { root };
        remove(&directories.scratch(""))?;
        create(&directories.scratch(""))?;
        Ok(directories)
    }

    /// Kept: the corpus' module cache.
    pub(crate) fn module_cache(&self) -> PathBuf {
        self.root.join("gomodcache")
    }

    /// Kept: generated repositories.
    pub(crate) fn repositories(&self) -> PathBuf {
        self.root.join("repos")
    }

    /// What the go command downloads: 80,000 files, 1.8 GB, in memory where there is room.
    /// A disk that is still busy with the last round's files would slow the next one.
    pub(crate) fn client_cache(&self) -> PathBuf {
        let memory = Path::new("/dev/shm");
        let room = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
        if room > CLIENT_CACHE_ROOM {
            memory.join("stoa-bench-gomodcache")
        } else {
            self.scratch("gomodcache")
        }
    }

    /// Kept: what the go command builds for itself.
    pub(crate) fn build_cache(&self) -> PathBuf {
        self.root.join("gocache")
    }

    /// The figures, for programs.
    pub(crate) fn result(&self) -> PathBuf {
        self.root.join("result.json")
    }

    /// A path of this run only.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.root.join("scratch").join(name)
    }

    /// As [`Self::scratch`], with a number that makes it new. A round that removed the
    /// last one's directory would be measured while the disk is busy with that.
    pub(crate) fn unused(&self, name: &str) -> PathBuf {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.scratch(&format!("{name}-{number}"))
    }
}

pub(crate) fn create(directory: &Path) -> Outcome<()> {
    fs::create_dir_all(directory).naming(directory.display())
}

/// Removes a tree; one that is not there is fine.
pub(crate) fn remove(directory: &Path) -> Outcome<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).naming(directory.display())
        }
        _ => Ok(()),
    }
}

/// Writes a file, with the directories above it.
pub(crate) fn write(file: &Path, bytes: impl AsRef<[u8]>) -> Outcome<()> {
    if let Some(parent) = file.parent() {
        create(parent)?;
    }
    fs::write(file, bytes).naming(file.display())
}
