//! House rules on the source as text: what must not depend on what, and where things
//! may lie. Each rule is a function from sources to violations, and each has a sample
//! that it must catch.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Names that say nothing about what lies under them.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "common", "type", "types", "misc", "shared", "lib_util"];

/// Longest production part of a file, in lines.
const MAX_LINES: usize = 500;

/// Files that may be longer, and why. One that is no longer too long has to go.
const LONG_FILES: [(&str, &str); 0] = [];

/// Words that may stand in some places only.
const CONFINED: &[Confined] = &[
    Confined {
        word: "std::env",
        places: &["shared/src/config/layers.rs"],
        reason: "configuration merges once; everything else receives values",
    },
    Confined {
        word: "process::Command",
        places: &["worker/src/vcs/git/process.rs"],
        reason: "one file starts programs, each with an environment of our own making",
    },
    Confined {
        word: "thread::sleep",
        places: &[],
        reason: "it blocks a runtime thread: use tokio::time",
    },
    Confined {
        word: "aws_sdk_s3",
        places: &["shared/src/storage/s3/"],
        reason: "storage is a seam: provider types do not leak through it",
    },
    Confined {
        word: "aws_config",
        places: &["shared/src/storage/s3/client.rs"],
        reason: "storage is a seam: provider types do not leak through it",
    },
    Confined {
        word: "lapin",
        places: &["shared/src/queue/rabbitmq/", "shared/src/telemetry.rs"],
        reason: "the queue is a seam: broker types do not leak through it",
    },
    Confined {
        word: "axum",
        places: &["frontend/", "stoa/", "worker/src/operations.rs", "worker/src/process.rs"],
        reason: "HTTP answers are the frontend's business",
    },
    Confined {
        word: "StatusCode",
        places: &["frontend/", "worker/", "stoa/"],
        reason: "what is shared speaks of meanings, not of HTTP",
    },
    Confined {
        word: "reqwest",
        places: &["frontend/src/registry.rs", "worker/", "stoa/"],
        reason: "a frontend asks storage and the queue, and its registry only whether it is there",
    },
];

/// Folders whose code must not name a part of our own.
const BLIND: &[(&str, &str)] = &[
    ("shared/src/module/", "crate::storage"),
    ("shared/src/module/", "crate::queue"),
    ("shared/src/module/", "crate::config"),
    ("shared/src/module/", "crate::catalog"),
    ("shared/src/module/", "crate::answer"),
    ("shared/src/module/", "tokio"),
    ("shared/src/policy/", "crate::storage"),
    ("shared/src/policy/", "crate::queue"),
    ("shared/src/policy/", "tokio"),
    ("shared/src/storage/", "crate::queue"),
    ("shared/src/queue/", "crate::storage"),
    ("shared/src/queue/", "crate::catalog"),
    ("shared/src/protocol", "crate::storage"),
    ("shared/src/protocol", "crate::queue"),
];

/// Crates that a crate's manifest must not name among its dependencies.
const STRANGERS: &[(&str, &str)] = &[
    ("frontend", "stoa-worker"),
    ("worker", "stoa-frontend"),
    ("shared", "stoa-frontend"),
    ("shared", "stoa-worker"),
    ("shared", "axum"),
    ("shared", "http"),
    ("shared", "reqwest"),
];

struct Confined {
    word: &'static str,
    /// Prefixes of the paths where it may stand.
    places: &'static [&'static str],
    reason: &'static str,
}

/// One file: its path from the workspace's root, and its text.
#[derive(Clone)]
struct Source {
    path: String,
    text: String,
}

