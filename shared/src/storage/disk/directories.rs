//! Creating directories so that whoever finds one may rely on it.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
};

use crate::directory::sync_parent;

/// The directories that were created and may still vanish by a power cut.
#[derive(Debug, Default)]
pub(super) struct Directories {
    unsettled: Mutex<Unsettled>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct Unsettled {
    /// Being synced.
    under_way: HashSet<PathBuf>,
    /// Could not be synced: whoever needs one tries again.
    doubtful: HashSet<PathBuf>,
}

impl Directories {
    /// Creates a directory and those around it, durably. All are created before the
    /// first is synced: one commit of the file system's journal then has them all,
    /// where a new module needs half a dozen.
    pub(super) fn create(&self, path: &Path) -> io::Result<()> {
        let (created, outcome) = self.create_missing(path);
        if created.is_empty() {
            return outcome;
        }
        let synced = created.iter().try_for_each(|path| sync_parent(path));
        let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        for path in created {
            unsettled.under_way.remove(&path);
            if synced.is_err() {
                unsettled.doubtful.insert(path);
            }
        }
        self.settled.notify_all();
        outcome.and(synced)
    }

    /// The directories that were missing, outermost first; each may be relied on once
    /// the caller has synced the one around it. An error ends the row.
    fn create_missing(&self, path: &Path) -> (Vec<PathBuf>, io::Result<()>) {
        let unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        let is_on_the_way = |unsettled: &mut Unsettled| {
            let under_way = &unsettled.under_way;
            !under_way.is_empty() && path.ancestors().any(|path| under_way.contains(path))
        };
        let waited = self.settled.wait_while(unsettled, is_on_the_way);
        let mut unsettled = waited.unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<_> = path.ancestors().take_while(|path| !path.is_dir()).collect();
        missing.reverse();
        let mut created = Vec::with_capacity(missing.len());
        if !unsettled.doubtful.is_empty() {
            for path in path.ancestors() {
                if let Some(path) = unsettled.doubtful.take(path) {
                    unsettled.under_way.insert(path.clone());
                    created.insert(0, path);
                }
            }
        }
        for path in missing {
            match fs::create_dir(path) {
                Ok(()) => {}
                // Somebody is copying files in, and whether they sync it is not known.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                Err(error) => return (created, Err(error)),
            }
            unsettled.under_way.insert(path.to_owned());
            created.push(path.to_owned());
        }
        (created, Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn many_create_what_they_share_and_none_is_left_unsettled() {
        let root = tempfile::tempdir().unwrap();
        let directories = Arc::new(Directories::default());
        let creators = (0..32).map(|number| {
            let (directories, root) = (Arc::clone(&directories), root.path().to_owned());
            std::thread::spawn(move || {
                let path = root.join(format!("a/b/{}/{number}", number % 4));
                directories.create(&path).unwrap();
                assert!(path.is_dir());
            })
        });
        creators.collect::<Vec<_>>().into_iter().for_each(|creator| creator.join().unwrap());
        assert!(directories.unsettled.lock().unwrap().under_way.is_empty());
    }

    #[test]
    fn a_file_in_the_way_is_an_error_and_what_was_created_is_settled() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories::default();
        fs::write(root.path().join("file"), "").unwrap();
        directories.create(&root.path().join("file/below")).unwrap_err();
        let too_long = root.path().join("a").join("x".repeat(300)).join("b");
        directories.create(&too_long).unwrap_err();
        assert!(root.path().join("a").is_dir());
        directories.create(&root.path().join("a/b")).unwrap();
        assert!(directories.unsettled.lock().unwrap().under_way.is_empty());
    }
}
