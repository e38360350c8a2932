//! Names that a file system without case cannot hold side by side (go-modules §4.2(7)).

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use super::ZipError;

/// The files so far and all directories above them, by their folded names.
#[derive(Debug, Default)]
pub(super) struct Collisions<'a> {
    seen: HashMap<Cow<'a, str>, Seen<'a>>,
}

#[derive(Debug)]
struct Seen<'a> {
    path: &'a str,
    is_directory: bool,
}

impl<'a> Collisions<'a> {
    /// Adds a file and the directories above it.
    pub(super) fn add(&mut self, file: &'a str) -> Result<(), ZipError> {
        self.add_entry(file, false)?;
        self.add_above(file)
    }

    /// Adds a directory that has an entry of its own, and the directories above it.
    pub(super) fn add_directory(&mut self, directory: &'a str) -> Result<(), ZipError> {
        self.add_entry(directory, true)?;
        self.add_above(directory)
    }

    fn add_above(&mut self, mut path: &'a str) -> Result<(), ZipError> {
        while let Some((directory, _)) = path.rsplit_once('/') {
            if self.add_entry(directory, true)? == Known::Already {
                // Those above it are known, too.
                break;
            }
            path = directory;
        }
        Ok(())
    }

    fn add_entry(&mut self, path: &'a str, is_directory: bool) -> Result<Known, ZipError> {
        let seen = match self.seen.entry(fold(path)) {
            Entry::Vacant(entry) => {
                entry.insert(Seen { path, is_directory });
                return Ok(Known::Now);
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        if seen.path != path {
            return Err(ZipError::Collision {
                first: seen.path.to_owned(),
                second: path.to_owned(),
            });
        }
        match (seen.is_directory, is_directory) {
            (true, true) => Ok(Known::Already),
            (false, false) => Err(ZipError::Duplicate { path: path.to_owned() }),
            _ => Err(ZipError::FileAndDirectory { path: path.to_owned() }),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Known {
    Now,
    Already,
}

/// The same text for all texts that are equal under Unicode simple case folding.
fn fold(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.chars().map(fold_character).collect())
}

fn fold_character(character: char) -> char {
    unicode_case_mapping::case_folded(character)
        .and_then(|folded| char::from_u32(folded.get()))
        .unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_all(files: &[&'static str]) -> Result<(), ZipError> {
        let mut collisions = Collisions::default();
        files.iter().try_for_each(|file| collisions.add(file))
    }

    #[test]
    fn names_that_differ_in_case_collide() {
        for (left, right) in [
            ("a", "A"),
            ("k", "\u{212a}"),
            ("s", "\u{17f}"),
            ("\u{df}", "\u{1e9e}"),
            ("\u{e9}", "\u{c9}"),
            ("\u{3c3}", "\u{3c2}"),
            ("\u{1c4}", "\u{1c5}"),
            ("\u{13a0}", "\u{ab70}"),
            ("\u{10d0}x", "\u{10d0}X"),
        ] {
            let (first, second) = (left.to_owned(), right.to_owned());
            let expected = Err(ZipError::Collision { first, second });
            assert_eq!(add_all(&[left, right]), expected, "{left} {right}");
        }
        for (left, right) in
            [("i", "\u{130}"), ("i", "\u{131}"), ("ss", "\u{df}"), ("\u{e9}", "e\u{301}")]
        {
            assert_eq!(add_all(&[left, right]), Ok(()), "{left} {right}");
        }
    }

    #[test]
    fn directories_count() {
        assert_eq!(add_all(&["d/x", "d/y", "d/e/x", "x"]), Ok(()));
        let collision = |first: &str, second: &str| {
            Err(ZipError::Collision { first: first.into(), second: second.into() })
        };
        assert_eq!(add_all(&["Dir/x", "dir/y"]), collision("Dir", "dir"));
        assert_eq!(add_all(&["a/b/x", "A"]), collision("a", "A"));
        assert_eq!(add_all(&["a/B/x", "a/b/y"]), collision("a/B", "a/b"));
        let path = || "a".to_owned();
        assert_eq!(add_all(&["a", "a/b"]), Err(ZipError::FileAndDirectory { path: path() }));
        assert_eq!(add_all(&["a/b", "a"]), Err(ZipError::FileAndDirectory { path: path() }));
        assert_eq!(add_all(&["a", "a"]), Err(ZipError::Duplicate { path: path() }));
    }
}
