//! Major versions, and go.mod files that name the wrong one: scenarios 18 to 24, 48, 49.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};
use crate::page_server::Page;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 18, name: "v2-branch", story: v2_branch },
    Scenario { number: 20, name: "v2-subdir", story: v2_subdirectory },
    Scenario { number: 21, name: "v2-both", story: v2_both },
    Scenario { number: 22, name: "v2-dir-wrong", story: v2_directory_wrong },
    Scenario { number: 23, name: "v2-root-page", story: v2_root_page },
    Scenario { number: 24, name: "v2-missing", story: v2_missing },
    Scenario { number: 48, name: "wrong-path", story: wrong_path },
    Scenario { number: 49, name: "wrong-go-mod", story: wrong_go_mod },
];

/// Also scenario 19 (`v2-branch-from-M`), the same repository.
fn v2_branch(world: &World) -> Vec<Question> {
    let module = path("v2-branch");
    let second_major = format!("{module}/v2");
    let mut repository = RepositoryBuilder::new();
    let first =
        repository.file("go.mod", module_line(&module)).file("a.go", "package a\n").commit("main");
    repository.branch("v2", first);
    let second = repository.file("go.mod", module_line(&second_major)).commit("v2");
    let after = repository.file("b.go", "package a\n").commit("v2");
    repository.tag("v1.0.0", first).tag("v2.0.0", second);
    let built = world.build("v2-branch", &repository);
    vec![
        query(&second_major, "v2.0.0").gives("v2.0.0").files(&["a.go", "go.mod"]),
        query(&second_major, built.id(after)).gives(&built.pseudo_version("v2.0.1-0.", after)),
        list(&second_major).lists(&["v2.0.0"]),
        latest(&second_major).gives("v2.0.0"),
        list(&module).lists(&["v1.0.0"]),
        query(&module, "v2.0.0").refused(),
        query(&module, built.id(after)).refused(),
        query(&second_major, "v1.0.0").refused(),
    ]
}

fn v2_subdirectory(world: &World) -> Vec<Question> {
    let module = path("v2-subdir");
    let second_major = format!("{module}/v2");
    let mut repository = RepositoryBuilder::new();
    let first = repository
        .file("go.mod", module_line(&module))
        .file("a.go", "package a\n")
        .file("LICENSE", "terms\n")
        .commit("main");
    let second = repository
        .file("v2/go.mod", module_line(&second_major))
        .file("v2/a.go", "package a\n")
        .commit("main");
    repository.tag("v1.0.0", first).tag("v2.0.0", second).tag("v1.1.0", second);
    world.build("v2-subdir", &repository);
    vec![
        query(&second_major, "v2.0.0")
            .gives("v2.0.0")
            .files(&["a.go", "go.mod", "LICENSE"])
            .origin("Subdir", ""),
        query(&module, "v1.1.0").files(&["LICENSE", "a.go", "go.mod"]),
        list(&second_major).lists(&["v2.0.0"]),
        query(&second_major, "main").gives("v2.0.0"),
    ]
}

fn v2_both(world: &World) -> Vec<Question> {
    let module = format!("{}/v2", path("v2-both"));
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file("v2/go.mod", module_line(&module))
        .commit("main");
    repository.tag("v2.0.0", commit);
    world.build("v2-both", &repository);
    vec![query(&module, "v2.0.0").refused(), query(&module, "main").refused()]
}

fn v2_directory_wrong(world: &World) -> Vec<Question> {
    let base = path("v2-dir-wrong");
    let module = format!("{base}/v2");
    let mut repository = RepositoryBuilder::new();
    let first = repository.file("v2/go.mod", module_line(&base)).commit("main");
    let second = repository.file("go.mod", module_line(&module)).commit("main");
    repository.tag("v2.0.0", first).tag("v2.1.0", second);
    world.build("v2-dir-wrong", &repository);
    vec![query(&module, "v2.0.0").refused(), query(&module, "v2.1.0").refused()]
}

fn v2_root_page(world: &World) -> Vec<Question> {
    let module = "vanity.example/v2root/v2";
    let source = path("v2-root-page");
    world.pages.serve(module, Page::import(&[&format!("{module} git https://{source}")]));
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(module))
        .file("a.go", "package a\n")
        .file("v2/go.mod", module_line(module))
        .file("v2/a.go", "package a\n")
        .commit("main");
    repository.tag("v2.0.0", commit);
    world.build("v2-root-page", &repository);
    vec![query(module, "v2.0.0").gives("v2.0.0").files(&["a.go", "go.mod"])]
}

fn v2_missing(world: &World) -> Vec<Question> {
    let base = path("v2-missing");
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("a.go", "package a\n").commit("main");
    repository.tag("v2.0.0", commit);
    world.build("v2-missing", &repository);
    let module = format!("{base}/v2");
    vec![query(&module, "v2.0.0").refused(), list(&module).lists(&["v2.0.0"])]
}

fn wrong_path(world: &World) -> Vec<Question> {
    let module = path("wrong-path");
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("go.mod", "module other.example/name\n").commit("main");
    repository.tag("v1.0.0", commit);
    world.build("wrong-path", &repository);
    vec![
        query(&module, "v1.0.0").gives("v1.0.0").module_file("module other.example/name\n"),
        latest(&module).gives("v1.0.0"),
    ]
}

fn wrong_go_mod(world: &World) -> Vec<Question> {
    let module = path("wrong-go-mod");
    let wrong = [
        (module_line(&format!("{module}/v2")), false),
        ("go 1.20\n".to_owned(), false),
        (module_line(&format!("{module}/v02")), false),
        (String::new(), false),
        // The line finder of §3.6 reads what the real parser does not.
        (format!("// first\nmodule \"{module}\" // last\n"), true),
        (format!("module `{module}`\n"), true),
        (format!("module (\n\t{module}\n)\n"), true),
        (module_line("gopkg.in/other.v3"), true),
        (format!("\tmodule\t{module}\r\n"), true),
        (format!("module{module}\n"), false),
    ];
    let mut repository = RepositoryBuilder::new();
    let mut questions = Vec::new();
    for (index, (go_mod, served)) in wrong.iter().enumerate() {
        let commit = repository.file("go.mod", go_mod).commit("main");
        let version = format!("v1.{index}.0");
        repository.tag(&version, commit);
        let question = query(&module, &version);
        questions.push(if *served {
            question.gives(&version).module_file(go_mod)
        } else {
            question.refused()
        });
    }
    let commit = repository.remove("go.mod").symlink("go.mod", "real.mod").commit("main");
    repository.tag("v1.90.0", commit);
    questions.push(query(&module, "v1.90.0").refused());
    world.build("wrong-go-mod", &repository);
    questions
}
