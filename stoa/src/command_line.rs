//! The command line: few switches, because settings live in the configuration.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser};
use stoa_shared::{
    config::{self, Config},
    telemetry,
};

/// A Go module proxy and registry: frontend and worker in one process.
///
/// Without any setting it listens on 127.0.0.1:3000 and stores below your data
/// directory. Try: GOPROXY=http://127.0.0.1:3000 go mod download
#[derive(Debug, Parser)]
#[command(name = "stoa", version)]
struct CommandLine {
    /// Configuration file (TOML); the environment wins over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Report every setting's value and source, or every mistake, and exit
    #[arg(long)]
    check_config: bool,
}

/// Reads command line and configuration and sets up the log. The error is the exit
/// code of a process that has nothing (more) to do; its reason was printed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "there is no log yet")]
pub(crate) fn read() -> Result<Config, ExitCode> {
    let command = CommandLine::command().after_help(config::help());
    let arguments = match command.try_get_matches() {
        Ok(matches) => CommandLine::from_arg_matches(&matches),
        Err(error) => Err(error),
    };
    let arguments = arguments.map_err(|error| {
        // Nothing is left to tell whoever closed the other end.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    })?;
    let config = Config::load(arguments.config.as_deref(), config::environment());
    let config = config.map_err(|mistakes| {
        eprintln!("{mistakes}");
        ExitCode::from(2)
    })?;
    if arguments.check_config {
        print!("{}", config.describe());
        return Err(ExitCode::SUCCESS);
    }
    if let Err(error) = telemetry::set_up(&config.log) {
        eprintln!("{error}");
        return Err(ExitCode::FAILURE);
    }
    Ok(config)
}
