//! Starting the program: what it says when it cannot, and what it can be asked.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{HAPPENS_WITHIN, Site};

/// How a run ended that was not meant to last, and what it printed.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program to its end, with nothing but these settings. One that lasts is killed
/// and has no code.
fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stoa"))
        .args(arguments)
        .env_clear()
        .envs(settings.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > HAPPENS_WITHIN {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn storage(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

#[test]
fn a_directory_has_one_process() {
    let site = Site::new("start-twice");
    let stoa = site.settings().start();
    let second = run(
        &[],
        &[
            ("STOA_STORAGE", &storage(&site.storage())),
            ("STOA_LISTEN", "127.0.0.1:0"),
            ("STOA_ADMIN_LISTEN", "127.0.0.1:0"),
        ],
    );
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    let directory = site.storage().display().to_string();
    for words in [&directory, "in use by another Stoa process", &stoa.process_id().to_string()] {
        assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
    }
    assert_eq!(stoa.get("/readyz").status, 200);
}

#[test]
fn a_port_has_one_process() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    for setting in ["STOA_LISTEN", "STOA_ADMIN_LISTEN"] {
        let site = Site::new(&format!("start-port-{setting}"));
        let mut settings =
            vec![("STOA_LISTEN", "127.0.0.1:0"), ("STOA_ADMIN_LISTEN", "127.0.0.1:0")];
        let storage = storage(&site.storage());
        settings.push(("STOA_STORAGE", &storage));
        settings.retain(|(name, _)| *name != setting);
        settings.push((setting, &taken));
        let refused = run(&[], &settings);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        for words in [&format!("cannot listen on {taken}"), setting] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
    }
}

#[test]
fn a_probe_says_whether_the_process_is_ready() {
    let site = Site::new("start-probe");
    let stoa = site.settings().start();
    let admin = stoa.admin().to_owned();
    let settings = [("HOME", "/nowhere"), ("STOA_ADMIN_LISTEN", admin.as_str())];
    let ready = run(&["--probe"], &settings);
    assert_eq!((ready.code, ready.stdout.as_str()), (Some(0), "ready\n"), "{}", ready.stderr);

    stoa.kill();
    let gone = run(&["--probe"], &settings);
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""));
    assert!(gone.stderr.starts_with(&format!("http://{admin}/readyz: ")), "{}", gone.stderr);
    assert_eq!(gone.stderr.lines().count(), 1);
}

#[test]
fn an_operators_command_trusts_what_the_configuration_trusts() {
    let site = Site::new("start-roots");
    std::fs::create_dir_all(&site.directory).unwrap();
    let roots = site.directory.join("roots.pem");
    std::fs::write(&roots, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let settings = [("HOME", "/nowhere"), ("STOA_CA_FILE", roots.to_str().unwrap())];
    let arguments = ["dead-letters", "list", "--url", "https://127.0.0.1:9"];
    let refused = run(&arguments, &settings);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.starts_with("no connection can be set up: "), "{}", refused.stderr);
    let unreachable = run(&arguments, &settings[..1]);
    assert!(unreachable.stderr.contains("cannot be reached"), "{}", unreachable.stderr);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let site = Site::new("start-directory");
    let file = site.directory.join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let refused = run(&[], &[("STOA_STORAGE", &storage(&file.join("storage")))]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains(&file.display().to_string()), "{}", refused.stderr);
}

#[test]
fn every_mistake_in_the_configuration_is_told_at_once() {
    let settings = [
        ("HOME", "/nowhere"),
        ("STOA_WAIT", "120"),
        ("STOA_SLOTS", "0"),
        ("STOA_LISTN", "127.0.0.1:3000"),
        ("STOA_ADMIN_TOKEN", "hunter2"),
    ];
    for arguments in [&[][..], &["--check-config"]] {
        let refused = run(arguments, &settings);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        let mistakes: Vec<&str> = refused.stderr.lines().collect();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        for name in ["STOA_WAIT: ", "STOA_SLOTS: ", "STOA_LISTN: "] {
            let told = mistakes.iter().filter(|mistake| mistake.starts_with(name)).count();
            assert_eq!(told, 1, "{name} in {mistakes:?}");
        }
        assert!(!refused.stderr.contains("hunter2"));
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn the_program_explains_itself() {
    let checked = run(
        &["--check-config"],
        &[("HOME", "/home/user"), ("STOA_WAIT", "5s"), ("STOA_ADMIN_TOKEN", "hunter2")],
    );
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("wait = \"5s\" # environment"), "{}", checked.stdout);
    assert!(checked.stdout.contains("slots = \"4\" # default"), "{}", checked.stdout);
    assert!(!checked.stdout.contains("hunter2"), "{}", checked.stdout);

    let help = run(&["--help"], &[]);
    assert_eq!(help.code, Some(0), "{}", help.stderr);
    for words in
        ["--config", "--check-config", "--probe", "STOA_LISTEN", "STOA_STORAGE", "STOA_VCS_REWRITE"]
    {
        assert!(help.stdout.contains(words), "{words}: {}", help.stdout);
    }
    assert_eq!(run(&["--version"], &[]).stdout, concat!("stoa ", env!("CARGO_PKG_VERSION"), "\n"));
    let unknown = run(&["--no-such-switch"], &[]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("--no-such-switch"), "{}", unknown.stderr);
}
