//! Tags and the versions they make: scenarios 1 to 8, 30 to 36, 44, 73 and 74.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 1, name: "plain-tag", story: plain_tag },
    Scenario { number: 2, name: "annotated", story: annotated },
    Scenario { number: 3, name: "latest-prefers-release", story: latest_prefers_release },
    Scenario { number: 4, name: "branch-pseudo-pre", story: branch_pseudo_pre },
    Scenario { number: 5, name: "branch-at-tag", story: branch_at_tag },
    Scenario { number: 6, name: "no-tags", story: no_tags },
    Scenario { number: 7, name: "empty-repo", story: empty_repository },
    Scenario { number: 8, name: "missing-repo", story: missing_repository },
    Scenario { number: 30, name: "odd-tags", story: odd_tags },
    Scenario { number: 31, name: "meta-tag", story: meta_tag },
    Scenario { number: 32, name: "pseudo-named-tag-root", story: pseudo_named_tag_root },
    Scenario { number: 33, name: "pseudo-named-tag-sub", story: pseudo_named_tag_sub },
    Scenario { number: 34, name: "uppercase-version", story: uppercase_version },
    Scenario { number: 35, name: "twin", story: twin },
    Scenario { number: 36, name: "semver-branch", story: semver_branch },
    Scenario { number: 44, name: "multi-tags", story: multi_tags },
    Scenario { number: 73, name: "tag-of-blob", story: tag_of_blob },
    Scenario { number: 74, name: "tag-named-HEAD", story: tag_named_head },
];

/// A repository with a go.mod of its own path and a source file, not yet committed.
fn module(name: &str) -> (String, RepositoryBuilder) {
    let module = path(name);
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", module_line(&module)).file("a.go", "package a\n");
    (module, repository)
}

fn plain_tag(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("plain-tag");
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit);
    world.build("plain-tag", &repository);
    vec![
        query(&module, "v1.0.0")
            .gives("v1.0.0")
            .time("2017-07-14T02:40:00Z")
            .origin("Ref", "refs/tags/v1.0.0")
            .module_file(module_line(&module))
            .files(&["a.go", "go.mod"]),
        list(&module).lists(&["v1.0.0"]),
        latest(&module).gives("v1.0.0").time("2017-07-14T02:40:00Z"),
        query(&module, "v1.0.1").refused(),
        query(&module, "no-such-branch").refused(),
    ]
}

fn annotated(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("annotated");
    let first = repository.commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    repository.annotated_tag("v1.1.0", first);
    let inner = repository.annotated_tag("inner", second);
    repository.annotated_tag("v1.2.0", inner);
    world.build("annotated", &repository);
    vec![
        query(&module, "v1.1.0").gives("v1.1.0").time("2017-07-14T02:40:00Z"),
        query(&module, "v1.2.0").gives("v1.2.0").time("2017-07-14T03:40:00Z"),
        query(&module, "inner").gives("v1.2.0"),
        list(&module).lists(&["v1.1.0", "v1.2.0"]),
    ]
}

fn latest_prefers_release(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("latest-prefers-release");
    let release = repository.commit("main");
    let candidate = repository.file("b.go", "package a\n").commit("main");
    repository.tag("v1.1.0", release).tag("v1.2.0-rc.1", candidate);
    world.build("latest-prefers-release", &repository);
    vec![latest(&module).gives("v1.1.0"), list(&module).lists(&["v1.1.0", "v1.2.0-rc.1"])]
}

fn branch_pseudo_pre(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("branch-pseudo-pre");
    let candidate = repository.commit("main");
    repository.tag("v1.2.0-rc.1", candidate);
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("branch-pseudo-pre", &repository);
    let version = built.pseudo_version("v1.2.0-rc.1.0.", head);
    vec![
        query(&module, "main").gives(&version).time("2017-07-14T03:40:00Z"),
        query(&module, &version).gives(&version),
        latest(&module).gives("v1.2.0-rc.1"),
    ]
}

fn branch_at_tag(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("branch-at-tag");
    let release = repository.commit("main");
    repository.tag("v1.1.0", release).branch("dev", release);
    repository.file("b.go", "package a\n").commit("main");
    world.build("branch-at-tag", &repository);
    vec![query(&module, "dev").gives("v1.1.0")]
}

fn no_tags(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("no-tags");
    repository.commit("main");
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("no-tags", &repository);
    let version = built.pseudo_version("v0.0.0-", head);
    vec![
        latest(&module).gives(&version),
        list(&module).lists(&[]),
        query(&module, "main").gives(&version),
        query(&module, "HEAD").gives(&version),
        query(&module, &version).gives(&version),
    ]
}

fn empty_repository(world: &World) -> Vec<Question> {
    world.build("empty-repo", &RepositoryBuilder::new());
    let module = path("empty-repo");
    vec![
        list(&module).lists(&[]),
        latest(&module).refused(),
        query(&module, "v1.0.0").refused(),
        query(&module, "main").refused(),
    ]
}

fn missing_repository(_: &World) -> Vec<Question> {
    let module = path("missing-repo");
    vec![
        list(&module).refused(),
        latest(&module).refused(),
        query(&module, "v1.0.0").refused(),
        query(&module, "main").refused(),
    ]
}

