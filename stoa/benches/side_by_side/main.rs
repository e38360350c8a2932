//! Stoa beside nginx over the same tree, beside plain git for fills, and as a fleet beside
//! its S3 server (design §8).
//!
//! `cargo bench -p stoa --bench side_by_side` prints a table, ratios first, and writes
//! `target/bench/result.json`. Words after `--` choose sections (`start`, `lists`, `warm`,
//! `fills`, `fleet`, `fleet-streams`, `fleet-scale`, `client`, `proxy`);
//! `STOA_BENCH=short` takes four minutes instead of fifteen, and `STOA_BENCH_PROGRAM` names
//! another build of Stoa to measure. It needs go and git, and installs nginx and wrk; the
//! corpus is downloaded once. Fleets need what `make bench` does first: the services, and
//! the programs of a fleet beside `stoa`. Everything listens on loopback and ends with the
//! run.

// A program for the terminal prints.
#![allow(clippy::print_stdout)]

mod client;
mod corpus;
mod directories;
mod fills;
mod fleet;
mod git_host;
mod go_client;
mod http_client;
mod lists;
mod memory;
mod nginx;
mod outcome;
mod packages;
mod plan;
mod program;
mod proxy;
mod report;
mod repositories;
mod rounds;
mod sides;
mod start;
mod stoa_process;
mod text;
mod warm;
mod wrk;

use std::process::ExitCode;
use std::time::Instant;

use corpus::Corpus;
use directories::Directories;
use outcome::Outcome;
use plan::Plan;
use report::{Report, Row};

/// What every section starts from.
struct Bench {
    directories: Directories,
    corpus: Corpus,
    plan: Plan,
}

type Section = fn(&Bench) -> Outcome<Vec<Row>>;

/// In their order; the longest is last because it is the one to lose when time is short.
const SECTIONS: [(&str, Section); 9] = [
    ("start", start::measure),
    ("lists", lists::measure),
    ("warm", warm::measure),
    ("fills", fills::measure),
    ("fleet", fleet::measure_reads),
    ("fleet-streams", fleet::measure_streams),
    ("fleet-scale", fleet::measure_scale),
    ("client", client::measure_warm),
    ("proxy", proxy::measure),
];

fn main() -> ExitCode {
    match run() {
        Ok(report) if report.is_complete() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<Report> {
    packages::install()?;
    let plan = Plan::from_environment()?;
    let directories = Directories::prepare()?;
    let corpus = Corpus::prepare(&directories)?;
    let bench = Bench { directories, corpus, plan };
    let mut report = Report::default();
    for (name, measure) in SECTIONS {
        if !bench.plan.includes(name) {
            continue;
        }
        if bench.plan.is_over() {
            report.add_failure(format!("{name}: no time left"));
            continue;
        }
        println!("measuring {name}");
        let started = Instant::now();
        match measure(&bench) {
            Ok(rows) => report.add(rows),
            Err(failure) => report.add_failure(format!("{name}: {failure}")),
        }
        println!("{name} took {} s", started.elapsed().as_secs());
    }
    report.print();
    report.write(&bench.directories.result(), bench.plan.name)?;
    println!("\nwritten to {}", bench.directories.result().display());
    Ok(report)
}
