//! `stoa`: frontend and worker in one process, and the operator's tool.

mod command_line;
mod embedded;

use std::process::ExitCode;

use mimalloc::MiMalloc;

// Zips and packs come and go in large pieces on many threads; the system's allocator
// keeps what they leave behind.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let config = match command_line::read() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match embedded::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
