//! The VCS of the comparison: `git http-backend` behind a server that counts requests.

use std::path::PathBuf;
use std::time::Duration;

use stoa_shared::testing::git_server::{Counts, GitServer, Options};
use tokio::runtime::{Builder, Runtime};

use crate::outcome::{Naming, Outcome};
use crate::repositories::OWNER;

/// Stops when dropped. Ours needs no async elsewhere, so the server has its own threads.
pub(crate) struct GitHost {
    server: GitServer,
    _runtime: Runtime,
}

impl GitHost {
    /// Serves the bare repositories below `root`.
    pub(crate) fn start(root: PathBuf) -> Outcome<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).enable_all().build().naming("tokio")?;
        let server =
            runtime.block_on(GitServer::start(root, Options::default())).naming("git server")?;
        Ok(Self { server, _runtime: runtime })
    }

    /// URL of the repository of this name.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.url())
    }

    /// What to set `STOA_VCS_REWRITE` to.
    pub(crate) fn setting(&self) -> String {
        let (from, to) = self.rewrite();
        format!("{from}={to}")
    }

    /// From which URL prefix to which, as git's `insteadOf` needs it.
    pub(crate) fn rewrite(&self) -> (String, String) {
        (format!("https://{OWNER}/"), self.url(""))
    }

    /// Sleeps this long before each answer from now on.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.server.set_options(Options { delay, ..Options::default() });
    }

    /// Requests since the last call of this.
    pub(crate) fn take_requests(&self) -> usize {
        let Counts { info_refs, ls_refs, fetch, pages, other } = self.server.counts();
        self.server.reset_counts();
        info_refs + ls_refs + fetch + pages + other
    }
}
