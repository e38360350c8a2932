//! Paths that name their version control system, as in `h.example/foo.git/bar`
//! (go-modules §2.2): no network use.

use std::sync::LazyLock;

use regex::Regex;

use super::{LocateError, static_table::KnownRepository};

/// The repository that the path itself names, `None` if it names none. The suffix
/// stays in the root and is cut from the address. Only `https` is ever tried.
pub fn locate(module: &str) -> Result<Option<KnownRepository>, LocateError> {
    let Some(found) = SYNTAX.captures(module) else { return Ok(None) };
    let vcs = &found["vcs"];
    if vcs != "git" {
        let (module, vcs) = (module.to_owned(), vcs.to_owned());
        return Err(LocateError::UnsupportedVcs { module, vcs });
    }
    let url = format!("https://{}", &found["repo"]);
    Ok(Some(KnownRepository { root: found["root"].to_owned(), url }))
}

/// Unanchored at the start, and lazy about the number of elements in `repo`: both
/// decide which of several suffixes wins. A port cannot occur in a module path.
static SYNTAX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?<root>(?<repo>(?:[a-z0-9.-]+\.)+[a-z0-9.-]+(?:/~?[A-Za-z0-9_.-]+)+?)",
        r"\.(?<vcs>fossil|git|hg|svn))(?:/~?[A-Za-z0-9_.-]+)*$",
    ))
    .expect("the pattern is constant and tested")
});

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_ends_the_root_and_is_cut_from_the_address() {
        let table = [
            ("h.example/foo.git", "h.example/foo.git", "https://h.example/foo"),
            ("h.example/foo.git/bar", "h.example/foo.git", "https://h.example/foo"),
            ("h.example/a/b.git/c/v2", "h.example/a/b.git", "https://h.example/a/b"),
            ("h.example/~u/b.git/~c", "h.example/~u/b.git", "https://h.example/~u/b"),
            // An element takes as many characters as it can.
            ("h.example/a.git.git", "h.example/a.git.git", "https://h.example/a.git"),
            // With two suffixed elements the longer root wins.
            ("h.example/a.git/b.git/c", "h.example/a.git/b.git", "https://h.example/a.git/b"),
            ("h.example/a.hg/b.git", "h.example/a.hg/b.git", "https://h.example/a.hg/b"),
            // The grammar may also begin in the middle of the path.
            ("h.example/a~b/c.example/d.git", "c.example/d.git", "https://c.example/d"),
        ];
        for (module, root, url) in table {
            let expected = KnownRepository { root: root.into(), url: url.into() };
            assert_eq!(locate(module), Ok(Some(expected)), "{module}");
        }
    }

    #[test]
    fn other_paths_are_left_to_the_next_rule() {
        for module in [
            "h.example/foo",
            "h.example/foo.gitx",
            "h.example/.git",
            "h.example.git",
            "example/foo.git",
            "h.example/foo.bzr",
            "h.example/foo.GIT",
            "h.example/foo.git/b~r",
        ] {
            assert_eq!(locate(module), Ok(None), "{module}");
        }
    }

    #[test]
    fn other_systems_are_not_supported() {
        for module in ["h.example/a.hg", "h.example/a.svn/b", "h.example/a.fossil"] {
            let error = locate(module).unwrap_err();
            assert!(matches!(error, LocateError::UnsupportedVcs { .. }), "{module}: {error}");
        }
    }
}
