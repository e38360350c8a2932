//! A version never changes, whatever becomes of its tag.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::{Site, get_ok, json, module};

const FILES: [&str; 3] = ["@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip"];

#[test]
fn a_tag_that_moves_does_not_move_what_was_served() {
    let site = Site::new("immutability");
    let moved = module("moved");
    let mut builder = RepositoryBuilder::new();
    let first = builder.file("go.mod", format!("module {moved}\n")).commit("main");
    builder.tag("v1.0.0", first);
    let go_mod = format!("module {moved}\n\ngo 1.21\n");
    let second = builder.file("go.mod", go_mod).file("new.go", "package moved\n").commit("main");
    let repository = site.build("moved", &builder);
    let settings =
        site.settings().set("STOA_FRESHNESS_LIST", "1ms").set("STOA_FRESHNESS_REFS", "1ms");
    let stoa = settings.start();
    let before = FILES.map(|file| get_ok(&stoa, &moved, file).body);
    let hash =
        |question: &str, stoa| json(&get_ok(stoa, &moved, question))["Origin"]["Hash"].clone();
    assert_eq!(hash(FILES[0], &stoa), repository.id(first));

    repository.git(["tag", "--force", "v1.0.0", repository.id(second)], b"").unwrap();
    // The branch's commit carries the moved tag now; what is stored is the answer.
    assert_eq!(json(&get_ok(&stoa, &moved, "@latest"))["Version"], "v1.0.0");
    assert_eq!(hash("@latest", &stoa), repository.id(first));
    assert_eq!(hash("@v/main.info", &stoa), repository.id(first));
    assert_eq!(FILES.map(|file| get_ok(&stoa, &moved, file).body), before);
    // Nor after memory is lost.
    assert!(stoa.stop().success());
    let stoa = settings.start();
    assert_eq!(FILES.map(|file| get_ok(&stoa, &moved, file).body), before);
}
