//! Stoa and nginx over the same tree, loaded in turns.

use std::path::PathBuf;

use crate::Bench;
use crate::git_host::GitHost;
use crate::nginx::Nginx;
use crate::outcome::{Naming, Outcome};
use crate::plan::Plan;
use crate::report::{Bound, Row, median};
use crate::stoa_process::{StoaProcess, StoaSettings};
use crate::wrk::{Figures, Load};

pub(crate) struct Sides<'a> {
    pub(crate) stoa: StoaProcess,
    pub(crate) nginx: Nginx,
    /// What nginx serves.
    pub(crate) root: PathBuf,
    plan: &'a Plan,
}

/// What each side did in its turns.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    stoa: Vec<Figures>,
    nginx: Vec<Figures>,
}

impl<'a> Sides<'a> {
    /// Two directories with the corpus in them; a version Stoa lacks comes from `host`.
    pub(crate) fn start(bench: &'a Bench, host: &GitHost) -> Outcome<Self> {
        let Bench { directories, corpus, plan } = bench;
        let (store, root) = (directories.unused("store"), directories.unused("root"));
        corpus.link_into(&store)?;
        corpus.link_into(&root)?;
        let stoa = StoaSettings::new(&store).set("STOA_VCS_REWRITE", host.setting()).start()?;
        let nginx = Nginx::start(&root, &directories.scratch("nginx"))?;
        Ok(Self { stoa, nginx, root, plan })
    }

    /// Loads Stoa, nginx, Stoa, nginx and so on.
    pub(crate) fn alternate(&self, load: &Load) -> Outcome<Rounds> {
        let mut rounds = Rounds::default();
        for _ in self.plan.rounds(self.plan.warm_rounds) {
            let length = self.plan.warm_round;
            rounds.stoa.push(load.put_on(self.stoa.authority(), length).naming("stoa")?);
            rounds.nginx.push(load.put_on(self.nginx.authority(), length).naming("nginx")?);
        }
        Ok(rounds)
    }
}

impl Rounds {
    fn medians(&self, figure: fn(&Figures) -> f64) -> (f64, f64) {
        (median(self.stoa.iter().map(figure)), median(self.nginx.iter().map(figure)))
    }

    /// Requests per second, and the 99th percentile of the time to an answer.
    pub(crate) fn request_rows(&self, what: &str) -> [Row; 2] {
        let (stoa, nginx) = self.medians(|round| round.requests);
        let (ours, theirs) = self.medians(|round| round.p99);
        [
            Row::ratio(format!("{what}, requests"), stoa, nginx, Bound::AtLeast(1.0))
                .from(format!("{stoa:.0}/s"), format!("nginx {nginx:.0}/s")),
            Row::ratio(format!("{what}, p99"), ours, theirs, Bound::AtMost(1.2))
                .from(format!("{ours:.2} ms"), format!("nginx {theirs:.2} ms")),
        ]
    }

    /// Bytes per second.
    pub(crate) fn byte_row(&self, what: &str) -> Row {
        let (stoa, nginx) = self.medians(|round| round.mebibytes);
        Row::ratio(what, stoa, nginx, Bound::AtLeast(1.0))
            .from(format!("{stoa:.0} MiB/s"), format!("nginx {nginx:.0} MiB/s"))
    }
}
