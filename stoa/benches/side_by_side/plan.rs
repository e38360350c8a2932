//! How much is measured: the whole in a quarter of an hour, or a short run in four minutes.

use std::time::{Duration, Instant};

use crate::outcome::{Failure, Outcome};

/// Rounds and lengths of one run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// `full` or `short`, for the report.
    pub(crate) name: &'static str,
    /// Alternating rounds a side of each warm row.
    pub(crate) warm_rounds: usize,
    /// Length of one warm round.
    pub(crate) warm_round: Duration,
    /// Alternating rounds a side of the go command's download.
    pub(crate) client_rounds: usize,
    /// How many modules the go command downloads; `None` for the whole corpus.
    pub(crate) client_modules: Option<usize>,
    /// Rounds of cold fills for each repository.
    pub(crate) fill_rounds: usize,
    /// Rounds of fills by fleets of each size.
    pub(crate) scale_rounds: usize,
    /// Starts of the program.
    pub(crate) starts: usize,
    /// No section begins later than this, and none begins another round.
    deadline: Instant,
    /// Sections named on the command line; empty for all.
    sections: Vec<String>,
}

impl Plan {
    /// From `STOA_BENCH` (`short`, `full` or unset) and the words on the command line.
    pub(crate) fn from_environment() -> Outcome<Self> {
        // Cargo adds `--bench` to what the user wrote.
        let sections = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
        let full = Self {
            name: "full",
            warm_rounds: 5,
            warm_round: Duration::from_secs(4),
            client_rounds: 2,
            client_modules: None,
            fill_rounds: 5,
            scale_rounds: 3,
            starts: 5,
            deadline: Instant::now() + Duration::from_secs(13 * 60),
            sections,
        };
        match std::env::var("STOA_BENCH").as_deref() {
            Ok("short") => Ok(Self {
                name: "short",
                warm_rounds: 3,
                warm_round: Duration::from_secs(1),
                client_rounds: 1,
                client_modules: Some(60),
                fill_rounds: 1,
                scale_rounds: 1,
                starts: 3,
                deadline: Instant::now() + Duration::from_secs(200),
                ..full
            }),
            Ok("" | "full") | Err(_) => Ok(full),
            Ok(other) => Err(Failure::new(format!("STOA_BENCH={other}: short or full"))),
        }
    }

    /// Whether the section was asked for.
    pub(crate) fn includes(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|name| name == section)
    }

    /// Whether there is no time left to begin something.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() > self.deadline
    }

    /// Numbers of rounds: the first in any case, the others while there is time.
    pub(crate) fn rounds(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).take_while(|round| *round == 0 || !self.is_over())
    }
}
