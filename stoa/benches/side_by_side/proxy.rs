//! A proxy that has nothing, before a static upstream: the go command downloads the corpus
//! through it, beside the same download straight from that upstream.

use std::time::{Duration, Instant};

use crate::Bench;
use crate::client::{self, chosen, download};
use crate::memory::{Memory, Sampler};
use crate::nginx::Nginx;
use crate::outcome::{Failure, Naming, Outcome};
use crate::report::{Bound, Row, Unit, median};
use crate::stoa_process::StoaSettings;

/// Only bounds a wait for what never comes.
const FILLED_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let nginx = client::start_nginx(bench)?;
    let mut straight = Vec::new();
    let mut modes = [Mode::new("wait"), Mode::new("redirect_and_fill")];
    for _ in bench.plan.rounds(bench.plan.client_rounds) {
        straight.push(download(bench, nginx.authority()).naming("nginx")?);
        for mode in &mut modes {
            mode.measure(bench, &nginx).naming(mode.name)?;
        }
    }
    let straight = median(straight);
    Ok(modes.into_iter().flat_map(|mode| mode.rows(bench, straight)).collect())
}

/// What was measured of one download mode, in every round.
struct Mode {
    name: &'static str,
    /// Seconds, through a proxy that has nothing.
    cold: Vec<f64>,
    /// Seconds, through one that has everything by then.
    warm: Vec<f64>,
    memory: Vec<Memory>,
}

impl Mode {
    fn new(name: &'static str) -> Self {
        Self { name, cold: Vec::new(), warm: Vec::new(), memory: Vec::new() }
    }

    fn measure(&mut self, bench: &Bench, nginx: &Nginx) -> Outcome<()> {
        let store = bench.directories.unused(&format!("proxy-{}", self.name));
        let stoa = StoaSettings::new(&store)
            .set("STOA_ROLE", "proxy")
            .set("STOA_UPSTREAM", format!("http://{}", nginx.authority()))
            .set("STOA_DOWNLOAD", self.name)
            .start()?;
        let sampler = Sampler::start(stoa.process_id());
        self.cold.push(download(bench, stoa.authority()).naming("cold")?);
        let started = Instant::now();
        for stem in chosen(bench) {
            while !store.join(format!("{stem}.info")).exists() {
                if started.elapsed() > FILLED_WITHIN {
                    return Err(Failure::new(format!("{stem}: not filled")));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.warm.push(download(bench, stoa.authority()).naming("warm")?);
        self.memory.push(sampler.finish()?);
        Ok(())
    }

    fn rows(self, bench: &Bench, straight: f64) -> [Row; 3] {
        let name = self.name;
        let row = |what: &str, seconds| {
            client::row(bench, &format!("{what} proxy, {name}"), median(seconds), straight)
        };
        let peak = self.memory.iter().map(|memory| memory.peak).fold(0.0, f64::max);
        let anonymous = self.memory.iter().map(|memory| memory.anonymous).fold(0.0, f64::max);
        [
            row("cold", self.cold),
            row("warm", self.warm),
            Row::new(
                format!("most resident while doing so, {name}"),
                peak,
                Unit::Mebibytes,
                Bound::None,
            )
            .from(format!("anon {anonymous:.1} MiB"), ""),
        ]
    }
}
