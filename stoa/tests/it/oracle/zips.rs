//! Which files make a module zip: scenarios 57 to 60, 69 and 70.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 57, name: "vendor", story: vendor },
    Scenario { number: 58, name: "vendor-parse-error", story: vendor_parse_error },
    Scenario { number: 59, name: "nested", story: nested },
    Scenario { number: 60, name: "symlinks-gitlinks", story: symlinks_and_gitlinks },
    Scenario { number: 69, name: "license-variants", story: license_variants },
    Scenario { number: 70, name: "sizes", story: sizes },
];

/// The example tree of go-modules §4.2, and what each rule keeps of it.
const VENDOR_TREE: &[&str] = &[
    "a/b/vendor/modules.txt",
    "myvendor/a/b.go",
    "pkg/vendor/foo/f.go",
    "pkg/vendor/v.go",
    "vendor/a/b.go",
    "vendor/modules.txt",
    "vendor/x.go",
    "x/vendor.go",
];
const KEPT_OLD: &[&str] =
    &["go.mod", "myvendor/a/b.go", "vendor/modules.txt", "vendor/x.go", "x/vendor.go"];
const KEPT_NEW: &[&str] = &[
    "a/b/vendor/modules.txt",
    "go.mod",
    "myvendor/a/b.go",
    "pkg/vendor/v.go",
    "vendor/x.go",
    "x/vendor.go",
];

fn vendor_tree() -> RepositoryBuilder {
    let mut repository = RepositoryBuilder::new();
    for name in VENDOR_TREE {
        repository.file(name, format!("package of {name}\n"));
    }
    repository
}

fn vendor(world: &World) -> Vec<Question> {
    let module = path("vendor");
    let line = module_line(&module);
    let mut repository = vendor_tree();
    let none = repository.commit("main");
    repository.tag("v1.0.0", none);
    let kept_without: Vec<&str> =
        KEPT_OLD.iter().copied().filter(|&name| name != "go.mod").collect();
    let mut questions = vec![query(&module, "v1.0.0").files(&kept_without)];
    let go_lines = [
        ("", KEPT_OLD),
        ("go 1.23\n", KEPT_OLD),
        ("go 1.23.9\n", KEPT_OLD),
        ("go 1.24\n", KEPT_NEW),
        ("go 1.24rc1\n", KEPT_NEW),
        ("go 1.24.2\n", KEPT_NEW),
    ];
    for (index, (go_line, kept)) in go_lines.into_iter().enumerate() {
        let commit = repository.file("go.mod", format!("{line}{go_line}")).commit("main");
        let version = format!("v1.1.{index}");
        repository.tag(&version, commit);
        questions.push(query(&module, &version).files(kept));
    }
    world.build("vendor", &repository);
    questions
}

fn vendor_parse_error(world: &World) -> Vec<Question> {
    let module = path("vendor-parse-error");
    let line = module_line(&module);
    let bodies: &[(&str, bool)] = &[
        // Fatal in the lenient parse of §3.9: the old rule holds.
        ("go 1.24\nrequire x.example/y master\n", false),
        ("go 1.24\nrequire (\n", false),
        ("go 1.24\ngo 1.24\n", false),
        ("go v1.24\n", false),
        ("go \"1.24\"\n", false),
        ("go (\n\t1.24\n)\n", false),
        ("go 1.024\n", false),
        ("go 1.24\nrequire x.example/y v2.0.0\n", false),
        ("go 1.24\nmodule other.example/m\n", false),
        ("go 1.24\n\0\n", false),
        // Harmless.
        ("go 1.24.x\n", true),
        ("go 1.24-foo\n", true),
        ("go 1.24\nrequire x.example/y v1.2\n", true),
        ("go 1.24\nretract nonsense\n", true),
        ("go 1.24\nfrobnicate everything\n", true),
        ("go 1.24\nreplace x => \n", true),
        ("go 1.24\nexclude x master\n", true),
        ("go 1.24\ntoolchain not-a-toolchain\n", true),
        ("go 1.24 // comment\n", true),
    ];
    let mut repository = vendor_tree();
    let mut questions = Vec::new();
    for (index, (body, new)) in bodies.iter().enumerate() {
        let commit = repository.file("go.mod", format!("{line}{body}")).commit("main");
        let version = format!("v1.0.{index}");
        repository.tag(&version, commit);
        questions.push(query(&module, &version).files(if *new { KEPT_NEW } else { KEPT_OLD }));
    }
    world.build("vendor-parse-error", &repository);
    questions
}

