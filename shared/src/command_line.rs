//! The command line that all programs have: few switches, because settings live in the
//! configuration.

use std::{error::Error, ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::{
    config::{self, Config},
    probe::probe,
    telemetry,
};

const CONFIG: &str = "config";
const CHECK_CONFIG: &str = "check-config";
const PROBE: &str = "probe";

/// Adds the switches that every program has.
pub fn with_switches(command: Command) -> Command {
    let file = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Configuration file (TOML); the environment wins over it");
    let check = Arg::new(CHECK_CONFIG)
        .long(CHECK_CONFIG)
        .action(ArgAction::SetTrue)
        .help("Report every setting's value and source, or every mistake, and exit");
    let probe =
        Arg::new(PROBE).long(PROBE).action(ArgAction::SetTrue).conflicts_with(CHECK_CONFIG).help(
            "Ask the process that runs with this configuration whether it is ready, and exit",
        );
    command.arg(file).arg(check).arg(probe).after_help(config::help())
}

/// Reads command line and configuration. The error is the exit code of a process that
/// has nothing (more) to do; its reason was printed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "there is no log yet")]
pub fn read(
    command: Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(Config, ArgMatches), ExitCode> {
    let matches = with_switches(command).try_get_matches_from(arguments).map_err(|error| {
        // Nothing is left to tell whoever closed the other end.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    })?;
    let file = matches.get_one::<PathBuf>(CONFIG).map(PathBuf::as_path);
    let config = Config::load(file, config::environment()).map_err(|mistakes| {
        eprintln!("{mistakes}");
        ExitCode::from(2)
    })?;
    if matches.get_flag(CHECK_CONFIG) {
        print!("{}", config.describe());
        return Err(ExitCode::SUCCESS);
    }
    if matches.get_flag(PROBE) {
        return Err(report_readiness(&config));
    }
    Ok((config, matches))
}

/// Says in one line whether the running process is ready; the exit code says it too.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what whoever probes asked for")]
fn report_readiness(config: &Config) -> ExitCode {
    match probe(config.listeners.admin) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves with the configuration until told to stop: sets up the log, and puts there why
/// it could not go on.
#[expect(clippy::print_stderr, reason = "there is no log yet")]
pub fn serve<E: Error>(config: &Config, run: impl FnOnce(&Config) -> Result<(), E>) -> ExitCode {
    if let Err(error) = telemetry::set_up(&config.log) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(cause, "{error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments of this process.
pub fn arguments() -> impl Iterator<Item = OsString> {
    config::arguments()
}
