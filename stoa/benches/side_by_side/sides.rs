//! Stoa and nginx over the same tree.

use std::path::PathBuf;

use crate::Bench;
use crate::git_host::GitHost;
use crate::nginx::Nginx;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::stoa_process::{StoaProcess, StoaSettings};
use crate::wrk::Load;

pub(crate) struct Sides<'a> {
    pub(crate) stoa: StoaProcess,
    pub(crate) nginx: Nginx,
    /// What nginx serves.
    pub(crate) root: PathBuf,
    plan: &'a Plan,
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
        Rounds::alternate(
            self.plan,
            "nginx",
            |length| load.put_on(self.stoa.authority(), length),
            |length| load.put_on(self.nginx.authority(), length),
        )
    }
}
