//! Hosts whose paths have a known shape (go-modules §2.1): no network use.

use std::sync::LazyLock;

use regex::Regex;

use super::{LocateError, matching};

/// What a path alone says about its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRepository {
    /// The import path of the repository's root.
    pub root: String,
    /// The repository's address.
    pub url: String,
}

/// The repository of a module under one of the known hosts, `None` under others.
/// A path that does not have its host's shape is definitely absent.
pub fn locate(module: &str) -> Result<Option<KnownRepository>, LocateError> {
    let Some(host) = HOSTS.iter().find(|host| matching::fits(host.prefix, module)) else {
        return Ok(None);
    };
    let malformed =
        || LocateError::MalformedForHost { module: module.to_owned(), host: host.prefix };
    let root = &host.shape.captures(module).ok_or_else(malformed)?["root"];
    if host.refuses_vcs_suffix
        && let Some(suffix) = VCS_SUFFIXES.into_iter().find(|suffix| root.ends_with(suffix))
    {
        let module = module.to_owned();
        return Err(LocateError::VcsSuffix { module, host: host.prefix, suffix });
    }
    if host.vcs != "git" {
        let vcs = host.vcs.to_owned();
        return Err(LocateError::UnsupportedVcs { module: module.to_owned(), vcs });
    }
    Ok(Some(KnownRepository { root: root.to_owned(), url: format!("https://{root}") }))
}

const VCS_SUFFIXES: [&str; 4] = [".git", ".hg", ".svn", ".fossil"];

struct Host {
    /// Paths that have this prefix must have the shape.
    prefix: &'static str,
    /// Matches a whole module path; its group `root` is the repository's root.
    shape: Regex,
    vcs: &'static str,
    /// Whether repository names ending like a version control system are mistakes.
    refuses_vcs_suffix: bool,
}

static HOSTS: LazyLock<[Host; 6]> = LazyLock::new(|| {
    const SEG: &str = "[A-Za-z0-9_.-]+";
    let host = |prefix, root: String, rest: &str, vcs, refuses_vcs_suffix| {
        let shape = Regex::new(&format!("^(?<root>{root}){rest}$"))
            .expect("the patterns below are constant and tested");
        Host { prefix, shape, vcs, refuses_vcs_suffix }
    };
    let folders = format!("(?:/{SEG})*");
    [
        host("github.com", format!(r"github\.com/{SEG}/{SEG}"), &folders, "git", true),
        host("bitbucket.org", format!(r"bitbucket\.org/{SEG}/{SEG}"), &folders, "git", true),
        host(
            "hub.jazz.net/git",
            format!(r"hub\.jazz\.net/git/[a-z0-9]+/{SEG}"),
            &folders,
            "git",
            true,
        ),
        host(
            "git.apache.org",
            r"git\.apache\.org/[a-z0-9_.-]+\.git".into(),
            &folders,
            "git",
            false,
        ),
        host(
            "git.openstack.org",
            format!(r"git\.openstack\.org/{SEG}/{SEG}"),
            &format!(r"(?:\.git)?{folders}"),
            "git",
            false,
        ),
        host(
            "chiselapp.com",
            format!("chiselapp\\.com/user/[A-Za-z0-9]+/repository/{SEG}"),
            "",
            "fossil",
            false,
        ),
    ]
});

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn known_hosts_need_no_network() {
        let table = [
            ("github.com/a/b", "github.com/a/b"),
            ("github.com/Oracle/x/v2", "github.com/Oracle/x"),
            ("github.com/a/b/c/d.e/_f", "github.com/a/b"),
            ("github.com/a/b.gitx", "github.com/a/b.gitx"),
            ("bitbucket.org/a/b/c", "bitbucket.org/a/b"),
            ("hub.jazz.net/git/user1/repo.x/pkg", "hub.jazz.net/git/user1/repo.x"),
            ("git.apache.org/thrift.git", "git.apache.org/thrift.git"),
            ("git.apache.org/thrift.git/lib/go", "git.apache.org/thrift.git"),
            ("git.openstack.org/a/b/c", "git.openstack.org/a/b"),
            // The repository's name takes the suffix: nothing is left for the option.
            ("git.openstack.org/a/b.git/c", "git.openstack.org/a/b.git"),
        ];
        for (module, root) in table {
            let expected = KnownRepository { root: root.into(), url: format!("https://{root}") };
            assert_eq!(locate(module), Ok(Some(expected)), "{module}");
        }
    }

    #[test]
    fn other_hosts_are_left_to_the_next_rule() {
        for module in [
            "example.com/a",
            "github.com.example/a/b",
            "hub.jazz.net/a/b",
            "gopkg.in/yaml.v3",
            "golang.org/x/mod",
            "git.apache.orgs/a.git",
        ] {
            assert_eq!(locate(module), Ok(None), "{module}");
        }
    }

    #[test]
    fn malformed_paths_under_known_hosts_are_definitely_absent() {
        for module in [
            "github.com",
            "github.com/x",
            "github.com/a~/b",
            "github.com/a/b/c~d",
            "bitbucket.org/a",
            "hub.jazz.net/git",
            "hub.jazz.net/git/User/repo",
            "git.apache.org/thrift",
            "git.apache.org/Thrift.git",
            "git.openstack.org/a",
            "chiselapp.com/user/a/repository/b/c",
            "chiselapp.com/a",
        ] {
            let error = locate(module).unwrap_err();
            assert!(matches!(error, LocateError::MalformedForHost { .. }), "{module}: {error}");
        }
    }

    #[test]
    fn repository_names_with_a_version_control_suffix_are_refused() {
        for module in [
            "github.com/a/b.git",
            "github.com/a/b.git/c",
            "github.com/a/b.hg",
            "bitbucket.org/a/b.svn",
            "hub.jazz.net/git/a/b.fossil",
        ] {
            let error = locate(module).unwrap_err();
            assert!(matches!(error, LocateError::VcsSuffix { .. }), "{module}: {error}");
        }
    }

    #[test]
    fn fossil_is_not_supported() {
        let error = locate("chiselapp.com/user/a/repository/b").unwrap_err();
        assert!(matches!(error, LocateError::UnsupportedVcs { ref vcs, .. } if vcs == "fossil"));
    }
}