#[test]
fn the_workspace_is_tidy() {
    let sources = workspace_sources();
    assert!(sources.iter().any(|source| source.path == "stoa/src/main.rs"), "sources are found");
    let violations: Vec<String> = RULES.iter().flat_map(|rule| rule(&sources)).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn crates_see_only_what_they_may() {
    let root = workspace_root();
    for (krate, stranger) in STRANGERS {
        let manifest = fs::read_to_string(root.join(krate).join("Cargo.toml")).unwrap();
        assert!(!depends_on(&manifest, stranger), "{krate} must not depend on {stranger}");
    }
}

#[test]
fn every_rule_catches_its_sample() {
    let long = "let line = 1;\n".repeat(MAX_LINES + 1);
    for (path, text, expected) in [
        ("worker/src/utils.rs", "", "names nothing"),
        ("worker/src/helpers/mod.rs", "", "names nothing"),
        ("worker/src/lib.rs", "mod misc {\n}\n", "names nothing"),
        ("worker/src/lib.rs", "let home = std::env::var(\"HOME\");\n", "std::env"),
        ("worker/src/lib.rs", "use std::{\n    env, fs,\n};\n", "std::env"),
        ("worker/src/lib.rs", "use tokio::process::Command;\n", "process::Command"),
        ("worker/src/lib.rs", "use tokio::{process::Command, fs};\n", "process::Command"),
        ("worker/src/lib.rs", "std::thread::sleep(second);\n", "thread::sleep"),
        ("shared/src/storage/mod.rs", "use aws_sdk_s3::Client;\n", "aws_sdk_s3"),
        ("shared/src/storage/s3/read.rs", "use aws_config::SdkConfig;\n", "aws_config"),
        ("shared/src/queue/mod.rs", "use lapin::Channel;\n", "lapin"),
        ("shared/src/answer.rs", "use axum::Router;\n", "axum"),
        ("shared/src/answer.rs", "fn status() -> StatusCode {}\n", "StatusCode"),
        ("frontend/src/lib.rs", "use reqwest::Client;\n", "reqwest"),
        ("shared/src/module/path.rs", "use crate::storage::Storage;\n", "crate::storage"),
        (
            "shared/src/module/path.rs",
            "use crate::{\n    storage::Storage,\n};\n",
            "crate::storage",
        ),
        ("shared/src/queue/mod.rs", "use crate::storage::Storage;\n", "crate::storage"),
        ("worker/src/lib.rs", &long, "lines"),
        ("worker/src/vcs/git.rs", "", "vcs/git/mod.rs"),
        ("worker/src/lib.rs", "// TODO: later\n", "unfinished"),
    ] {
        let source =
            |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let mut sources = vec![source(path, text)];
        if path == "worker/src/vcs/git.rs" {
            sources.push(source("worker/src/vcs/git/process.rs", ""));
        }
        let violations: Vec<String> = RULES.iter().flat_map(|rule| rule(&sources)).collect();
        assert_eq!(violations.len(), 1, "{path}: {text}: {violations:?}");
        assert!(violations[0].contains(path) && violations[0].contains(expected), "{violations:?}");
    }
}

#[test]
fn what_is_allowed_is_not_caught() {
    for (path, text) in [
        ("shared/src/config/layers.rs", "std::env::vars_os()\n"),
        ("worker/src/vcs/git/process.rs", "use tokio::process::Command;\n"),
        ("worker/tests/it/main.rs", "std::env::var(\"X\"); std::process::Command::new(\"git\");\n"),
        ("worker/src/vcs/test_repository.rs", "use std::process::Command;\n"),
        ("shared/src/testing/mod.rs", "std::process::Command::new(\"git\")\n"),
        ("shared/src/testing/services.rs", "use std::env;\n"),
        ("shared/src/storage/s3/read.rs", "use aws_sdk_s3::Client;\n"),
        ("worker/src/lib.rs", "/// Unlike `std::env`.\nenv!(\"CARGO_PKG_VERSION\");\n"),
        ("worker/src/lib.rs", "fn it() {}\n#[cfg(test)]\nmod tests {\n    use std::env;\n}\n"),
        ("worker/src/lib.rs", "let flapping = relaxum;\n"),
    ] {
        let sources = [Source { path: path.to_owned(), text: text.to_owned() }];
        let violations: Vec<String> = RULES.iter().flat_map(|rule| rule(&sources)).collect();
        assert!(violations.is_empty(), "{violations:?}");
    }
    assert!(depends_on("[dependencies]\naxum.workspace = true\n", "axum"));
    assert!(depends_on("[dependencies]\naxum = \"1\"\n", "axum"));
    assert!(!depends_on(
        "[dependencies]\naxum-core = \"1\"\n[dev-dependencies]\naxum = \"1\"\n",
        "axum"
    ));
}

/// Finds what breaks it, one line each.
type Rule = fn(&[Source]) -> Vec<String>;

const RULES: [Rule; 6] = [
    names_say_something,
    words_stay_in_their_place,
    the_blind_stay_blind,
    files_are_short,
    folder_modules_have_a_mod_file,
    nothing_is_unfinished,
];

fn names_say_something(sources: &[Source]) -> Vec<String> {
    let is_empty = |name: &str| EMPTY_NAMES.contains(&name);
    let mut violations = Vec::new();
    for Source { path, text } in sources {
        let inner = path.split_once('/').map_or("", |(_, inner)| inner);
        let by_path = inner.trim_end_matches(".rs").split('/').any(is_empty);
        let by_module = code_lines(text).any(|line| {
            let line =
                line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            line.strip_prefix("mod ").is_some_and(|rest| {
                rest.strip_suffix(" {").is_some_and(|name| is_empty(name.trim()))
            })
        });
        if by_path || by_module {
            violations.push(format!("{path}: a module of that name names nothing"));
        }
    }
    violations
}

fn words_stay_in_their_place(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| !source.is_for_tests()) {
        let code = flat_code(&source.text);
        for Confined { word, places, reason } in CONFINED {
            let may = places.iter().any(|place| source.path.starts_with(place));
            if !may && names(&code, word) {
                violations.push(format!("{}: names {word}: {reason}", source.path));
            }
        }
    }
    violations
}

