//! What is not there: a definite 404, remembered for seconds, and no obstacle for what
//! is stored.

use std::time::Duration;

use stoa_shared::testing::repository::RepositoryBuilder;

use super::{Site, check_error, get_ok, module, until};
use crate::module_zip;

/// The default of `STOA_FRESHNESS_NEGATIVE`, which outlasts that of a listing.
const REMEMBERED: Duration = Duration::from_secs(10);

#[test]
fn absence_is_told_and_remembered() {
    let site = Site::new("absence");
    site.publish("there", &["v1.0.0"]);
    let stoa = site.settings().set("STOA_FRESHNESS_NEGATIVE", "1h").start();
    let missing = module("missing");
    let cases = [
        (missing.clone(), "@v/v1.0.0.info", "v1.0.0"),
        (missing.clone(), "@v/v1.0.0.zip", "v1.0.0"),
        (missing.clone(), "@v/main.info", "main"),
        (missing.clone(), "@v/list", "missing"),
        (missing, "@latest", "@latest"),
        (module("there"), "@v/v1.1.0.info", "v1.1.0"),
        (module("there"), "@v/v1.1.0.mod", "v1.1.0"),
        (module("there"), "@v/no-such-branch.info", "no-such-branch"),
    ];
    let ask_all = || {
        for (module, file, named) in &cases {
            let reply = stoa.get(&format!("/{module}/{file}"));
            check_error(&reply, 404, "not found: ");
            assert!(reply.text().contains(named), "{named}: {}", reply.text());
            assert_eq!(reply.header("cache-control"), "public, max-age=10");
            assert_eq!(reply.header("retry-after"), "");
        }
    };
    ask_all();
    site.git.reset_counts();
    ask_all();
    assert_eq!(site.git.asked(), 0);
}

#[test]
fn a_tag_pushed_after_it_was_missed_is_there_ten_seconds_later() {
    let site = Site::new("absence-pushed");
    let repository = site.publish("pushed", &["v1.0.0"]);
    let pushed = module("pushed");
    let stoa = site.settings().start();
    get_ok(&stoa, &pushed, "@v/v1.0.0.info");
    let path = format!("/{pushed}/@v/v1.1.0.info");
    check_error(&stoa.get(&path), 404, "not found: ");
    repository.git(["tag", "v1.1.0", "main"], b"").unwrap();
    std::thread::sleep(REMEMBERED);
    get_ok(&stoa, &pushed, "@v/v1.1.0.info");
}

#[test]
fn a_repository_that_vanished_goes_on_in_what_is_stored() {
    let site = Site::new("absence-vanished");
    site.publish("vanished", &["v1.0.0", "v1.1.0", "v1.2.0"]);
    let vanished = module("vanished");
    let settings =
        site.settings().set("STOA_FRESHNESS_LIST", "1s").set("STOA_FRESHNESS_REFS", "1s");
    let stoa = settings.start();
    assert_eq!(get_ok(&stoa, &vanished, "@v/list").text(), "v1.0.0\nv1.1.0\nv1.2.0\n");
    for version in ["v1.0.0", "v1.1.0"] {
        get_ok(&stoa, &vanished, &format!("@v/{version}.info"));
    }
    std::fs::rename(site.git.root().join("vanished"), site.directory.join("gone")).unwrap();

    until("the list is what is stored", || {
        get_ok(&stoa, &vanished, "@v/list").text() == "v1.0.0\nv1.1.0\n"
    });
    // Nothing of it in memory.
    assert!(stoa.stop().success());
    let stoa = settings.start();
    for version in ["v1.0.0", "v1.1.0"] {
        get_ok(&stoa, &vanished, &format!("@v/{version}.info"));
        get_ok(&stoa, &vanished, &format!("@v/{version}.mod"));
        let zip = get_ok(&stoa, &vanished, &format!("@v/{version}.zip"));
        module_zip::read(&zip.body, &format!("{vanished}@{version}/")).unwrap();
    }
    check_error(&stoa.get(&format!("/{vanished}/@v/v1.2.0.info")), 404, "not found: ");
}

#[test]
fn a_version_with_a_name_that_no_disk_can_hold_is_absent() {
    let site = Site::new("long-name");
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", format!("module {}\n", module("long")));
    let commit = repository.commit("main");
    repository.tag(&format!("v1.0.0-{}", "a".repeat(235)), commit);
    // Its pseudo-version is longer than the tag before it.
    repository.file("later.txt", "").commit("main");
    site.build("long", &repository);
    let stoa = site.settings().start();
    let reply = stoa.get(&format!("/{}/@v/main.info", module("long")));
    check_error(&reply, 404, "not found: ");
}
