//! `stoa`: frontend and worker in one process, and the operator's tool.

mod admin_client;
mod dead_letters;
mod embedded;

use std::process::ExitCode;

use clap::{ArgMatches, Command};
use mimalloc::MiMalloc;
use stoa_shared::{command_line, config::Config};

// Zips and packs come and go in large pieces on many threads; the system's allocator
// keeps what they leave behind.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ABOUT: &str = "A Go module proxy and registry: frontend and worker in one process.

Without any setting it listens on 127.0.0.1:3000 and stores below your data directory. \
Try: GOPROXY=http://127.0.0.1:3000 go mod download";

fn main() -> ExitCode {
    let command = Command::new("stoa")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .subcommand(dead_letters::command());
    match command_line::read(command, command_line::arguments()) {
        Ok((config, matches)) => match matches.subcommand() {
            Some((dead_letters::NAME, matches)) => operate(&config, matches),
            _ => command_line::serve(&config, embedded::run),
        },
        Err(exit) => exit,
    }
}

#[expect(clippy::print_stderr, reason = "an operator's command has no log")]
fn operate(config: &Config, matches: &ArgMatches) -> ExitCode {
    match dead_letters::run(config, matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_enough() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
