//! The Dockerfile and the compose file name programs, settings, ports and paths: each is
//! held against the programs here, because an engine that would notice is seldom at hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compose;
mod compose_file;
mod compose_schema;
mod dockerfile;
mod dockerfiles;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use stoa_shared::config::{Config, settings};

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace_root().join(path)).unwrap()
}

/// Whether an image is always the same: its tag says at least `major.minor`.
fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = name.split_once(':').map_or("", |(_, tag)| tag);
    let mut numbers = tag.split(['.', '-']);
    let mut is_number =
        || numbers.next().is_some_and(|part| !part.is_empty() && part.parse::<u32>().is_ok());
    is_number() && is_number()
}

/// What a process is told by an environment; all of it has to be right.
fn config(environment: &BTreeMap<String, String>) -> Config {
    let others = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TMPDIR"];
    for name in environment.keys() {
        let is_setting = settings::ALL.iter().any(|setting| setting.variable == name);
        assert!(is_setting || others.contains(&name.as_str()), "{name} is no setting");
    }
    let variables = environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    // Storage has no default without a home, and these processes have none.
    Config::load(None, variables).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn a_tag_that_may_move_pins_nothing() {
    for image in ["debian:13.6-slim", "localhost:5000/redis:8.2.8-alpine"] {
        assert!(is_pinned(image), "{image}");
    }
    for image in ["debian", "debian:latest", "redis:8", "redis:8-alpine", "host:5000/redis"] {
        assert!(!is_pinned(image), "{image}");
    }
}