fn the_blind_stay_blind(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| !source.is_for_tests()) {
        let code = flat_code(&source.text);
        for (place, word) in BLIND {
            if source.path.starts_with(place) && names(&code, word) {
                violations.push(format!("{}: must not know {word}", source.path));
            }
        }
    }
    violations
}

fn files_are_short(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| !source.is_for_tests()) {
        let lines = production(&source.text).lines().count();
        let is_excepted = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        match (lines > MAX_LINES, is_excepted) {
            (true, false) => {
                violations.push(format!("{}: {lines} lines: what is the second idea?", source.path))
            }
            (false, true) => {
                violations.push(format!("{}: is short now: no exception needed", source.path))
            }
            _ => {}
        }
    }
    violations
}

fn folder_modules_have_a_mod_file(sources: &[Source]) -> Vec<String> {
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let is_self_named = |path: &&&str| {
        let folder = format!("{}/", path.trim_end_matches(".rs"));
        path.contains("/src/") && paths.iter().any(|other| other.starts_with(&folder))
    };
    let violation =
        |path: &&str| format!("{path}: belongs to {}/mod.rs", path.trim_end_matches(".rs"));
    paths.iter().filter(is_self_named).map(violation).collect()
}

fn nothing_is_unfinished(sources: &[Source]) -> Vec<String> {
    // Written in two parts, so that this file does not catch itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let is_unfinished = |source: &&Source| {
        !source.path.ends_with("/tidy.rs") && marks.iter().any(|mark| names(&source.text, mark))
    };
    sources
        .iter()
        .filter(is_unfinished)
        .map(|source| format!("{}: is unfinished", source.path))
        .collect()
}

impl Source {
    /// Test binaries, builders for tests, and modules that exist in test builds only.
    fn is_for_tests(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let is_test_module = name == "tests.rs" || name.starts_with("test_");
        is_test_module
            || ["/tests/", "/benches/", "/src/testing/"].iter().any(|part| self.path.contains(part))
    }
}

/// The part of a file before its inline tests.
fn production(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(production, _)| production)
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    production(text).lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Code without comments, and every `use a::{b, c::D}` written out as `a::b` and
/// `a::c::D`, so that a word is found however it was imported.
fn flat_code(text: &str) -> String {
    let code = code_lines(text).collect::<Vec<_>>().join("\n");
    let mut flat = code.clone();
    for import in code.split("use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let import: String = import.split_whitespace().collect();
        let mut prefixes: Vec<String> = vec![String::new()];
        let mut path = String::new();
        for letter in import.chars().chain([',']) {
            let prefix = prefixes.last().cloned().unwrap_or_default();
            match letter {
                '{' => prefixes.push(prefix + &std::mem::take(&mut path)),
                ',' | '}' => {
                    flat.push_str(&format!("\n{prefix}{path};"));
                    path.clear();
                    if letter == '}' {
                        prefixes.pop();
                    }
                }
                letter => path.push(letter),
            }
        }
    }
    flat
}

/// Whether `word` stands in `code` as a word of its own.
fn names(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a manifest names the crate under `[dependencies]`.
fn depends_on(manifest: &str, krate: &str) -> bool {
    let section = manifest
        .split("\n[")
        .find(|section| section.trim_start_matches('[').starts_with("dependencies]"));
    section
        .unwrap_or_default()
        .lines()
        .any(|line| line.strip_prefix(krate).is_some_and(|rest| rest.starts_with(['.', ' ', '='])))
}

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn workspace_sources() -> Vec<Source> {
    let root = workspace_root();
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["frontend", "shared", "stoa", "worker"].iter().map(|krate| root.join(krate)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources
}
