//! Hashes, branches and pseudo-versions: scenarios 37 to 43, 71, 72 and 75.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 37, name: "hex-branch", story: hex_branch },
    Scenario { number: 38, name: "short-hash", story: short_hash },
    Scenario { number: 39, name: "hidden-pr", story: hidden_pull_request },
    Scenario { number: 40, name: "mid-history", story: mid_history },
    Scenario { number: 41, name: "merge-base-highest", story: merge_base_highest },
    Scenario { number: 42, name: "pseudo-lower-base", story: pseudo_lower_base },
    Scenario { number: 43, name: "pseudo-refused", story: pseudo_refused },
    Scenario { number: 71, name: "sha256", story: sha256 },
    Scenario { number: 72, name: "head-dangling", story: head_dangling },
    Scenario { number: 75, name: "dates", story: dates },
];

fn hex_branch(world: &World) -> Vec<Question> {
    let module = path("hex-branch");
    let mut repository = RepositoryBuilder::new();
    let shadowed = repository.file("go.mod", module_line(&module)).commit("main");
    let other = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("hex-branch-before", &repository);
    let name = built.id(shadowed)[..12].to_owned();
    repository.branch(&name, other);
    let built = world.build("hex-branch", &repository);
    vec![
        query(&module, &name).gives(&built.pseudo_version("v0.0.0-", other)),
        query(&module, &built.pseudo_version("v0.0.0-", shadowed)).refused(),
        // The revision exists, but no version can name it: where that is noticed is open.
        query(&module, built.id(shadowed)).refused().direct_only(),
    ]
}

fn short_hash(world: &World) -> Vec<Question> {
    let module = path("short-hash");
    let mut repository = RepositoryBuilder::new();
    let head = repository.file("go.mod", module_line(&module)).commit("main");
    let built = world.build("short-hash", &repository);
    let id = built.id(head);
    let version = built.pseudo_version("v0.0.0-", head);
    vec![
        query(&module, &id[..7]).gives(&version),
        query(&module, &id[..12]).gives(&version),
        query(&module, id).gives(&version),
        query(&module, &id[..6]).refused(),
        query(&module, &id.to_uppercase()).refused(),
        query(&module, &id[..12].to_uppercase()).refused(),
        query(&module, &format!("{id}0")).refused(),
        query(&module, "0123456789ab").refused(),
    ]
}

fn hidden_pull_request(world: &World) -> Vec<Question> {
    let module = path("hidden-pr");
    let mut repository = RepositoryBuilder::new();
    let head = repository.file("go.mod", module_line(&module)).commit("main");
    repository.reference("refs/pull/1/head", head);
    let hidden = repository.file("b.go", "package a\n").commit_reference("refs/pull/1/head");
    let built = world.build("hidden-pr", &repository);
    vec![
        query(&module, built.id(hidden)).refused(),
        query(&module, &built.id(hidden)[..12]).refused(),
        query(&module, &built.pseudo_version("v0.0.0-", hidden)).refused(),
        query(&module, "main").gives(&built.pseudo_version("v0.0.0-", head)),
    ]
}

fn mid_history(world: &World) -> Vec<Question> {
    let module = path("mid-history");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", module_line(&module)).commit("main");
    let middle = repository.file("b.go", "package a\n").commit("main");
    let last = repository.file("c.go", "package a\n").commit("main");
    repository.tag("v1.0.0", first).tag("v1.9.0", last);
    let built = world.build("mid-history", &repository);
    let version = built.pseudo_version("v1.0.1-0.", middle);
    vec![
        query(&module, built.id(middle)).gives(&version).files(&["b.go", "go.mod"]),
        query(&module, &built.id(middle)[..12]).gives(&version),
        query(&module, &built.id(middle)[..7]).gives(&version),
        query(&module, &version).gives(&version),
    ]
}

fn merge_base_highest(world: &World) -> Vec<Question> {
    let module = path("merge-base-highest");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", module_line(&module)).commit("main");
    repository.branch("release", first);
    let before = repository.file("b.go", "package a\n").commit("main");
    let release = repository.file("r.go", "package a\n").commit("release");
    let after = repository.file("r.go", "package a\n").merge("main", release);
    repository.tag("v1.0.0", first).tag("v1.3.0", release);
    let built = world.build("merge-base-highest", &repository);
    vec![
        query(&module, built.id(before)).gives(&built.pseudo_version("v1.0.1-0.", before)),
        query(&module, "main").gives(&built.pseudo_version("v1.3.1-0.", after)),
    ]
}

