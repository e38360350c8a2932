//! What Stoa costs its origin, in requests (design §8).

use stoa_shared::testing::git_server::Counts;
use stoa_shared::testing::repository::RepositoryBuilder;

use super::{Site, get_ok, module};

const FILES: [&str; 3] = ["info", "mod", "zip"];

#[test]
fn the_first_version_costs_three_requests_the_next_one_and_a_list_none() {
    let site = Site::new("requests");
    site.publish("counted", &["v1.0.0", "v1.1.0"]);
    let counted = module("counted");
    // The listing of the first fill is still true for all that follows.
    let stoa = site.settings().set("STOA_FRESHNESS_REFS", "1h").start();

    for file in FILES {
        get_ok(&stoa, &counted, &format!("@v/v1.0.0.{file}"));
    }
    let counts = site.git.counts();
    assert_eq!(counts, Counts { info_refs: 1, ls_refs: 1, fetch: 1, ..Counts::default() });

    site.git.reset_counts();
    for file in FILES {
        get_ok(&stoa, &counted, &format!("@v/v1.1.0.{file}"));
    }
    assert_eq!(site.git.counts(), Counts { fetch: 1, ..Counts::default() });

    site.git.reset_counts();
    for _ in 0..2 {
        assert_eq!(get_ok(&stoa, &counted, "@v/list").text(), "v1.0.0\nv1.1.0\n");
    }
    assert_eq!(site.git.asked(), 0);
}

#[test]
fn what_a_server_is_capable_of_is_remembered_across_restarts() {
    let site = Site::new("requests-capabilities");
    site.publish("known", &["v1.0.0", "v1.1.0"]);
    // No listing is fresh for more than a moment.
    let settings = site.settings().set("STOA_FRESHNESS_REFS", "1ms");
    let stoa = settings.start();
    get_ok(&stoa, &module("known"), "@v/v1.0.0.info");
    assert!(stoa.stop().success());

    site.git.reset_counts();
    let stoa = settings.start();
    get_ok(&stoa, &module("known"), "@v/v1.1.0.info");
    let counts = site.git.counts();
    assert_eq!((counts.info_refs, counts.fetch), (0, 1), "{counts:?}");
    assert!(counts.ls_refs >= 1, "{counts:?}");
}

#[test]
fn modules_tagged_on_one_commit_share_its_fetch() {
    let site = Site::new("requests-shared");
    let [root, below] = [module("many"), module("many/below")];
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", format!("module {root}\n")).file("a.go", "package many\n");
    repository.file("below/go.mod", format!("module {below}\n")).file("below/b.go", "package b\n");
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit).tag("below/v1.0.0", commit);
    site.build("many", &repository);
    let stoa = site.settings().set("STOA_FRESHNESS_REFS", "1h").start();

    get_ok(&stoa, &root, "@v/v1.0.0.zip");
    site.git.reset_counts();
    get_ok(&stoa, &below, "@v/v1.0.0.zip");
    assert_eq!(site.git.asked(), 0);
}
