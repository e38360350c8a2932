//! Runs a program to its end and says in one line why it failed.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::outcome::{Failure, Naming, Outcome};

/// Longer than any step takes on a slow machine; it bounds one that never ends.
const LONGEST: &str = "150";

/// A command that is stopped, with the processes it started, when it takes too long.
pub(crate) fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LONGEST, program]);
    command
}

/// Runs it and returns its standard output; an unsuccessful end is a failure.
pub(crate) fn run(command: &mut Command) -> Outcome<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let name = words.join(" ");
    let Output { status, stdout, stderr } = command.output().naming(&name)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&stderr);
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(Failure::new(format!("{name}: {status}: {last}")))
}

/// As [`run`], for its duration.
pub(crate) fn time(command: &mut Command) -> Outcome<Duration> {
    let started = Instant::now();
    run(command)?;
    Ok(started.elapsed())
}
