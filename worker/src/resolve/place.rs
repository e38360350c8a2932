//! Where a module lies in its repository (go-modules §3.1).

use stoa_shared::module::{ModulePath, PathMajor};

use crate::locate::matching::fits;

/// A module's place in its repository, the same at every commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The module's directory, without slashes at its ends; empty at the top. Its
    /// major-version directory, where there is one, lies below.
    pub code_dir: String,
    /// What the names of the module's tags begin with, up to the version: empty, or
    /// the directory and a slash. Never a major version.
    pub tag_prefix: String,
    /// The module path's major-version suffix.
    pub path_major: PathMajor,
    /// Whether the module path is the repository's root path, suffix and all: then
    /// there is no major-version directory.
    pub is_root: bool,
}

impl Place {
    /// Places `module` in the repository whose root path is `root` and whose page named
    /// the directory `subdir` (empty if none).
    pub fn of(module: &ModulePath, root: &str, subdir: &str) -> Result<Self, NotContained> {
        let (prefix, path_major) = module.split_major();
        let is_root = module.as_str() == root;
        let mut code_dir = if is_root {
            String::new()
        } else if fits(root, prefix) {
            prefix[root.len()..].trim_matches('/').to_owned()
        } else {
            let (root, module) = (root.to_owned(), module.clone());
            return Err(NotContained { root, module });
        };
        if !subdir.is_empty() {
            // The go command appends the page's directory to the module's, not the
            // other way round, so we must too.
            code_dir = clean(&format!("{code_dir}/{subdir}"));
        }
        let tag_prefix = if code_dir.is_empty() { String::new() } else { format!("{code_dir}/") };
        Ok(Self { code_dir, tag_prefix, path_major, is_root })
    }

    /// The go.mod in the module's directory: (1) of go-modules §3.6.
    pub fn go_mod(&self) -> String {
        format!("{}go.mod", self.tag_prefix)
    }

    /// The directory that a `/vN` module may have of its own.
    pub fn major_dir(&self) -> Option<String> {
        match &self.path_major {
            PathMajor::Slash(digits) if !self.is_root => {
                Some(format!("{}v{digits}", self.tag_prefix))
            }
            _ => None,
        }
    }

    /// The go.mod in [`major_dir`](Self::major_dir): (2) of go-modules §3.6.
    pub fn major_go_mod(&self) -> Option<String> {
        self.major_dir().map(|directory| format!("{directory}/go.mod"))
    }

    /// How many levels of the repository's tree hold all go.mod files that the module's
    /// directory is found by, the root directory counted as the first.
    pub fn go_mod_levels(&self) -> u32 {
        let deepest = self.major_go_mod().unwrap_or_else(|| self.go_mod());
        let levels = deepest.split('/').count() + 1;
        u32::try_from(levels).unwrap_or(u32::MAX)
    }
}

/// The repository that discovery found cannot have the module in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("repository rooted at {root} cannot contain module {module}")]
pub struct NotContained {
    /// The repository's root path.
    pub root: String,
    /// The module.
    pub module: ModulePath,
}

