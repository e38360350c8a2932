//! The git server of a site, driven from synchronous tests.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use stoa_shared::testing::git_server::{Counts, GitServer, Options};
use tokio::runtime::Runtime;

use super::until;

/// A git server that can be stopped and started again at its address.
pub(crate) struct GitHost {
    runtime: Runtime,
    server: Option<GitServer>,
    address: SocketAddr,
    root: PathBuf,
}

impl GitHost {
    /// Serves the repositories below `root`.
    pub(crate) fn start(root: PathBuf) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(GitServer::start(root.clone(), Options::default())).unwrap();
        Self { runtime, address: server.address(), server: Some(server), root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests since the last [`reset_counts`](Self::reset_counts) or start.
    pub(crate) fn counts(&self) -> Counts {
        self.running().counts()
    }

    /// The number of all requests.
    pub(crate) fn asked(&self) -> usize {
        let Counts { info_refs, ls_refs, fetch, pages, other } = self.counts();
        info_refs + ls_refs + fetch + pages + other
    }

    pub(crate) fn reset_counts(&self) {
        self.running().reset_counts();
    }

    /// Behaves differently from the next request on.
    pub(crate) fn behave(&self, options: Options) {
        self.running().set_options(options);
    }

    /// Takes requests and never answers them.
    pub(crate) fn hang(&self) {
        self.behave(Options { delay: Duration::from_secs(3600), ..Options::default() });
    }

    /// Breaks all connections; new ones are refused.
    pub(crate) fn stop(&mut self) {
        self.server = None;
        until("the git server's port is closed", || TcpStream::connect(self.address).is_err());
    }

    /// Serves again at the same address.
    pub(crate) fn start_again(&mut self) {
        let started = GitServer::start_at(self.address, self.root.clone(), Options::default());
        self.server = Some(self.runtime.block_on(started).unwrap());
    }

    fn running(&self) -> &GitServer {
        self.server.as_ref().expect("a test asks the server while it runs")
    }
}
