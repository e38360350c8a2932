//! Module paths under `gopkg.in`, and forks of them: scenarios 50 to 53.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};
use crate::page_server::Page;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 50, name: "gopkg-v2", story: second_major },
    Scenario { number: 51, name: "gopkg-v1-pseudo", story: first_major_pseudo },
    Scenario { number: 52, name: "gopkg-unstable", story: unstable },
    Scenario { number: 53, name: "fork-of-gopkg", story: fork },
];

/// Serves the page of `gopkg.in/<name>`, which leads to the fixture repository `source`.
fn page(world: &World, name: &str, source: &str) -> String {
    let module = format!("gopkg.in/{name}");
    let content = format!("{module} git https://{}", path(source));
    world.pages.serve(&module, Page::import(&[&content]));
    module
}

fn second_major(world: &World) -> Vec<Question> {
    let module = page(world, "stoa.v2", "gopkg-v2");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("a.go", "package a\n").commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    let third = repository.file("go.mod", module_line(&module)).commit("main");
    let fourth = repository.file("c.go", "package a\n").commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second);
    repository.tag("v2.2.0", third).tag("v3.0.0", fourth);
    let built = world.build("gopkg-v2", &repository);
    vec![
        query(&module, "v2.0.0").gives("v2.0.0").module_file(module_line(&module)),
        query(&module, "v2.2.0").gives("v2.2.0"),
        query(&module, "v1.0.0").refused(),
        query(&module, "v3.0.0").refused(),
        list(&module).lists(&["v2.0.0", "v2.2.0"]),
        latest(&module).gives("v2.2.0"),
        query(&module, "main").gives(&built.pseudo_version("v2.2.1-0.", fourth)),
    ]
}

fn first_major_pseudo(world: &World) -> Vec<Question> {
    let module = page(world, "check.v1", "gopkg-v1");
    let mut repository = RepositoryBuilder::new();
    let head = repository.file("a.go", "package a\n").commit("main");
    let built = world.build("gopkg-v1", &repository);
    let version = built.pseudo_version("v1.0.0-", head);
    let historic = built.pseudo_version("v0.0.0-", head);
    vec![
        query(&module, built.id(head)).gives(&version),
        query(&module, &version).gives(&version),
        query(&module, &historic).gives(&historic),
        latest(&module).gives(&version),
    ]
}

fn unstable(world: &World) -> Vec<Question> {
    let module = page(world, "stoa.v2-unstable", "gopkg-unstable");
    let mut repository = RepositoryBuilder::new();
    let tagged = repository.file("a.go", "package a\n").commit("main");
    repository.tag("v2.0.0", tagged);
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("gopkg-unstable", &repository);
    vec![
        list(&module).lists(&[]),
        latest(&module).gives(&built.pseudo_version("v2.0.1-0.", head)),
        query(&module, "v2.0.0").gives("v2.0.0"),
    ]
}

fn fork(world: &World) -> Vec<Question> {
    let module = path("fork-of-gopkg");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("go.mod", "module gopkg.in/stoa.v2\n").commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second);
    world.build("fork-of-gopkg", &repository);
    vec![
        query(&module, "v1.0.0").gives("v1.0.0").module_file("module gopkg.in/stoa.v2\n"),
        query(&module, "v2.0.0").refused(),
        list(&module).lists(&["v1.0.0"]),
    ]
}
