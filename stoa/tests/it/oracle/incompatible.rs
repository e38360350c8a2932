//! Repositories without go.mod and their `+incompatible` versions: scenarios 9 to 17.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 9, name: "legacy-v1", story: legacy_v1 },
    Scenario { number: 10, name: "incompat-basic", story: basic },
    Scenario { number: 13, name: "incompat-pseudo", story: pseudo },
    Scenario { number: 14, name: "incompat-hidden", story: hidden },
    Scenario { number: 15, name: "incompat-major-gomod", story: major_with_go_mod },
    Scenario { number: 16, name: "incompat-v2dir", story: v2_directory },
    Scenario { number: 17, name: "incompat-with-gomod", story: with_go_mod },
];

fn legacy_v1(world: &World) -> Vec<Question> {
    let module = path("legacy-v1");
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("a.go", "package a\n").commit("main");
    repository.tag("v1.0.0", commit);
    world.build("legacy-v1", &repository);
    vec![
        query(&module, "v1.0.0").gives("v1.0.0").module_file(module_line(&module)).files(&["a.go"]),
        latest(&module).gives("v1.0.0"),
    ]
}

/// Also scenarios 11 (`incompat-query`) and 12 (`incompat-on-v1`), the same repository.
fn basic(world: &World) -> Vec<Question> {
    let module = path("incompat-basic");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("a.go", "package a\n").commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second);
    world.build("incompat-basic", &repository);
    vec![
        query(&module, "v2.0.0").gives("v2.0.0+incompatible").module_file(module_line(&module)),
        query(&module, "v2.0.0+incompatible").gives("v2.0.0+incompatible"),
        query(&module, "v1.0.0+incompatible").refused(),
        query(&module, "main").gives("v2.0.0+incompatible"),
        list(&module).lists(&["v1.0.0", "v2.0.0+incompatible"]),
        latest(&module).gives("v2.0.0+incompatible"),
        query(&format!("{module}/v2"), "v2.0.0").refused(),
    ]
}

fn pseudo(world: &World) -> Vec<Question> {
    let module = path("incompat-pseudo");
    let mut repository = RepositoryBuilder::new();
    let tagged = repository.file("a.go", "package a\n").commit("main");
    repository.tag("v2.1.0-beta", tagged);
    let head = repository.file("b.go", "package a\n").commit("main");
    let built = world.build("incompat-pseudo", &repository);
    let version = format!("{}+incompatible", built.pseudo_version("v2.1.0-beta.0.", head));
    vec![
        query(&module, "main").gives(&version),
        query(&module, &version).gives(&version),
        query(&module, &format!("{}+incompatible", built.pseudo_version("v2.0.0-", head)))
            .gives(&format!("{}+incompatible", built.pseudo_version("v2.0.0-", head))),
    ]
}

fn hidden(world: &World) -> Vec<Question> {
    let module = path("incompat-hidden");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("a.go", "package a\n").commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    let third = repository.file("go.mod", module_line(&module)).commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second).tag("v1.1.0", third);
    world.build("incompat-hidden", &repository);
    vec![
        list(&module).lists(&["v1.0.0", "v1.1.0"]),
        query(&module, "v2.0.0").gives("v2.0.0+incompatible"),
        latest(&module).gives("v1.1.0"),
    ]
}

fn major_with_go_mod(world: &World) -> Vec<Question> {
    let module = path("incompat-major-gomod");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("a.go", "package a\n").commit("main");
    let second = repository.file("b.go", "package a\n").commit("main");
    let third = repository.file("go.mod", module_line(&module)).commit("main");
    let fourth = repository.remove("go.mod").commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second);
    repository.tag("v2.1.0", third).tag("v3.0.0", fourth);
    world.build("incompat-major-gomod", &repository);
    vec![
        list(&module).lists(&["v1.0.0", "v3.0.0+incompatible"]),
        query(&module, "v2.0.0").gives("v2.0.0+incompatible"),
        query(&module, "v2.1.0").refused(),
        latest(&module).gives("v3.0.0+incompatible"),
    ]
}

fn v2_directory(world: &World) -> Vec<Question> {
    let module = path("incompat-v2dir");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("a.go", "package a\n").commit("main");
    let second = repository
        .file("v2/go.mod", module_line(&format!("{module}/v2")))
        .file("v2/a.go", "package a\n")
        .commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second);
    let built = world.build("incompat-v2dir", &repository);
    vec![
        list(&module).lists(&["v1.0.0", "v2.0.0+incompatible"]),
        query(&module, "v2.0.0").refused(),
        query(&module, "v2.0.0+incompatible").gives("v2.0.0+incompatible").files(&["a.go"]),
        query(&module, built.id(second)).gives(&built.pseudo_version("v1.0.1-0.", second)),
        latest(&module).gives("v2.0.0+incompatible"),
        query(&format!("{module}/v2"), "v2.0.0").gives("v2.0.0").files(&["a.go", "go.mod"]),
    ]
}

fn with_go_mod(world: &World) -> Vec<Question> {
    let module = path("incompat-with-gomod");
    let mut repository = RepositoryBuilder::new();
    let commit =
        repository.file("go.mod", module_line(&module)).file("a.go", "package a\n").commit("main");
    repository.tag("v3.0.0", commit);
    let built = world.build("incompat-with-gomod", &repository);
    vec![
        query(&module, "v3.0.0").refused(),
        query(&module, "v3.0.0+incompatible").refused(),
        list(&module).lists(&[]),
        latest(&module).gives(&built.pseudo_version("v0.0.0-", commit)),
    ]
}