fn pseudo_lower_base(world: &World) -> Vec<Question> {
    let module = path("pseudo-lower-base");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", module_line(&module)).commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    let head = repository.file("c.go", "package a\n").commit("main");
    repository.tag("v1.0.0", first).tag("v1.1.0", second);
    let built = world.build("pseudo-lower-base", &repository);
    ["v0.0.0-", "v1.0.1-0.", "v1.1.1-0."]
        .map(|base| built.pseudo_version(base, head))
        .iter()
        .map(|version| query(&module, version).gives(version))
        .collect()
}

fn pseudo_refused(world: &World) -> Vec<Question> {
    let module = path("pseudo-refused");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", module_line(&module)).commit("main");
    let tagged = repository.file("b.go", "package a\n").commit("main");
    repository.branch("side", first);
    let side = repository.file("s.go", "package a\n").commit("side");
    let head = repository.file("c.go", "package a\n").commit("main");
    repository.tag("v1.0.0", first).tag("v1.1.0", tagged).tag("v1.4.0", side);
    let built = world.build("pseudo-refused", &repository);
    let id = built.id(head);
    let refused = [
        // The wrong second, no such day, too short a hash, too long a one, a branch.
        format!("v1.1.1-0.20170714044001-{}", &id[..12]),
        format!("v1.1.1-0.20171314044000-{}", &id[..12]),
        format!("v1.1.1-0.20170714044000-{}", &id[..11]),
        format!("v1.1.1-0.20170714044000-{}", &id[..13]),
        "v1.1.1-0.20170714044000-main".to_owned(),
        // A base that is no tag, one that is no ancestor, one on the commit itself, none at all.
        built.pseudo_version("v1.2.1-0.", head),
        built.pseudo_version("v1.4.1-0.", head),
        built.pseudo_version("v1.1.1-0.", tagged),
        built.pseudo_version("v1.0.0-", head),
        built.pseudo_version("v1.0.0-0.", head),
        built.pseudo_version("v2.0.0-", head),
    ];
    let mut questions: Vec<Question> =
        refused.iter().map(|version| query(&module, version).refused()).collect();
    let valid = built.pseudo_version("v1.1.1-0.", head);
    questions.push(query(&module, &valid).gives(&valid));
    questions.push(query(&module, &format!("{valid}+build")).gives(&valid));
    questions
}

fn sha256(world: &World) -> Vec<Question> {
    let module = path("sha256");
    let mut repository = RepositoryBuilder::sha256();
    let tagged =
        repository.file("go.mod", module_line(&module)).file("a.go", "package a\n").commit("main");
    repository.tag("v1.0.0", tagged);
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("sha256", &repository);
    let version = built.pseudo_version("v1.0.1-0.", head);
    vec![
        query(&module, "v1.0.0").gives("v1.0.0").files(&["a.go", "go.mod"]),
        query(&module, "main").gives(&version),
        query(&module, built.id(head)).gives(&version),
        query(&module, &built.id(head)[..40]).gives(&version),
        query(&module, &version).gives(&version),
    ]
}

fn head_dangling(world: &World) -> Vec<Question> {
    let module = path("head-dangling");
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("go.mod", module_line(&module)).commit("main");
    repository.tag("v1.0.0", commit).head("refs/heads/gone");
    world.build("head-dangling", &repository);
    let untagged = path("head-dangling-untagged");
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", module_line(&untagged)).commit("main");
    repository.head("refs/heads/gone");
    world.build("head-dangling-untagged", &repository);
    vec![
        query(&module, "HEAD").refused(),
        latest(&module).gives("v1.0.0"),
        query(&module, "main").gives("v1.0.0"),
        list(&untagged).lists(&[]),
        latest(&untagged).refused(),
    ]
}

fn dates(world: &World) -> Vec<Question> {
    let module = path("dates");
    let mut repository = RepositoryBuilder::new();
    let early = repository.file("go.mod", module_line(&module)).at(1, "+0530").commit("main");
    let late = repository.file("b.go", "package a\n").at(4_102_444_800, "-0800").commit("main");
    let built = world.build("dates", &repository);
    vec![
        query(&module, built.id(early))
            .gives(&format!("v0.0.0-19700101000001-{}", &built.id(early)[..12]))
            .time("1970-01-01T00:00:01Z"),
        query(&module, "main")
            .gives(&format!("v0.0.0-21000101000000-{}", &built.id(late)[..12]))
            .time("2100-01-01T00:00:00Z"),
    ]
}
