//! The rules for a zip that others made (go-modules §4.2-4.3, §7.6): what the go command
//! enforces when it extracts one.

use super::{Sizes, ZipError, check_elements, check_name, collision::Collisions, is_clean};

/// Checks the entries of a zip one by one, in its order. A nested go.mod is an error here,
/// and nothing is left out.
#[derive(Debug)]
pub struct ForeignEntries<'a> {
    prefix: &'a str,
    collisions: Collisions<'a>,
    sizes: Sizes,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignEntry<'a> {
    /// A directory: of no use, but harmless.
    Directory,
    /// A file, by its path below the module's root.
    File(&'a str),
}

impl<'a> ForeignEntries<'a> {
    /// No entries yet. All names have to start with `prefix`, which [`super::entry_prefix`]
    /// makes.
    pub fn new(prefix: &'a str) -> Self {
        Self { prefix, collisions: Collisions::default(), sizes: Sizes::default() }
    }

    /// Checks one entry by its whole name and the size that is declared for it, in bytes.
    /// Whether its content has that size is to be found out by reading it.
    pub fn add(&mut self, name: &'a str, size: u64) -> Result<ForeignEntry<'a>, ZipError> {
        let Some(path) = name.strip_prefix(self.prefix) else {
            let (name, prefix) = (name.to_owned(), self.prefix.to_owned());
            return Err(ZipError::Prefix { name, prefix });
        };
        if path.is_empty() {
            return Ok(ForeignEntry::Directory);
        }
        let (path, is_directory) = match path.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (path, false),
        };
        if !is_clean(path.as_bytes()) {
            return Err(ZipError::Unclean { path: path.to_owned() });
        }
        if is_directory {
            check_elements(path)?;
            self.collisions.add_directory(path)?;
            return Ok(ForeignEntry::Directory);
        }
        check_name(path)?;
        self.collisions.add(path)?;
        let nested = path.rsplit_once('/').map(|(_, base)| base);
        if nested.is_some_and(|base| base.eq_ignore_ascii_case("go.mod")) {
            return Err(ZipError::NestedGoMod { path: path.to_owned() });
        }
        self.sizes.add(path, size)?;
        Ok(ForeignEntry::File(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::zip::{MAX_GO_MOD_SIZE, MAX_LICENSE_SIZE, MAX_ZIP_SIZE};

    const PREFIX: &str = "m.example/X@v1.0.0/";

    fn check(entries: &[(&str, u64)]) -> Result<(), String> {
        let names: Vec<String> =
            entries.iter().map(|(path, _)| path.replace("PREFIX/", PREFIX)).collect();
        let mut foreign = ForeignEntries::new(PREFIX);
        let mut sized = names.iter().zip(entries.iter().map(|(_, size)| *size));
        sized
            .try_for_each(|(name, size)| foreign.add(name, size).map(drop))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_go_command_extracts_passes() {
        for entries in [
            &[][..],
            &[("PREFIX/go.mod", 1), ("PREFIX/a.go", 0), ("PREFIX/sub/b.go", 2)],
            &[("PREFIX/", 0), ("PREFIX/sub/", 0), ("PREFIX/sub/", 0), ("PREFIX/sub/b.go", 1)],
            &[("PREFIX/vendor/a/b.go", 1), ("PREFIX/sub/go.mod/", 0), ("PREFIX/GO.MOD/", 0)],
            &[("PREFIX/go.mod", MAX_GO_MOD_SIZE), ("PREFIX/LICENSE", MAX_LICENSE_SIZE)],
            &[("PREFIX/a", MAX_ZIP_SIZE)],
            &[("PREFIX/_go.mod", 1), ("PREFIX/bin/go", 1), ("PREFIX/-x", 1), ("PREFIX/..x", 1)],
        ] {
            assert_eq!(check(entries), Ok(()), "{entries:?}");
        }
    }

    #[test]
    fn each_lie_has_its_error() {
        let huge = MAX_ZIP_SIZE;
        for (entries, expected) in [
            (&[("other.example/m@v1.0.0/a", 1)][..], "does not begin with"),
            (&[("m.example/!x@v1.0.0/a", 1)], "does not begin with"),
            (&[("PREFIX", 1)], "does not begin with"),
            (&[("PREFIX//a", 1)], "is not clean"),
            (&[("PREFIX/../a", 1)], "is not clean"),
            (&[("PREFIX/a/../b", 1)], "is not clean"),
            (&[("PREFIX/./a", 1)], "is not clean"),
            (&[("PREFIX/a//", 0)], "is not clean"),
            (&[("PREFIX/a\\b", 1)], "malformed file path"),
            (&[("PREFIX/a:b", 1)], "malformed file path"),
            (&[("PREFIX/a\0b", 1)], "malformed file path"),
            (&[("PREFIX/nul", 1)], "malformed file path"),
            (&[("PREFIX/con.d/", 0)], "malformed file path"),
            (&[("PREFIX/a", 1), ("PREFIX/A", 1)], "collision"),
            (&[("PREFIX/D/a", 1), ("PREFIX/d/", 0)], "collision"),
            (&[("PREFIX/a", 1), ("PREFIX/a", 1)], "multiple entries"),
            (&[("PREFIX/a", 1), ("PREFIX/a/", 0)], "both a file and a directory"),
            (&[("PREFIX/a/", 0), ("PREFIX/a", 1)], "both a file and a directory"),
            (&[("PREFIX/sub/go.mod", 1)], "not in the module's root"),
            (&[("PREFIX/sub/GO.mod", 1)], "not in the module's root"),
            (&[("PREFIX/Go.Mod", 1)], "lower-case"),
            (&[("PREFIX/a", huge), ("PREFIX/b", 1)], "too large"),
            (&[("PREFIX/a", 1), ("PREFIX/b", u64::MAX)], "too large"),
            (&[("PREFIX/go.mod", MAX_GO_MOD_SIZE + 1)], "more than"),
            (&[("PREFIX/LICENSE", MAX_LICENSE_SIZE + 1)], "more than"),
        ] {
            let error = check(entries).unwrap_err();
            assert!(error.contains(expected), "{entries:?}: {error}");
        }
    }
}