fn odd_tags(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("odd-tags");
    let commit = repository.commit("main");
    let odd = [
        "v1",
        "v1.2",
        "1.2.3",
        "V1.5.0",
        "v01.2.3",
        "v1.0.0-01",
        "v0.9.0+meta",
        "v2.0.0+incompatible",
    ];
    for tag in odd {
        repository.tag(tag, commit);
    }
    let built = world.build("odd-tags", &repository);
    let plain = built.pseudo_version("v0.9.1-0.", commit);
    vec![
        list(&module).lists(&[]),
        query(&module, "1.2.3").gives(&plain),
        query(&module, "V1.5.0").gives(&plain),
        query(&module, "v01.2.3").gives(&plain),
        query(&module, "v1.0.0-01").gives(&plain),
        query(&module, "v0.9.0+meta").gives(&plain),
        query(&module, "v2.0.0+incompatible").refused(),
        // The go command takes these two for prefixes and never asks for them as revisions.
        query(&module, "v1").refused().direct_only(),
        query(&module, "v1.2").refused().direct_only(),
        latest(&module).gives(&plain),
    ]
}

fn meta_tag(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("meta-tag");
    let commit = repository.commit("main");
    repository.tag("v0.9.0+meta", commit);
    let built = world.build("meta-tag", &repository);
    vec![
        query(&module, "v0.9.0+meta").gives(&built.pseudo_version("v0.9.1-0.", commit)),
        query(&module, "v0.9.0").refused(),
    ]
}

fn pseudo_named_tag_root(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("pseudo-named-tag-root");
    let tagged = repository.commit("main");
    repository.tag("v0.0.0-20170101000000-abcdefabcdef", tagged);
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("pseudo-named-tag-root", &repository);
    vec![
        list(&module).lists(&[]),
        query(&module, "main").gives(&built.pseudo_version("v0.0.0-", head)),
    ]
}

fn pseudo_named_tag_sub(world: &World) -> Vec<Question> {
    let module = format!("{}/sub", path("pseudo-named-tag-sub"));
    let mut repository = RepositoryBuilder::new();
    repository.file("sub/go.mod", module_line(&module)).file("sub/a.go", "package a\n");
    let tagged = repository.commit("main");
    repository.tag("sub/v0.0.0-20170101000000-abcdefabcdef", tagged);
    let head = repository.file("sub/b.go", "package a\n").commit("main");
    let built = world.build("pseudo-named-tag-sub", &repository);
    let version = built.pseudo_version("v0.0.0-20170101000000-abcdefabcdef.0.", head);
    vec![list(&module).lists(&[]), query(&module, "main").gives(&version)]
}

fn uppercase_version(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("Uppercase-Version");
    let commit = repository.commit("main");
    repository.tag("v0.2.0-Beta", commit);
    world.build("Uppercase-Version", &repository);
    vec![
        query(&module, "v0.2.0-Beta").gives("v0.2.0-Beta"),
        query(&module, "v0.2.0-beta").refused(),
        list(&module).lists(&["v0.2.0-Beta"]),
        latest(&module).gives("v0.2.0-Beta"),
    ]
}

fn twin(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("twin");
    let tagged = repository.commit("main");
    let head = repository.file("b.go", "package a\n").commit("main");
    repository.tag("foo", tagged).branch("foo", head);
    let built = world.build("twin", &repository);
    vec![
        query(&module, "foo").gives(&built.pseudo_version("v0.0.0-", tagged)),
        query(&module, "main").gives(&built.pseudo_version("v0.0.0-", head)),
    ]
}

fn semver_branch(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("semver-branch");
    let first = repository.commit("main");
    repository.tag("v1.0.0", first);
    let head = repository.file("b.go", "package a\n").commit("main");
    repository.branch("v1.5.0", head);
    let built = world.build("semver-branch", &repository);
    vec![
        query(&module, "v1.5.0").refused(),
        query(&module, "main").gives(&built.pseudo_version("v1.0.1-0.", head)),
        list(&module).lists(&["v1.0.0"]),
    ]
}

fn multi_tags(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("multi-tags");
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit).tag("v1.1.0", commit).tag("v1.2.0-pre", commit);
    let built = world.build("multi-tags", &repository);
    vec![
        query(&module, built.id(commit)).gives("v1.2.0-pre"),
        query(&module, "v1.0.0").gives("v1.0.0"),
        query(&module, "v1.1.0").gives("v1.1.0"),
        query(&module, "main").gives("v1.2.0-pre"),
        latest(&module).gives("v1.1.0"),
    ]
}

fn tag_of_blob(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("tag-of-blob");
    let commit = repository.commit("main");
    let blob = repository.blob("no commit\n");
    repository.tag("v0.8.0", commit).loose_reference("refs/tags/v0.9.0", blob);
    world.build("tag-of-blob", &repository);
    let legacy = path("tag-of-blob-legacy");
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("a.go", "package a\n").commit("main");
    let blob = repository.blob("no commit\n");
    repository.tag("v1.0.0", commit).tag("v3.0.0", commit);
    repository.loose_reference("refs/tags/v2.0.0", blob);
    world.build("tag-of-blob-legacy", &repository);
    vec![
        // Deliberate, §3.4: one bad major does not take the whole list with it.
        list(&legacy).refused().stoa_lists(&["v1.0.0", "v3.0.0+incompatible"]),
        query(&legacy, "v3.0.0").gives("v3.0.0+incompatible"),
        list(&module).lists(&["v0.8.0", "v0.9.0"]),
        query(&module, "v0.8.0").gives("v0.8.0"),
        query(&module, "v0.9.0").refused(),
    ]
}

fn tag_named_head(world: &World) -> Vec<Question> {
    let (module, mut repository) = module("tag-named-HEAD");
    let tagged = repository.commit("main");
    let head = repository.file("b.go", "package a\n").commit("main");
    repository.tag("HEAD", tagged).tag("main", tagged);
    let built = world.build("tag-named-HEAD", &repository);
    let of_tag = built.pseudo_version("v0.0.0-", tagged);
    vec![
        query(&module, "HEAD").gives(&of_tag),
        query(&module, "main").gives(&of_tag),
        latest(&module).gives(&built.pseudo_version("v0.0.0-", head)),
    ]
}
