//! The go command as a user runs it, with Stoa as its only proxy: what works, and what a
//! user gets to read when something does not (go-modules §1.4).

use std::path::{Path, PathBuf};

use stoa_shared::testing::repository::RepositoryBuilder;

use crate::go_command::{GoCommand, Output};
use crate::page_server::PageServer;
use crate::stoa_process::{StoaProcess, StoaSettings};

const ORGANISATION: &str = "github.com/stoa-clients";

/// A fresh Stoa over fixture repositories, and a client of it.
struct Site {
    directory: PathBuf,
    stoa: StoaProcess,
    go: GoCommand,
}

impl Site {
    fn new(name: &str, build: impl FnOnce(&Path)) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        build(&directory.join("fixtures"));
        let rewrites = [
            Self::rewrite(&directory, "fixtures"),
            ("https://down.example/".to_owned(), "http://127.0.0.1:9/".to_owned()),
        ];
        let stoa = StoaSettings::new(&directory.join("storage")).rewrite(&rewrites).start();
        let go = GoCommand::through(&directory.join("client"), stoa.authority());
        Self { directory, stoa, go }
    }

    fn rewrite(directory: &Path, fixtures: &str) -> (String, String) {
        let target = format!("file://{}/", directory.join(fixtures).display());
        (format!("https://{ORGANISATION}/"), target)
    }

    /// An empty module of the user's own.
    fn program(&self, name: &str) -> PathBuf {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory).unwrap();
        succeeds(&self.go.run_in(&directory, &["mod", "init", "program.example/p"]));
        directory
    }
}

fn succeeds(output: &Output) -> String {
    assert!(output.success, "{}\n{}", output.stdout, output.stderr);
    format!("{}{}", output.stdout, output.stderr)
}

fn fails(output: &Output) -> String {
    assert!(!output.success, "should have failed: {}\n{}", output.stdout, output.stderr);
    format!("{}{}", output.stdout, output.stderr)
}

fn path(name: &str) -> String {
    format!("{ORGANISATION}/{name}")
}

/// A module whose package has a function `Name`, at a tag.
fn build(fixtures: &Path, name: &str, files: &[(&str, String)], tags: &[&str]) {
    let mut repository = RepositoryBuilder::new();
    for (file, content) in files {
        repository.file(file, content);
    }
    let commit = repository.commit("main");
    for tag in tags {
        repository.tag(tag, commit);
    }
    repository.build(&fixtures.join(name)).unwrap();
}

fn source(package: &str) -> String {
    format!(
        "package {package}\n\n// Name says where this comes from.\nfunc Name() string {{ return \"{package}\" }}\n"
    )
}