/// A relative path without empty and `.` elements, and without `..` but at its start;
/// `.` if nothing is left, which never matches a tag.
fn clean(path: &str) -> String {
    let mut elements = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." if elements.last().is_some_and(|last| *last != "..") => {
                elements.pop();
            }
            _ => elements.push(element),
        }
    }
    if elements.is_empty() { ".".to_owned() } else { elements.join("/") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn modules_lie_where_their_path_says() {
        #[rustfmt::skip]
        let table = [
            // module, root, subdir → code_dir, tag_prefix, suffix, is_root, major_dir
            ("h.example/r", "h.example/r", "", "", "", "", true, None),
            ("h.example/r/v2", "h.example/r", "", "", "", "/v2", false, Some("v2")),
            ("h.example/r/v2", "h.example/r/v2", "", "", "", "/v2", true, None),
            ("h.example/r/a/b", "h.example/r", "", "a/b", "a/b/", "", false, None),
            ("h.example/r/a/v3", "h.example/r", "", "a", "a/", "/v3", false, Some("a/v3")),
            ("h.example", "h.example", "", "", "", "", true, None),
            ("h.example/a", "h.example", "", "a", "a/", "", false, None),
            ("gopkg.in/x.v2", "gopkg.in/x.v2", "", "", "", ".v2", true, None),
            ("gopkg.in/x.v2-unstable", "gopkg.in/x.v2-unstable", "", "", "", ".v2-unstable", true, None),
            ("gopkg.in/r/x.v2", "gopkg.in/r", "", "x", "x/", ".v2", false, None),
            // A root may be written with a last slash.
            ("h.example/r/a", "h.example/r/", "", "a", "a/", "", false, None),
            // The page's directory comes last.
            ("h.example/r", "h.example/r", "sub/dir", "sub/dir", "sub/dir/", "", true, None),
            ("h.example/r/inner", "h.example/r", "sub/dir", "inner/sub/dir", "inner/sub/dir/", "", false, None),
            ("h.example/r/v2", "h.example/r", "sub", "sub", "sub/", "/v2", false, Some("sub/v2")),
            ("h.example/r/v2", "h.example/r/v2", "sub", "sub", "sub/", "/v2", true, None),
            ("h.example/r/a/v2", "h.example/r", "sub", "a/sub", "a/sub/", "/v2", false, Some("a/sub/v2")),
            // It is cleaned, and otherwise taken as it is.
            ("h.example/r/a", "h.example/r", "b//./c/", "a/b/c", "a/b/c/", "", false, None),
            ("h.example/r/a", "h.example/r", "../b", "b", "b/", "", false, None),
            ("h.example/r/a", "h.example/r", "../../../b", "../../b", "../../b/", "", false, None),
            ("h.example/r/a", "h.example/r", "..", ".", "./", "", false, None),
            ("h.example/r", "h.example/r", ".", ".", "./", "", true, None),
        ];
        for (module, root, subdir, code_dir, tag_prefix, suffix, is_root, major_dir) in table {
            let name = format!("{module} in {root} {subdir}");
            let place = Place::of(&module.parse().unwrap(), root, subdir).unwrap();
            assert_eq!(place.code_dir, code_dir, "{name}");
            assert_eq!(place.tag_prefix, tag_prefix, "{name}");
            assert_eq!(place.path_major.to_string(), suffix, "{name}");
            assert_eq!(place.is_root, is_root, "{name}");
            assert_eq!(place.major_dir().as_deref(), major_dir, "{name}");
        }
    }

    #[test]
    fn go_mod_files_lie_in_their_directories() {
        let place = |module: &str| Place::of(&module.parse().unwrap(), "h.example/r", "").unwrap();
        let top = place("h.example/r");
        assert_eq!((top.go_mod(), top.major_go_mod()), ("go.mod".into(), None));
        assert_eq!(top.go_mod_levels(), 2);
        let below = place("h.example/r/a/v2");
        assert_eq!(below.go_mod(), "a/go.mod");
        assert_eq!(below.major_go_mod().as_deref(), Some("a/v2/go.mod"));
        assert_eq!(below.go_mod_levels(), 4);
    }

    #[test]
    fn a_repository_contains_only_what_its_root_path_begins() {
        for (module, root) in [
            ("h.example/r", "h.example/s"),
            ("h.example/rs", "h.example/r"),
            ("h.example/r", "h.example/r/a"),
            // The suffix alone may not lie between root and module.
            ("h.example/r/v2", "h.example/r/"),
            ("gopkg.in/x.v2", "gopkg.in/x.v"),
            // General syntax found in the middle of the path.
            ("h.example/a~b/c.example/d.git", "c.example/d.git"),
        ] {
            let error = Place::of(&module.parse().unwrap(), root, "").unwrap_err();
            let expected = format!("repository rooted at {root} cannot contain module {module}");
            assert_eq!(error.to_string(), expected);
        }
    }
}
