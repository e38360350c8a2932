//! Modules below the repository root: scenarios 25 to 29.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 25, name: "subdir", story: subdirectory },
    Scenario { number: 26, name: "subdir-v2", story: second_major },
    Scenario { number: 27, name: "subdir-pseudo", story: pseudo },
    Scenario { number: 28, name: "subdir-nomod", story: without_go_mod },
    Scenario { number: 29, name: "subdir-absent", story: absent },
];

fn subdirectory(world: &World) -> Vec<Question> {
    let root = path("subdir");
    let module = format!("{root}/sub");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&root))
        .file("LICENSE", "terms\n")
        .file("root.go", "package root\n")
        .file("sub/go.mod", module_line(&module))
        .file("sub/a.go", "package sub\n")
        .file("sub/zz/z.go", "package zz\n")
        .commit("main");
    repository.tag("sub/v0.2.0", commit).tag("v0.9.0", commit);
    world.build("subdir", &repository);
    vec![
        query(&module, "v0.2.0")
            .gives("v0.2.0")
            .files(&["a.go", "go.mod", "zz/z.go", "LICENSE"])
            .origin("Subdir", "sub")
            .origin("Ref", "refs/tags/sub/v0.2.0"),
        list(&module).lists(&["v0.2.0"]),
        latest(&module).gives("v0.2.0"),
        query(&module, "main").gives("v0.2.0"),
        query(&module, "v0.9.0").refused(),
        query(&root, "v0.9.0").files(&["LICENSE", "go.mod", "root.go"]),
        // A slash cannot pass a proxy.
        query(&module, "sub/v0.2.0").gives("v0.2.0").direct_only(),
    ]
}

fn second_major(world: &World) -> Vec<Question> {
    let module = format!("{}/sub/v2", path("subdir-v2"));
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("sub/v2/go.mod", module_line(&module))
        .file("sub/v2/a.go", "package sub\n")
        .commit("main");
    repository.tag("sub/v2.0.0", commit).tag("sub/v2/v2.0.1", commit);
    world.build("subdir-v2", &repository);
    vec![
        list(&module).lists(&["v2.0.0"]),
        query(&module, "v2.0.0").gives("v2.0.0").origin("Subdir", "sub").files(&["a.go", "go.mod"]),
        query(&module, "v2.0.1").refused(),
        latest(&module).gives("v2.0.0"),
    ]
}

fn pseudo(world: &World) -> Vec<Question> {
    let root = path("subdir-pseudo");
    let module = format!("{root}/sub");
    let mut repository = RepositoryBuilder::new();
    let first = repository
        .file("go.mod", module_line(&root))
        .file("sub/go.mod", module_line(&module))
        .commit("main");
    repository.tag("sub/v1.0.0", first).tag("v1.0.0", first);
    let second = repository.file("sub/b.go", "package sub\n").commit("main");
    repository.tag("sub/v1.1.0-pre", second).tag("xsub/v9.0.0", second);
    let head = repository.file("sub/c.go", "package sub\n").commit("main");
    let built = world.build("subdir-pseudo", &repository);
    vec![
        query(&module, "main").gives(&built.pseudo_version("v1.1.0-pre.0.", head)),
        query(&root, "main").gives(&built.pseudo_version("v1.0.1-0.", head)),
        list(&module).lists(&["v1.0.0", "v1.1.0-pre"]),
        latest(&module).gives("v1.0.0"),
    ]
}

fn without_go_mod(world: &World) -> Vec<Question> {
    let root = path("subdir-nomod");
    let module = format!("{root}/nomod");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&root))
        .file("nomod/a.go", "package nomod\n")
        .commit("main");
    repository.tag("nomod/v1.0.0", commit);
    world.build("subdir-nomod", &repository);
    vec![list(&module).lists(&["v1.0.0"]), query(&module, "v1.0.0").refused()]
}

fn absent(world: &World) -> Vec<Question> {
    let root = path("subdir-absent");
    let module = format!("{root}/absent");
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("go.mod", module_line(&root)).commit("main");
    repository.tag("v1.0.0", commit);
    world.build("subdir-absent", &repository);
    vec![list(&module).lists(&[]), latest(&module).refused(), query(&module, "main").refused()]
}
