//! The program `stoa` from outside: its answers beside the go command's.
//!
//! Every test starts the real binary with nothing but environment variables, speaks HTTP
//! to it or lets the installed go command do so, and looks at its storage directory. Its
//! repositories come from [`stoa_shared::testing::repository`]; everything is on loopback.

// Tests may unwrap, and the versions of the tools belong into the log of a run.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod go_command;
mod http_client;
mod module_zip;
mod oracle;
mod page_server;
mod stoa_process;
