//! What Stoa and another server did under the same load, in turns.

use std::time::Duration;

use crate::outcome::{Naming, Outcome};
use crate::plan::Plan;
use crate::report::{Bound, Row, median};
use crate::wrk::Figures;

#[derive(Debug)]
pub(crate) struct Rounds {
    /// What the other server is called.
    beside: &'static str,
    stoa: Vec<Figures>,
    other: Vec<Figures>,
}

impl Rounds {
    /// Has Stoa loaded, the other, Stoa, the other and so on, for the given time each.
    pub(crate) fn alternate(
        plan: &Plan,
        beside: &'static str,
        stoa: impl Fn(Duration) -> Outcome<Figures>,
        other: impl Fn(Duration) -> Outcome<Figures>,
    ) -> Outcome<Self> {
        let mut rounds = Self { beside, stoa: Vec::new(), other: Vec::new() };
        for _ in plan.rounds(plan.warm_rounds) {
            rounds.stoa.push(stoa(plan.warm_round).naming("stoa")?);
            rounds.other.push(other(plan.warm_round).naming(beside)?);
        }
        Ok(rounds)
    }

    /// Requests per second, and the 99th percentile of the time to an answer, as they are
    /// asked of what comes from memory.
    pub(crate) fn request_rows(&self, what: &str) -> [Row; 2] {
        let (ours, theirs) = self.medians(|round| round.p99);
        [
            self.request_row(&format!("{what}, requests"), 1.0),
            Row::ratio(format!("{what}, p99"), ours, theirs, Bound::AtMost(1.2))
                .from(format!("{ours:.2} ms"), format!("{} {theirs:.2} ms", self.beside)),
        ]
    }

    /// Requests per second.
    pub(crate) fn request_row(&self, what: &str, least: f64) -> Row {
        let (stoa, other) = self.medians(|round| round.requests);
        Row::ratio(what, stoa, other, Bound::AtLeast(least))
            .from(format!("{stoa:.0}/s"), format!("{} {other:.0}/s", self.beside))
    }

    /// Bytes per second.
    pub(crate) fn byte_row(&self, what: &str, least: f64) -> Row {
        let (stoa, other) = self.medians(|round| round.mebibytes);
        Row::ratio(what, stoa, other, Bound::AtLeast(least))
            .from(format!("{stoa:.0} MiB/s"), format!("{} {other:.0} MiB/s", self.beside))
    }

    fn medians(&self, figure: fn(&Figures) -> f64) -> (f64, f64) {
        (median(self.stoa.iter().map(figure)), median(self.other.iter().map(figure)))
    }
}
