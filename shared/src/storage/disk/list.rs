//! Listing: a walk in the byte order of whole keys.

use std::{fs, io, path::Path};

use super::{super::Page, path};
use crate::directory;

/// Up to `limit` keys below `root` that start with `prefix` and come after `after`.
/// Holds one directory's names per level of depth, never the tree.
pub(super) fn page(root: &Path, prefix: &str, after: &str, limit: usize) -> io::Result<Page> {
    // One key more than asked for tells whether there is a next page.
    let mut walk = Walk { root, prefix, after, wanted: limit.saturating_add(1), keys: Vec::new() };
    let directory =
        prefix.rsplit_once('/').map_or("", |(directory, _)| &prefix[..=directory.len()]);
    walk.descend(directory)?;
    let mut keys = walk.keys;
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = if more { keys.last().cloned() } else { None };
    Ok(Page { keys, next })
}

struct Walk<'a> {
    root: &'a Path,
    prefix: &'a str,
    after: &'a str,
    wanted: usize,
    keys: Vec<String>,
}

impl Walk<'_> {
    /// Walks `directory`, which is empty for the root and else ends with a slash.
    fn descend(&mut self, directory: &str) -> io::Result<()> {
        // A directory sorts by its name with the slash, as the keys in it do:
        // `a-b` comes before `a/b`.
        let mut children = self.children(directory)?;
        children.sort_unstable();
        for child in children {
            if self.keys.len() == self.wanted {
                break;
            }
            if child.ends_with('/') {
                self.descend(&child)?;
            } else {
                self.keys.push(child);
            }
        }
        Ok(())
    }

    fn children(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(directory)) {
            Ok(entries) => entries,
            // It may vanish while we walk.
            Err(error) if directory::is_absence(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut children = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A name that is not UTF-8 is no key.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) if directory::is_absence(&error) => continue,
                Err(error) => return Err(error),
            };
            if kind.is_symlink() {
                continue;
            }
            let slash = if kind.is_dir() { "/" } else { "" };
            let child = format!("{directory}{name}{slash}");
            if self.is_wanted(&child) {
                children.push(child);
            }
        }
        Ok(children)
    }

    /// Whether the key, or a key below the directory that ends with a slash, is to be listed.
    fn is_wanted(&self, child: &str) -> bool {
        let is_directory = child.ends_with('/');
        let has_prefix =
            child.starts_with(self.prefix) || (is_directory && self.prefix.starts_with(child));
        let comes_after = child > self.after || (is_directory && self.after.starts_with(child));
        let is_ours = child == path::LOCK || child.strip_suffix('/') == Some(path::SCRATCH);
        has_prefix && comes_after && !is_ours
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn any_page_size_from_any_place_agrees_with_sorting_all_keys() {
        let root = tempfile::tempdir().unwrap();
        let mut keys = vec![
            "a-b/c",
            "a.b",
            "a/b",
            "a/b-c",
            "a/c/d",
            "a/c/e",
            "a/c.d",
            "a0",
            "b/c/d/e/f",
            "b/c-d/e",
            "b/c.d/e",
            "z",
            "_stoa/format",
            "_stoa/tmp-not/x",
            "_stoa/locks",
        ];
        for key in keys.iter().chain(&["_stoa/tmp/half", "_stoa/lock"]) {
            let path = root.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::create_dir_all(root.path().join("a/c/empty/empty")).unwrap();
        keys.sort_unstable();

        let places = keys.iter().copied().chain(["", "a", "a/", "a/c/", "a/c/empty/", "c", "zz"]);
        let prefixes =
            ["", "a", "a/", "a/c", "a/c/", "b/c", "b/c/d/e/f", "b/c/d/e/f/", "x/y/", "_stoa/"];
        for after in places {
            for prefix in prefixes {
                let wanted: Vec<_> = keys
                    .iter()
                    .copied()
                    .filter(|key| key.starts_with(prefix) && *key > after)
                    .collect();
                for limit in [1, 2, 3, 100] {
                    let page = page(root.path(), prefix, after, limit).unwrap();
                    let expected = &wanted[..wanted.len().min(limit)];
                    assert_eq!(page.keys, expected, "{prefix:?} {after:?} {limit}");
                    let next = expected.last().filter(|_| wanted.len() > limit);
                    assert_eq!(page.next.as_deref(), next.copied(), "{prefix:?} {after:?} {limit}");
                }
            }
        }
    }

    #[test]
    fn names_that_are_no_keys_are_passed_over() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt, os::unix::fs::symlink};
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("key"), "").unwrap();
        fs::write(root.path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
        symlink(root.path(), root.path().join("loop")).unwrap();
        assert_eq!(page(root.path(), "", "", 10).unwrap().keys, ["key"]);
    }

    #[test]
    fn a_root_that_cannot_be_read_is_trouble_not_emptiness() {
        let root = tempfile::tempdir().unwrap();
        let looped = root.path().join("loop");
        std::os::unix::fs::symlink(&looped, &looped).unwrap();
        assert!(page(&looped, "", "", 10).is_err());
    }
}
