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
    match command_line::read(command, command_line::arguments()) {
        Ok((config, _)) => command_line::serve(&config, process::run),
        Err(exit) => exit,
    }
}
