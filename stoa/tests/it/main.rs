//! The program `stoa` from outside: its answers beside the go command's.
//!
//! Every test starts the real binary with nothing but environment variables, speaks HTTP
//! to it or lets the installed go command do so, and looks at its storage directory. Its
//! repositories come from [`stoa_shared::testing::repository`]; everything is on loopback.

// Tests may unwrap, and the versions of the tools belong into the log of a run.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bad_input;
mod fleet;
mod go_client;
mod go_command;
mod http_client;
mod kill;
mod memory;
mod metrics;
mod module_zip;
mod oracle;
mod page_server;
mod proxy;
mod static_tree;
mod stoa_process;
mod stories;

/// Whether this is the long run: the full figures instead of a slice of them.
fn soak() -> bool {
    std::env::var("STOA_SOAK").is_ok_and(|value| value == "1")
}