fn nested(world: &World) -> Vec<Question> {
    let module = path("nested");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file(".hg_archival.txt", "of the root\n")
        .file(".gitignore", "*.go\n")
        .file("cap/GO.MOD", "")
        .file("cap/a.go", "package cap\n")
        .file("deep/sub/go.mod", "module deep\n")
        .file("deep/sub/more/a.go", "package more\n")
        .file("deep/a.go", "package deep\n")
        .file("dir/go.mod/a.go", "package gomod\n")
        .file("dir/a.go", "package dir\n")
        .file("link/a.go", "package link\n")
        .symlink("link/go.mod", "../go.mod")
        .file("sub/go.mod", "")
        .file("sub/a.go", "package sub\n")
        .file("other/.hg_archival.txt", "of a directory\n")
        .commit("main");
    repository.tag("v1.0.0", commit);
    world.build("nested", &repository);
    vec![query(&module, "v1.0.0").files(&[
        ".gitignore",
        "deep/a.go",
        "dir/a.go",
        "dir/go.mod/a.go",
        "go.mod",
        "link/a.go",
        "other/.hg_archival.txt",
    ])]
}

fn symlinks_and_gitlinks(world: &World) -> Vec<Question> {
    let module = path("symlinks-gitlinks");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file(".gitmodules", "[submodule \"external\"]\n")
        .file("dir/a.go", "package dir\n")
        .executable("run.sh", "#!/bin/sh\n")
        .symlink("link.go", "dir/a.go")
        .symlink("dangling", "nowhere")
        .symlink("linked", "dir")
        .submodule("external")
        .commit("main");
    repository.tag("v1.0.0", commit);
    world.build("symlinks-gitlinks", &repository);
    vec![query(&module, "v1.0.0").files(&[".gitmodules", "dir/a.go", "go.mod", "run.sh"])]
}

fn license_variants(world: &World) -> Vec<Question> {
    let root = path("license-variants");
    let mut repository = RepositoryBuilder::new();
    repository.file("LICENSE", "of the root\n");
    for name in ["without", "own", "lower", "linked", "folder", "vendored", "nested"] {
        repository.file(format!("{name}/go.mod"), module_line(&format!("{root}/{name}")));
    }
    let commit = repository
        .file("own/LICENSE", "of its own\n")
        .file("lower/license", "of another case\n")
        .symlink("linked/LICENSE", "../LICENSE")
        .file("folder/LICENSE/text", "in a directory\n")
        .file("vendored/vendor/LICENSE", "of something else\n")
        .file("nested/deep/LICENSE", "not at the top\n")
        .file("without/v2/go.mod", module_line(&format!("{root}/without/v2")))
        .commit("main");
    for tag in [
        "without/v1.0.0",
        "own/v1.0.0",
        "lower/v1.0.0",
        "linked/v1.0.0",
        "folder/v1.0.0",
        "vendored/v1.0.0",
        "nested/v1.0.0",
        "without/v2.0.0",
    ] {
        repository.tag(tag, commit);
    }
    let link = repository.remove("LICENSE").symlink("LICENSE", "COPYING").commit("main");
    repository.tag("without/v1.1.0", link);
    let directory = repository.remove("LICENSE").file("LICENSE/text", "terms\n").commit("main");
    repository.tag("without/v1.2.0", directory);
    let absent = repository.remove("LICENSE").file("LICENCE", "misspelt\n").commit("main");
    repository.tag("without/v1.3.0", absent);
    world.build("license-variants", &repository);
    let module = |name: &str| format!("{root}/{name}");
    vec![
        query(&module("without"), "v1.0.0").content("LICENSE", "of the root\n"),
        query(&module("without/v2"), "v2.0.0").content("LICENSE", "of the root\n"),
        query(&module("own"), "v1.0.0").content("LICENSE", "of its own\n"),
        query(&module("lower"), "v1.0.0").zip_refused(),
        query(&module("linked"), "v1.0.0").files(&["go.mod"]),
        query(&module("folder"), "v1.0.0").zip_refused(),
        query(&module("vendored"), "v1.0.0").files(&["go.mod", "vendor/LICENSE", "LICENSE"]),
        query(&module("nested"), "v1.0.0").files(&["deep/LICENSE", "go.mod", "LICENSE"]),
        query(&module("without"), "v1.1.0").content("LICENSE", "COPYING"),
        query(&module("without"), "v1.2.0").files(&["go.mod"]),
        query(&module("without"), "v1.3.0").files(&["go.mod"]),
    ]
}