#[test]
fn a_program_with_a_dozen_dependencies_builds() {
    // (import path, package, what its go.mod requires) by repository.
    let plain: Vec<String> = (1..=7).map(|number| format!("plain{number}")).collect();
    let site = Site::new("client-build", |fixtures| {
        for (index, name) in plain.iter().enumerate() {
            let mut go_mod = format!("module {}\n\ngo 1.20\n", path(name));
            let mut code = source(name);
            if let Some(next) = plain.get(index + 1) {
                let next_path = path(next);
                go_mod.push_str(&format!("\nrequire {next_path} v1.0.0\n"));
                code.push_str(&format!("\nvar _ = {next}.Name\n"));
                code = code.replacen('\n', &format!("\n\nimport \"{next_path}\"\n"), 1);
            }
            build(fixtures, name, &[("go.mod", go_mod), ("a.go", code)], &["v1.0.0"]);
        }
        let second = format!("module {}/v2\n", path("second"));
        let files = [("go.mod", second), ("a.go", source("second"))];
        build(fixtures, "second", &files, &["v2.3.4"]);
        let capital = format!("module {}\n", path("CapitalLetters"));
        let files = [("go.mod", capital), ("a.go", source("capital"))];
        build(fixtures, "CapitalLetters", &files, &["v0.1.0"]);
        build(fixtures, "legacy", &[("a.go", source("legacy"))], &["v3.0.0"]);
        let nested = format!("module {}/nested\n", path("monorepo"));
        let files = [
            ("go.mod", format!("module {}\n", path("monorepo"))),
            ("a.go", source("monorepo")),
            ("inner/deep/a.go", source("deep")),
            ("nested/go.mod", nested),
            ("nested/a.go", source("nested")),
        ];
        build(fixtures, "monorepo", &files, &["v1.5.0", "nested/v0.3.0"]);
        let untagged = format!("module {}\n", path("untagged"));
        build(fixtures, "untagged", &[("go.mod", untagged), ("a.go", source("untagged"))], &[]);
    });
    let mut imports: Vec<(String, String)> =
        plain.iter().map(|name| (path(name), name.clone())).collect();
    for (import, package) in [
        ("second/v2", "second"),
        ("CapitalLetters", "capital"),
        ("legacy", "legacy"),
        ("monorepo/inner/deep", "deep"),
        ("monorepo/nested", "nested"),
        ("untagged", "untagged"),
    ] {
        imports.push((path(import), package.to_owned()));
    }
    let program = site.program("program");
    let mut code = String::from("package main\n\nimport (\n\t\"fmt\"\n");
    for (import, package) in &imports {
        code.push_str(&format!("\t{package} \"{import}\"\n"));
    }
    code.push_str(")\n\nfunc main() {\n");
    for (_, package) in &imports {
        code.push_str(&format!("\tfmt.Println({package}.Name())\n"));
    }
    code.push_str("}\n");
    std::fs::write(program.join("main.go"), code).unwrap();

    succeeds(&site.go.run_in(&program, &["mod", "tidy"]));
    succeeds(&site.go.run_in(&program, &["mod", "verify"]));
    let binary = program.join("program");
    succeeds(&site.go.run_in(&program, &["build", "-o", &binary.display().to_string(), "."]));
    let printed = std::process::Command::new(binary).output().unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    let expected: Vec<&str> = imports.iter().map(|(_, package)| package.as_str()).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    let sums = std::fs::read_to_string(program.join("go.sum")).unwrap();
    assert_eq!(sums.lines().filter(|line| !line.contains("/go.mod ")).count(), 13, "{sums}");
    assert!(site.stoa.stop().success());
}

#[test]
fn branches_packages_and_lists_can_be_asked() {
    let module = path("tool");
    let site = Site::new("client-get", |fixtures| {
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {module}\n")).file("a.go", source("tool"));
        repository.file("cmd/inner/deep/a.go", source("deep"));
        let first = repository.commit("main");
        repository.tag("v1.0.0", first);
        let second = repository.file("b.go", "package tool\n").commit("main");
        repository.tag("v1.1.0", second);
        repository.branch("dev", second);
        repository.file("c.go", "package tool\n").commit("dev");
        repository.build(&fixtures.join("tool")).unwrap();
    });
    let program = site.program("program");
    let run = |arguments: &[&str]| succeeds(&site.go.run_in(&program, arguments));
    assert_eq!(run(&["list", "-m", "-versions", &module]), format!("{module} v1.0.0 v1.1.0\n"));
    let told = run(&["get", &format!("{module}/cmd/inner/deep")]);
    assert!(told.contains(&format!("added {module} v1.1.0")), "{told}");
    let told = run(&["get", &format!("{module}@v1.0.0")]);
    assert!(told.contains("downgraded"), "{told}");
    let told = run(&["get", &format!("{module}@dev")]);
    assert!(told.contains("upgraded") && told.contains("v1.1.1-0.20170714044000-"), "{told}");
}

