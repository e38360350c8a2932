//! Retracted versions as bases and as latest: scenarios 45 to 47.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 45, name: "retract-head", story: head },
    Scenario { number: 46, name: "retract-all", story: all },
    Scenario { number: 47, name: "retract-broken", story: broken },
];

fn head(world: &World) -> Vec<Question> {
    let module = path("retract-head");
    let line = module_line(&module);
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", &line).commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    let third = repository
        .file("go.mod", format!("{line}\nretract [v1.1.0, v1.2.0] // both broken\n"))
        .commit("main");
    repository.tag("v1.0.0", first).tag("v1.1.0", second).tag("v1.2.0", third);
    let built = world.build("retract-head", &repository);
    vec![
        query(&module, "main").gives(&built.pseudo_version("v1.0.1-0.", third)),
        latest(&module).gives("v1.0.0"),
        list(&module).lists(&["v1.0.0", "v1.1.0", "v1.2.0"]),
        query(&module, "v1.2.0").gives("v1.2.0"),
        query(&module, "v1.1.0").gives("v1.1.0"),
    ]
}

fn all(world: &World) -> Vec<Question> {
    let module = path("retract-all");
    let line = module_line(&module);
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", &line).commit("main");
    let second = repository
        .file("go.mod", format!("{line}retract (\n\tv1.0.0\n\tv1.1.0 // why\n)\n"))
        .commit("main");
    repository.tag("v1.0.0", first).tag("v1.1.0", second);
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("retract-all", &repository);
    let version = built.pseudo_version("v0.0.0-", head);
    vec![
        latest(&module).gives(&version),
        query(&module, "main").gives(&version),
        list(&module).lists(&["v1.0.0", "v1.1.0"]),
    ]
}

fn broken(world: &World) -> Vec<Question> {
    let module = path("retract-broken");
    let line = module_line(&module);
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", &line).commit("main");
    let second =
        repository.file("go.mod", format!("{line}retract v1.1.0\nrequire (\n")).commit("main");
    let head = repository.file("go.mod", &line).commit("main");
    repository.tag("v1.0.0", first).tag("v1.1.0", second);
    let built = world.build("retract-broken", &repository);
    vec![query(&module, "main").gives(&built.pseudo_version("v1.1.1-0.", head))]
}