/// The 16 MiB limits only: half a gigabyte is for the long runs of the packer's own tests.
fn sizes(world: &World) -> Vec<Question> {
    const LIMIT: usize = 16 << 20;
    let module = path("sizes");
    let line = module_line(&module);
    let filler = |size: usize| "x".repeat(size);
    let go_mod = |size: usize| format!("{line}// {}\n", filler(size - line.len() - 4));
    let mut repository = RepositoryBuilder::new();
    repository.file("sub/go.mod", module_line(&format!("{module}/sub")));
    let fits = repository.file("go.mod", &line).file("LICENSE", filler(LIMIT)).commit("main");
    let exceeds = repository.file("LICENSE", filler(LIMIT + 1)).commit("main");
    let elsewhere =
        repository.file("LICENSE", "terms\n").file("dir/LICENSE", filler(LIMIT + 1)).commit("main");
    let go_mod_fits = repository.clear().file("go.mod", go_mod(LIMIT)).commit("main");
    let go_mod_exceeds = repository.file("go.mod", go_mod(LIMIT + 1)).commit("main");
    repository.tag("v1.0.0", fits).tag("v1.1.0", exceeds).tag("v1.2.0", elsewhere);
    repository.tag("v1.3.0", go_mod_fits).tag("v1.4.0", go_mod_exceeds);
    repository.tag("sub/v1.0.0", fits).tag("sub/v1.1.0", exceeds);
    // What counts is the size in the zip, where each of these line ends has two bytes.
    repository.clear().file("go.mod", &line).file(".gitattributes", "LICENSE eol=crlf\n");
    let grows = repository.file("LICENSE", "\n".repeat(LIMIT / 2 + 1)).commit("main");
    let grown = repository.file("LICENSE", "\n".repeat(LIMIT / 2)).commit("main");
    repository.tag("v1.5.0", grows).tag("v1.6.0", grown);
    world.build("sizes", &repository);
    let sub = format!("{module}/sub");
    vec![
        query(&module, "v1.0.0").files(&["LICENSE", "go.mod"]),
        query(&module, "v1.1.0").zip_refused(),
        query(&module, "v1.2.0").files(&["LICENSE", "dir/LICENSE", "go.mod"]),
        query(&module, "v1.3.0").files(&["go.mod"]),
        query(&module, "v1.4.0").gives("v1.4.0").zip_refused(),
        query(&sub, "v1.0.0").files(&["go.mod", "LICENSE"]),
        query(&sub, "v1.1.0").zip_refused(),
        query(&module, "v1.5.0").gives("v1.5.0").zip_refused(),
        query(&module, "v1.6.0").files(&[".gitattributes", "LICENSE", "go.mod"]),
    ]
}
