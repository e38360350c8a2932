//! `stoa-frontend`: answers the go command in a fleet.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use stoa_frontend::process;
use stoa_shared::command_line;

// Zips and packs come and go in large pieces on many threads; the system's allocator
// keeps what they leave behind.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let command = clap::Command::new(process::PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Answers the go command from the bucket of a fleet, or asks its workers");
    let config = match command_line::read(command, command_line::arguments()) {
        Ok((config, _)) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = command_line::set_up_log(&config) {
        return exit;
    }
    match process::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = command_line::cause(&error), "{error}");
            ExitCode::FAILURE
        }
    }
}
