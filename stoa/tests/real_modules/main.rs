//! Real public modules, which only a machine with a network can download.
//!
//! Whether they can be downloaded is known only once it was tried, and a test of the
//! standard harness cannot say then that it did not run: it would count as passed. So
//! this target has a `main` of its own that counts it as ignored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the outcome of a run is what it prints")]

mod corpus;
#[path = "../it/go_command.rs"]
#[allow(dead_code, reason = "its records are not wanted here")]
mod go_command;
mod harness;
#[path = "../it/http_client.rs"]
#[allow(dead_code, reason = "only plain requests are made here")]
mod http_client;
#[path = "../it/module_zip.rs"]
mod module_zip;
#[path = "../it/page_server.rs"]
#[allow(dead_code, reason = "only pages that import are served here")]
mod page_server;
mod proxy;
mod real_modules;
#[path = "../it/static_tree.rs"]
mod static_tree;
#[path = "../it/stoa_process.rs"]
#[allow(dead_code, reason = "nothing is killed or measured here")]
mod stoa_process;

use std::process::ExitCode;

use harness::{Arguments, Story};

const STORIES: [Story; 4] = [
    Story {
        name: "real_modules_have_their_public_sums",
        run: real_modules::real_modules_have_their_public_sums,
    },
    Story {
        name: "tags_and_directories_follow_the_path",
        run: real_modules::tags_and_directories_follow_the_path,
    },
    Story {
        name: "a_waiting_proxy_before_their_files_has_all_of_them",
        run: proxy::a_waiting_proxy_before_their_files_has_all_of_them,
    },
    Story {
        name: "a_redirecting_proxy_before_their_files_fills_itself",
        run: proxy::a_redirecting_proxy_before_their_files_fills_itself,
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    harness::main(&STORIES, &arguments)
}
