//! Load: keep-alive connections that ask for a list of paths over and over.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::directories;
use crate::outcome::{Failure, Outcome};
use crate::program;

/// Paths to ask for, and how many connections ask.
#[derive(Debug)]
pub(crate) struct Load {
    list: PathBuf,
    connections: usize,
}

/// What one round measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Answers per second.
    pub(crate) requests: f64,
    /// MiB per second, headers included.
    pub(crate) mebibytes: f64,
    /// The 99th percentile of the time to an answer, in milliseconds.
    pub(crate) p99: f64,
}

impl Load {
    /// Writes the list into `file`; its order is mixed, the same in every run.
    pub(crate) fn new(file: PathBuf, mut paths: Vec<String>, connections: usize) -> Outcome<Self> {
        mix(&mut paths);
        directories::write(&file, paths.join("\n") + "\n")?;
        Ok(Self { list: file, connections })
    }

    /// Puts it on one server; a refused or broken answer is a failure.
    pub(crate) fn put_on(&self, authority: &str, duration: Duration) -> Outcome<Figures> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/cycle.lua");
        let mut wrk = program::bounded("wrk");
        wrk.args(["--threads", "2", "--timeout", "60s"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{}s", duration.as_secs())])
            .arg("--script")
            .arg(script)
            .arg(format!("http://{authority}/"))
            .arg("--")
            .arg(&self.list);
        parse(&program::run(&mut wrk)?)
    }
}

fn parse(output: &str) -> Outcome<Figures> {
    let numbers: Option<Vec<f64>> = output
        .lines()
        .find_map(|line| line.strip_prefix("figures "))
        .and_then(|line| line.split(' ').map(|word| word.parse().ok()).collect());
    match numbers.as_deref() {
        Some([microseconds, requests, bytes, 0.0, p99]) if *requests > 0.0 => {
            let seconds = microseconds / 1e6;
            Ok(Figures {
                requests: requests / seconds,
                mebibytes: bytes / seconds / f64::from(1 << 20),
                p99: p99 / 1e3,
            })
        }
        Some([_, requests, _, broken, _]) => {
            Err(Failure::new(format!("wrk: {broken} of {requests} requests were not answered")))
        }
        _ => Err(Failure::new(format!("wrk printed no figures: {output}"))),
    }
}

/// A shuffle without a source of chance.
fn mix(paths: &mut [String]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..paths.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let other = (state >> 33) as usize % (at + 1);
        paths.swap(at, other);
    }
}
