//! What is not needed is not fetched (go-modules §3.10).

use stoa_shared::testing::git_server::{Counts, Options};
use stoa_shared::testing::repository::{Repository, RepositoryBuilder};

use super::{Site, get_ok, json, module};
use crate::metrics::value;
use crate::stoa_process::StoaProcess;

/// Far more than any tree's top in these repositories, far less than their contents.
const A_LITTLE: f64 = 20_000.0;
const CONTENTS: usize = 400_000;

/// Tags of two majors without go.mod, one major with, and a branch beyond: lists look
/// into tags, and the branch's name depends on what the highest release retracts.
fn publish(site: &Site) -> Repository {
    let mut repository = RepositoryBuilder::new();
    repository.file("assets/large.bin", noise());
    let first = repository.file("a.go", "package a\n").commit("main");
    repository.tag("v2.0.0", first);
    let go_mod = format!("module {}/v3\n", module("frugal"));
    let third = repository.file("go.mod", &go_mod).commit("main");
    repository.tag("v3.0.0", third);
    let fourth = repository.remove("go.mod").commit("main");
    repository.tag("v1.0.0", fourth);
    let fifth = repository.file("b.go", "package a\n").commit("main");
    repository.tag("v1.1.0", fifth).branch("dev", fifth);
    let go_mod = format!("module {}\n\nretract v1.1.0\n", module("frugal"));
    let speaker = repository.file("go.mod", &go_mod).commit("main");
    repository.tag("v1.2.0", speaker);
    repository.file("go.mod", format!("module {}\n", module("frugal")));
    repository.remove("assets/large.bin").commit("dev");
    site.build("frugal", &repository)
}

/// Bytes that no compression makes few.
fn noise() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..CONTENTS / 8).flat_map(next).collect()
}

fn received(stoa: &StoaProcess) -> f64 {
    value(&stoa.metrics(), "stoa_vcs_received_bytes_total")
}

#[test]
fn a_list_that_depends_on_files_fetches_no_contents() {
    let site = Site::new("minimal-list");
    publish(&site);
    site.git.behave(Options { allow_filter: true, ..Options::default() });
    let stoa = site.settings().start();
    let list = get_ok(&stoa, &module("frugal"), "@v/list").text();
    assert_eq!(list, "v1.0.0\nv1.1.0\nv1.2.0\n");
    assert!(received(&stoa) < A_LITTLE, "{} bytes", received(&stoa));
    let counts = site.git.counts();
    assert_eq!(counts, Counts { info_refs: 1, ls_refs: 1, fetch: 1, ..Counts::default() });
}

#[test]
fn a_branch_fetches_only_go_mod_of_the_version_that_retracts() {
    let site = Site::new("minimal-retraction");
    let repository = publish(&site);
    site.git.behave(Options { allow_filter: true, ..Options::default() });
    let stoa = site.settings().start();
    let info = json(&get_ok(&stoa, &module("frugal"), "@v/dev.info"));
    // The tag on its parent is retracted, so it is the base no more.
    let tip = repository.git(["rev-parse", "dev"], b"").unwrap();
    let version = info["Version"].as_str().unwrap();
    assert!(version.starts_with("v1.0.1-0."), "{version}");
    assert!(tip.starts_with(&version[version.len() - 12..]), "{tip} {version}");
    assert!(received(&stoa) < A_LITTLE, "{} bytes", received(&stoa));
}

#[test]
fn a_server_that_refuses_to_filter_trees_is_asked_for_them_whole() {
    let site = Site::new("minimal-refused");
    let repository = publish(&site);
    repository.git(["config", "uploadpackfilter.tree.allow", "false"], b"").unwrap();
    site.git.behave(Options { allow_filter: true, ..Options::default() });
    let stoa = site.settings().start();
    let list = get_ok(&stoa, &module("frugal"), "@v/list").text();
    assert_eq!(list, "v1.0.0\nv1.1.0\nv1.2.0\n");
    assert!(received(&stoa) > CONTENTS as f64, "{} bytes", received(&stoa));
}
