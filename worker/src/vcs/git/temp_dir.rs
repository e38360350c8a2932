//! ProcessDirectory: where a process keeps the temporary files of its git and ssh.
//!
//! Among them are keys. A process that is killed leaves them behind, and the next one that
//! starts there removes them: whoever lives holds a lock.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use tempfile::TempDir;

/// How such directories are called, and the lock in each.
const PREFIX: &str = "stoa-worker-";
const LOCK: &str = "lock";

/// A directory for this process and its user alone, removed when dropped.
#[derive(Debug)]
pub(super) struct ProcessDirectory {
    directory: TempDir,
    /// The lock is the open file's; the kernel releases it when the process ends.
    _lock: File,
}

impl ProcessDirectory {
    /// Creates one in `parent`, and removes those of dead processes there.
    pub(super) fn create_in(parent: &Path) -> io::Result<Self> {
        remove_left_in(parent)?;
        loop {
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let path = directory.path().join(LOCK);
            let lock = File::create_new(&path)?;
            match lock.try_lock() {
                // Nobody took it for a dead process's in between.
                Ok(()) if path.exists() => return Ok(Self { directory, _lock: lock }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn remove_left_in(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // One that cannot be opened is another user's.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok()
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            let directory = entry.path();
            tracing::warn!(%error, directory = %directory.display(), "left behind by a dead process");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_left_is_removed_and_what_the_living_have_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = ProcessDirectory::create_in(parent.path()).unwrap();
        let dead = parent.path().join("stoa-worker-dead");
        fs::create_dir_all(dead.join("stoa-ssh-1")).unwrap();
        for file in ["lock", "stoa-ssh-1/key"] {
            fs::write(dead.join(file), "").unwrap();
        }
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        let next = ProcessDirectory::create_in(parent.path()).unwrap();
        assert!(!dead.exists());
        assert!(living.path().exists() && next.path().exists() && other.exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