#[test]
fn a_failure_reaches_the_user_with_its_reason() {
    let broken = path("broken");
    let site = Site::new("client-errors", |fixtures| {
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {broken}\n")).file("a.go", source("broken"));
        let good = repository.commit("main");
        let bad_zip = repository.file("quo\"te", "1").commit("main");
        let wrong = repository
            .remove("quo\"te")
            .file("go.mod", format!("module {broken}/v4\n"))
            .commit("main");
        repository.tag("v1.0.0", good).tag("v1.1.0", bad_zip).tag("v1.2.0", wrong);
        repository.build(&fixtures.join("broken")).unwrap();
    });
    let missing = path("missing");
    // What is asked, the file that fails, its status, and words of the reason.
    let cases = [
        (format!("{broken}@v1.9.9"), "v1.9.9.info", "404 Not Found", "v1.9.9"),
        (
            format!("{broken}@no-such-branch"),
            "no-such-branch.info",
            "404 Not Found",
            "no-such-branch",
        ),
        (format!("{broken}@0123456789ab"), "0123456789ab.info", "404 Not Found", "0123456789ab"),
        (format!("{broken}@v1.1.0"), "v1.1.0.zip", "404 Not Found", "quo"),
        (format!("{broken}@v1.2.0"), "v1.2.0.info", "404 Not Found", "v1.2.0"),
        (
            format!("{broken}@v1.0.1-0.20170714044000-0123456789ab"),
            "v1.0.1-0.20170714044000-0123456789ab.info",
            "404 Not Found",
            "0123456789ab",
        ),
        (format!("{missing}@v1.0.0"), "v1.0.0.info", "404 Not Found", "missing"),
    ];
    for (argument, file, status, reason) in &cases {
        let told = fails(&site.go.run(&["mod", "download", argument]));
        let reading = format!("/@v/{file}: {status}");
        assert!(told.contains(&reading), "{argument}: {reading:?} is not in {told}");
        let response = told.split("server response: ").nth(1);
        let response = response.unwrap_or_else(|| panic!("{argument}: no reason in {told}"));
        let line = response.lines().next().unwrap();
        assert!(line.starts_with("not found: "), "{argument}: {line}");
        assert!(line.contains(reason), "{argument}: {reason:?} is not in {line:?}");
        assert!(!told.contains(&*site.directory.to_string_lossy()), "{argument}: a path in {told}");
    }
    // A host that cannot be reached is no proof of absence.
    let told = fails(&site.go.run(&["mod", "download", "down.example/m@v1.0.0"]));
    assert!(told.contains("503 Service Unavailable"), "{told}");
    assert!(told.contains("server response: "), "{told}");
    // A list of a repository that does not exist, and a package that no module has.
    let told = fails(&site.go.run(&["list", "-m", "-versions", &missing]));
    assert!(told.contains("/@v/list: 404 Not Found"), "{told}");
    let program = site.program("program");
    let told = fails(&site.go.run_in(&program, &["get", &format!("{broken}/nowhere@v1.0.0")]));
    assert!(told.contains("does not contain package"), "{told}");
}

#[test]
fn a_definite_absence_lets_the_client_fall_through() {
    let module = path("elsewhere");
    let build_with = |fixtures: &Path, tags: &[&str]| {
        let files = [("go.mod", format!("module {module}\n")), ("a.go", source("elsewhere"))];
        build(fixtures, "elsewhere", &files, tags);
    };
    let site = Site::new("client-fallback", |fixtures| build_with(fixtures, &["v1.0.0"]));
    build_with(&site.directory.join("newer"), &["v1.0.0", "v1.1.0"]);
    let rewrites = [Site::rewrite(&site.directory, "newer")];
    let pages = PageServer::start();
    let proxies = |list: &str| {
        let home = site.directory.join(format!("client {list}").replace(['/', ':'], "_"));
        GoCommand::direct(&home, &rewrites, &pages).set("GOPROXY", list)
    };
    let stoa = format!("http://{}", site.stoa.authority());
    let newer = format!("{module}@v1.1.0");
    succeeds(&proxies(&format!("{stoa},direct")).run(&["mod", "download", &newer]));
    succeeds(&proxies(&format!("{stoa}|direct")).run(&["mod", "download", &newer]));
    fails(&proxies(&format!("{stoa},off")).run(&["mod", "download", &newer]));
    // Trouble stops at a comma and goes on at a bar.
    pages.serve(
        "down.example/m",
        crate::page_server::Page::import(&[&format!("down.example/m git https://{module}")]),
    );
    let argument = "down.example/m@v1.1.0";
    fails(&proxies(&format!("{stoa},direct")).run(&["mod", "download", argument]));
    succeeds(&proxies(&format!("{stoa}|direct")).run(&["mod", "download", argument]));
}
