//! The images of our programs.

use std::collections::BTreeSet;

use super::{config, dockerfile::Dockerfile, is_pinned, read, workspace_root};

/// Each target is called as the folder of its program.
const TARGETS: [&str; 3] = ["frontend", "worker", "stoa"];

/// What a manifest says, as `key = "value"`.
fn said(manifest: &str, key: &str) -> String {
    let start = format!("{key} = \"");
    let line = manifest.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    line.trim_end_matches('"').to_owned()
}

#[test]
fn every_program_has_an_image_that_runs_it_as_nobody() {
    let dockerfile = Dockerfile::read();
    let license = said(&read("Cargo.toml"), "license");
    let build = dockerfile.image("build").unwrap();
    for target in TARGETS {
        let program = said(&read(&format!("{target}/Cargo.toml")), "name");
        assert!(workspace_root().join(target).join("src/main.rs").exists(), "{program}");
        let built = build.all("RUN").any(|run| run.contains(&format!(" -p {program} ")));
        assert!(built, "{program} is built");
        let image = dockerfile.image(target).unwrap();
        let path = format!("/usr/local/bin/{program}");
        assert!(build.all("RUN").any(|run| run.contains(&format!("target/release/{program}"))));
        let copied = format!("--from=build /programs/{program} {path}");
        assert!(image.all("COPY").any(|copy| copy == copied), "{target}");
        assert_eq!(image.entrypoint(), [path.as_str()], "{target}");
        assert_eq!(image.health_check(), [&path, "--probe"], "{target}");
        let labels = image.last("LABEL").unwrap();
        for (label, value) in [("title", &program), ("licenses", &license)] {
            let label = format!("org.opencontainers.image.{label}=\"{value}\"");
            assert!(labels.contains(&label), "{target}: {label}");
        }
        let user = image.last("USER").unwrap();
        let is_somebody = |id: &str| id.parse::<u32>().unwrap() == 0;
        assert!(!user.split(':').any(is_somebody), "{target}: {user}");
    }
}

#[test]
fn images_stand_on_pinned_ones_of_the_right_version() {
    let dockerfile = Dockerfile::read();
    for image in dockerfile.base_images() {
        assert!(is_pinned(image), "{image}");
    }
    let rust = format!("rust:{}.", said(&read("Cargo.toml"), "rust-version"));
    let build = dockerfile.base_image_of("build");
    assert!(build.starts_with(&rust), "{build}");
    // The programs link to the libraries of the release that they were built on.
    assert!(build.ends_with("-slim-trixie"), "{build}");
    assert_eq!(dockerfile.base_image_of("frontend"), "scratch");
    for target in ["worker", "stoa"] {
        let base = dockerfile.base_image_of(target);
        assert!(base.starts_with("debian:13.") && base.ends_with("-slim"), "{base}");
    }
}

#[test]
fn only_workers_have_git() {
    let dockerfile = Dockerfile::read();
    for target in TARGETS {
        let image = dockerfile.image(target).unwrap();
        assert_eq!(image.has_package("git"), target != "frontend", "{target}");
    }
}

#[test]
fn images_open_what_their_programs_listen_at() {
    let dockerfile = Dockerfile::read();
    for target in TARGETS {
        let image = dockerfile.image(target).unwrap();
        let mut environment = image.environment();
        environment.entry("STOA_STORAGE".to_owned()).or_insert("s3://stoa".to_owned());
        let listeners = config(&environment).listeners;
        let mut ports = BTreeSet::from([listeners.admin.port()]);
        if target != "worker" {
            assert!(listeners.public.ip().is_unspecified(), "{target}");
            ports.insert(listeners.public.port());
        }
        assert_eq!(image.exposed_ports(), ports, "{target}");
    }
}

#[test]
fn what_must_be_written_lies_in_volumes() {
    let dockerfile = Dockerfile::read();
    let volumes = |target| {
        let image = dockerfile.image(target).unwrap();
        let volumes: Vec<String> = image.all("VOLUME").map(str::to_owned).collect();
        (volumes, image.environment())
    };
    assert!(volumes("frontend").0.is_empty());
    for target in ["worker", "stoa"] {
        let (volumes, environment) = volumes(target);
        assert!(volumes.contains(&environment["TMPDIR"]), "{target}");
    }
    let (volumes, environment) = volumes("stoa");
    let storage = environment["STOA_STORAGE"].strip_prefix("file://").unwrap();
    assert!(volumes.iter().any(|volume| volume == storage));
}

#[test]
fn the_build_gets_all_it_reads_and_nothing_else() {
    let ignored = read(".dockerignore");
    let mut patterns = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(patterns.next(), Some("*"));
    let sent: BTreeSet<String> =
        patterns.map(|line| line.strip_prefix('!').unwrap().to_owned()).collect();
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    let manifests = ["Cargo.toml", "Cargo.lock"].map(str::to_owned);
    assert_eq!(sent, members.into_iter().chain(manifests).collect());
}
