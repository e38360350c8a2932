//! Git repositories over the network, by our own client where it counts.
//!
//! A module's first version costs three requests (what can you do, which refs, these
//! objects), its next ones one each while listing and capabilities are remembered
//! (design §8); the git program would ask three times every time. How an answer
//! travels: `smart_http` or `local` yields a body → `stream` carries it to a thread
//! that may block → `pkt_line`, `protocol_v2` or `protocol_v0`, and `side_band` take
//! the pack out → [`pack::ObjectStore`](super::pack::ObjectStore) reads it. `session`
//! decides what to ask. The git program, in `program`, serves dumb servers, `file://`
//! and conversions that we do not implement.

mod advertisement;
mod archive;
mod dumb_http;
mod error;
mod local;
mod pkt_line;
mod program;
mod protocol_v0;
mod protocol_v2;
mod refs;
mod session;
mod side_band;
mod smart_http;
mod stream;
mod tar;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stoa_shared::metrics::{Metrics, VcsOperation};

use super::pack::{Limits, ObjectStore};
use super::{Capabilities, FetchRequest, ObjectId, RefListing, Remote, Vcs, VcsError};
use crate::egress::{Deadline, Egress, shown};

pub use archive::ConvertedFiles;
pub use program::find as find_program;

use archive::Archive;
use dumb_http::DumbHttp;
use error::counted_as;
use local::{LocalRepository, shown_file};
use program::GitProgram;
use session::{Connection, Outcome, Session};
use smart_http::{Base, Bases, SmartHttp};

/// Settings of [`GitVcs`].
#[derive(Debug, Clone)]
pub struct GitConfig {
    /// The git program's absolute path. Default: where [`find_program`] finds it. Without
    /// it everything works but dumb servers, `file://` and conversions.
    pub program: Option<PathBuf>,
    /// Where temporary repositories live. Default: the system's temporary directory.
    pub temp_dir: PathBuf,
    /// Most refs in a listing, those that we skip included. Default 500,000.
    pub refs: usize,
    /// Longest listing, in bytes. Default 256 MiB.
    pub listing_bytes: u64,
    /// What one pack may cost.
    pub pack: Limits,
    /// Most bytes of [`Vcs::convert`] after conversion. Default 1 GiB: a
    /// module may have half of that (go-modules §4.2).
    pub converted_bytes: u64,
    /// Longest time for a listing. Default 60 s.
    pub listing_timeout: Duration,
    /// Longest time for a fetch. Default 8 min: a job has ten.
    pub fetch_timeout: Duration,
}

impl Default for GitConfig {
    fn default() -> Self {
        Self {
            program: find_program(None),
            temp_dir: tempfile::env::temp_dir(),
            refs: 500_000,
            listing_bytes: 256 << 20,
            pack: Limits::default(),
            converted_bytes: 1 << 30,
            listing_timeout: Duration::from_secs(60),
            fetch_timeout: Duration::from_secs(480),
        }
    }
}

/// Git over HTTP and, for repositories that the operator named, from the file system.
#[derive(Debug)]
pub struct GitVcs {
    egress: Egress,
    config: GitConfig,
    program: GitProgram,
    bases: Bases,
    metrics: Arc<Metrics>,
}

impl GitVcs {
    /// Fails if nothing can be created in the directory for temporary files. Requests
    /// and what they bring are counted in `metrics`.
    pub fn new(egress: Egress, config: GitConfig, metrics: Arc<Metrics>) -> io::Result<Self> {
        let program = GitProgram::new(config.program.clone(), &config.temp_dir)?;
        Ok(Self { egress, config, program, bases: Bases::new(), metrics })
    }

    fn session<'a>(
        &'a self,
        remote: &'a Remote,
        body_limit: u64,
        deadline: Deadline,
    ) -> Result<Session<'a>, VcsError> {
        let connection = match remote.url.scheme() {
            "http" | "https" => {
                let Self { egress, bases, .. } = self;
                let server = SmartHttp { egress, bases, remote, body_limit, deadline };
                Connection::Http(server)
            }
            "file" if remote.is_trusted => {
                let directory = LocalRepository::new(&self.program, &remote.url, deadline)?;
                Connection::Local(directory)
            }
            scheme => {
                let reason = format!("refused: {scheme} is not allowed");
                return Err(VcsError::Refused { url: shown_remote(remote), reason });
            }
        };
        let pack_limits = self.config.pack.clone();
        let url = shown_remote(remote);
        let metrics = &*self.metrics;
        Ok(Session { connection, url, ref_limit: self.config.refs, pack_limits, metrics })
    }

    fn dumb(&self, remote: &Remote, base: Base, deadline: Deadline) -> DumbHttp<'_> {
        DumbHttp {
            program: &self.program,
            egress: &self.egress,
            base,
            url: shown_remote(remote),
            temp_dir: &self.config.temp_dir,
            deadline,
            metrics: &self.metrics,
        }
    }
}

/// A repository's address as errors name it.
fn shown_remote(remote: &Remote) -> String {
    match remote.url.scheme() {
        "file" => shown_file(&remote.url),
        _ => shown(&remote.url),
    }
}

#[async_trait]
impl Vcs for GitVcs {
    async fn list_refs(
        &self,
        remote: &Remote,
        capabilities: Option<&Capabilities>,
    ) -> Result<RefListing, VcsError> {
        let deadline = Deadline::after(self.config.listing_timeout);
        let session = self.session(remote, self.config.listing_bytes, deadline)?;
        match session.list_refs(capabilities).await? {
            Outcome::Answer(listing) => Ok(listing),
            Outcome::Dumb(base) => {
                let server = self.dumb(remote, base, deadline);
                let listed = server.list_refs(self.config.refs, self.config.listing_bytes).await;
                let outcome = counted_as(listed.as_ref().err());
                self.metrics.vcs_requests(VcsOperation::Refs, outcome).inc();
                listed
            }
        }
    }

    async fn fetch(
        &self,
        remote: &Remote,
        listing: &RefListing,
        request: &FetchRequest,
    ) -> Result<ObjectStore, VcsError> {
        let deadline = Deadline::after(self.config.fetch_timeout);
        // Framing and progress come on top of the pack, which has a limit of its own.
        let body_limit = self.config.pack.pack_bytes.saturating_mul(2).saturating_add(1 << 20);
        let session = self.session(remote, body_limit, deadline)?;
        match session.fetch(&listing.capabilities, request).await? {
            Outcome::Answer(objects) => Ok(objects),
            Outcome::Dumb(base) => {
                let server = self.dumb(remote, base, deadline);
                let pack_limits = &self.config.pack;
                let fetched = server.fetch(listing.object_format, request, pack_limits).await;
                let outcome = counted_as(fetched.as_ref().err());
                self.metrics.vcs_requests(VcsOperation::Fetch, outcome).inc();
                fetched
            }
        }
    }

    async fn convert(
        &self,
        remote: &Remote,
        objects: &ObjectStore,
        commit: &ObjectId,
        paths: &[Vec<u8>],
    ) -> Result<ConvertedFiles, VcsError> {
        let archive = Archive {
            program: &self.program,
            temp_dir: &self.config.temp_dir,
            url: shown_remote(remote),
            limit: self.config.converted_bytes,
            deadline: Deadline::after(self.config.fetch_timeout),
        };
        archive.convert(objects, commit, paths).await
    }
}
