//! The compose file against the schema of the Compose Specification, by the loader that
//! compose itself uses.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{read, workspace_root};

const MODULE: &str = "github.com/compose-spec/compose-go/v2";
const VERSION: &str = "v2.16.2";

#[test]
fn the_compose_file_fits_its_schema() {
    let loader = match loader() {
        Ok(loader) => loader,
        Err(reason) => {
            println!("NOT CHECKED against the schema of compose files: {reason}");
            return;
        }
    };
    let compose = read("docker-compose.yml");
    assert_eq!(load(&loader, &compose), Ok(()));
    for (right, wrong) in [
        ("interval:", "intervall:"),
        ("condition: service_healthy", "condition: healthy"),
        ("replicas: 2", "replicas: two"),
        ("$$http_host", "${http_host"),
        ("<<: *backends", "<<: *backend"),
    ] {
        let mistaken = compose.replace(right, wrong);
        assert!(mistaken != compose && load(&loader, &mistaken).is_err(), "{wrong}");
    }
}

/// What the loader says against a compose file.
fn load(loader: &Path, text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("docker-compose.yml");
    fs::write(&file, text).unwrap();
    let run = Command::new(loader).arg(&file).current_dir(&directory).output().unwrap();
    if run.status.success() { Ok(()) } else { Err(String::from_utf8(run.stderr).unwrap()) }
}

/// The loader as a program, built by the go command. A new version is a new directory.
fn loader() -> Result<PathBuf, String> {
    let programs = workspace_root().join(format!("target/tools/compose-go-{VERSION}/bin"));
    let program = programs.join("cmd");
    if program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&programs).unwrap();
    let programs = programs.canonicalize().unwrap();
    let path = env::var("PATH").unwrap_or_default() + ":/usr/local/go/bin";
    let run = Command::new("go")
        .args(["install", &format!("{MODULE}/cmd@{VERSION}")])
        .env("PATH", path)
        .env("GOBIN", &programs)
        .current_dir(&programs)
        .output();
    match run {
        Err(error) => Err(format!("the go command cannot be run: {error}")),
        Ok(run) if run.status.success() => Ok(program),
        Ok(run) => Err(String::from_utf8_lossy(&run.stderr).into_owned()),
    }
}
