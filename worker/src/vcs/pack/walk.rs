//! Walking a directory with everything below it.

use super::{Mode, ObjectError, ObjectStore, TreeEntry};
use crate::vcs::ObjectId;

/// Bytes of all paths together: a chain of nested directories could otherwise make the
/// paths grow with the square of its length.
const PATH_BYTES: u64 = 64 << 20;

/// One file, link or submodule below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkEntry {
    /// Names from the directory on, joined with `/`.
    pub path: Vec<u8>,
    /// Anything but a directory.
    pub mode: Mode,
    /// The blob, or a commit of another repository.
    pub id: ObjectId,
}

impl ObjectStore {
    /// Everything below a directory, in the order of git's own archives: stored order,
    /// depth first (go-modules §4.5). At most `limit` files and directories, and
    /// 64 MiB of paths, since a few small trees can nest to any number.
    pub fn walk(&self, tree: &ObjectId, limit: u64) -> Result<Vec<WalkEntry>, ObjectError> {
        let too_large = |what, maximum| ObjectError::TooLarge { id: *tree, what, maximum };
        let mut files = Vec::new();
        let mut path = Vec::new();
        let mut entry_count = 0;
        let mut path_bytes = 0;
        let mut open = vec![Directory { entries: self.tree(tree)?.into_iter(), path_length: 0 }];
        while let Some(directory) = open.last_mut() {
            let Some(TreeEntry { mode, name, id }) = directory.entries.next() else {
                open.pop();
                continue;
            };
            path.truncate(directory.path_length);
            path.extend_from_slice(&name);
            entry_count += 1;
            path_bytes += path.len() as u64;
            if entry_count > limit {
                return Err(too_large("files and directories", limit));
            }
            if path_bytes > PATH_BYTES {
                return Err(too_large("bytes of paths", PATH_BYTES));
            }
            if mode == Mode::Directory {
                path.push(b'/');
                let entries = self.tree(&id)?.into_iter();
                open.push(Directory { entries, path_length: path.len() });
            } else {
                files.push(WalkEntry { path: path.clone(), mode, id });
            }
        }
        Ok(files)
    }
}

/// A directory that is being walked.
struct Directory {
    entries: std::vec::IntoIter<TreeEntry>,
    /// Bytes of its own path, with the slash.
    path_length: usize,
}
