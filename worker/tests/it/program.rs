//! What the program says of itself, and when it is not told enough.

use std::process::Command;

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stoa-worker"))
        .args(arguments)
        .env_clear()
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_process_of_a_fleet_says_what_it_needs() {
    let (code, said) = run(&[], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("STOA_STORAGE") && said.contains("s3://"), "{said}");
    let (code, said) = run(&[], &[("STOA_STORAGE", "s3://bucket")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("STOA_QUEUE") && said.contains("amqp://"), "{said}");
}

#[test]
fn what_is_wrong_with_credentials_is_said_before_anything_is_waited_for() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/credentials.json");
    std::fs::write(file, r#"[{"host": "git.corp.example", "kind": "token", "secret": "hunter2"}]"#)
        .unwrap();
    let fleet = [("STOA_STORAGE", "s3://bucket"), ("STOA_QUEUE", "amqp://127.0.0.1/")];
    let (code, said) = run(&[], &[&fleet[..], &[("STOA_VCS_CREDENTIALS", file)]].concat());
    assert_eq!(code, Some(1), "{said}");
    let problem = format!("STOA_VCS_CREDENTIALS: {file}: entry 1 (git.corp.example): secret: ");
    assert!(said.contains(&problem) && !said.contains("hunter2"), "{said}");
}

#[test]
fn it_explains_itself_and_checks_its_configuration() {
    let (code, said) = run(&["--help"], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("STOA_SLOTS") && said.contains("--check-config"), "{said}");
    let broker = [("STOA_QUEUE", "amqp://user:hunter2@broker/vhost"), ("STOA_SLOTS", "8")];
    let (code, said) = run(&["--check-config"], &broker);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("slots = \"8\" # environment") && !said.contains("hunter2"), "{said}");
    let (code, said) = run(&["--check-config"], &[("STOA_SLOTS", "none")]);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(run(&["--no-such-switch"], &[]).0, Some(2));
}
