//! File names that no module zip may contain: scenarios 61 to 64.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 61, name: "illegal-names", story: illegal },
    Scenario { number: 62, name: "illegal-outside", story: illegal_outside },
    Scenario { number: 63, name: "case-collide", story: case_collide },
    Scenario { number: 64, name: "go-mod-case", story: go_mod_case },
];

/// A repository with one version per set of names beside go.mod.
fn versions(world: &World, name: &str, sets: &[&[&[u8]]], refused: bool) -> Vec<Question> {
    let module = path(name);
    let mut repository = RepositoryBuilder::new();
    let mut questions = Vec::new();
    for (index, names) in sets.iter().enumerate() {
        repository.clear().file("go.mod", module_line(&module));
        for name in *names {
            repository.file(name, "content\n");
        }
        let commit = repository.commit("main");
        let version = format!("v1.0.{index}");
        repository.tag(&version, commit);
        let question = query(&module, &version).gives(&version);
        questions.push(if refused { question.zip_refused() } else { question });
    }
    world.build(name, &repository);
    questions
}

fn illegal(world: &World) -> Vec<Question> {
    let illegal: &[&[&[u8]]] = &[
        &[b"quo\"te"],
        &[b"quo'te"],
        &[b"st*r"],
        &[b"a<b"],
        &[b"a>b"],
        &[b"what?"],
        &[b"back`tick"],
        &[b"a|b"],
        &[b"a:b"],
        &[b"a;b"],
        &[b"back\\slash"],
        &[b"new\nline"],
        &[b"tab\there"],
        &[b"bell\x07"],
        &[b"delete\x7f"],
        &[b"\xff\xfe"],
        &[b"dot."],
        &[b"dir./a"],
        &[b"..."],
        &[b"con"],
        &[b"dir/aux.txt"],
        &[b"NUL.go"],
        &[b"com1"],
        &[b"lpt9.x.y"],
        // Decomposed e-acute, an emoji, an Arabic digit, a no-break space.
        &["e\u{301}".as_bytes()],
        &["\u{1f600}".as_bytes()],
        &["\u{661}".as_bytes()],
        &["a\u{a0}b".as_bytes()],
    ];
    let legal: &[&[&[u8]]] = &[
        &[b"!#$%&()+,-.=@[]^_{}~", b"sp ace", b"-dash", b".dot", b"two..dots", b"file~1"],
        &[b"com0", b"conin$", b"console", b"auxiliary.go"],
        &["é".as_bytes(), "日本語/ファイル".as_bytes(), "Ωmega".as_bytes()],
    ];
    let mut questions = versions(world, "illegal-names", illegal, true);
    questions.extend(versions(world, "legal-names", legal, false));
    let module = path("illegal-symlink");
    let mut repository = RepositoryBuilder::new();
    let commit =
        repository.file("go.mod", module_line(&module)).symlink("quo\"te", "go.mod").commit("main");
    repository.tag("v1.0.0", commit);
    world.build("illegal-symlink", &repository);
    questions.push(query(&module, "v1.0.0").gives("v1.0.0").zip_refused());
    questions
}

fn illegal_outside(world: &World) -> Vec<Question> {
    let harmless: &[&[&[u8]]] = &[
        &[b"vendor/dep/quo\"te", b"vendor/dep/A", b"vendor/dep/a"],
        &[b"nested/go.mod", b"nested/con", b"nested/A", b"nested/a"],
        &[b"pkg/vendor/st*r/x"],
    ];
    let mut questions = versions(world, "illegal-outside", harmless, false);
    let module = format!("{}/sub", path("illegal-beside"));
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("sub/go.mod", module_line(&module))
        .file("quo\"te", "outside\n")
        .file("A", "outside\n")
        .file("a", "outside\n")
        .commit("main");
    repository.tag("sub/v1.0.0", commit);
    world.build("illegal-beside", &repository);
    questions.push(query(&module, "v1.0.0").files(&["go.mod"]));
    questions
}

fn case_collide(world: &World) -> Vec<Question> {
    let colliding: &[&[&[u8]]] = &[
        &[b"A", b"a"],
        &[b"Dir/x", b"dir/y"],
        &[b"a/B/c", b"a/b"],
        &["stra\u{df}e".as_bytes(), "stra\u{1e9e}e".as_bytes()],
        &["\u{212a}elvin".as_bytes(), b"kelvin"],
        &["\u{3c3}".as_bytes(), "\u{3c2}".as_bytes()],
    ];
    let apart: &[&[&[u8]]] =
        &[&["stra\u{df}e".as_bytes(), b"strasse"], &["\u{131}".as_bytes(), b"i", b"j"]];
    let mut questions = versions(world, "case-collide", colliding, true);
    questions.extend(versions(world, "case-apart", apart, false));
    let module = path("case-symlink");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file("readme", "text\n")
        .symlink("README", "readme")
        .commit("main");
    repository.tag("v1.0.0", commit);
    world.build("case-symlink", &repository);
    questions.push(query(&module, "v1.0.0").gives("v1.0.0").zip_refused());
    questions
}

fn go_mod_case(world: &World) -> Vec<Question> {
    let module = path("go-mod-case");
    let mut repository = RepositoryBuilder::new();
    let commit =
        repository.file("GO.MOD", module_line(&module)).file("a.go", "package a\n").commit("main");
    repository.tag("v1.0.0", commit);
    world.build("go-mod-case", &repository);
    vec![query(&module, "v1.0.0").gives("v1.0.0").module_file(module_line(&module)).zip_refused()]
}
