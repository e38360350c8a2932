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
mod process;
mod program;
mod protocol_v0;
mod protocol_v2;
mod refs;
mod session;
mod side_band;
mod smart_http;
mod ssh;
mod stream;
mod tar;
mod temp_dir;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use stoa_shared::metrics::{Metrics, VcsOperation};

use super::pack::{Limits, ObjectStore};
use super::{Capabilities, FetchRequest, ObjectId, RefListing, Remote, Vcs, VcsError};
use crate::credentials::Credentials;
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
use ssh::SshRepository;
use temp_dir::ProcessDirectory;

/// Settings of [`GitVcs`].
#[derive(Debug, Clone)]
pub struct GitConfig {
    /// The git program's absolute path. Default: where [`find_program`] finds it. Without
    /// it everything works but dumb servers, `file://` and conversions.
    pub program: Option<PathBuf>,
    /// The ssh program's absolute path. Default: where it lies usually. Without it
    /// everything works but hosts that are reached over SSH.
    pub ssh_program: Option<PathBuf>,
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
            ssh_program: ssh::find(),
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

/// Git over HTTP and, for repositories that the operator named, over SSH or from the file
/// system.
#[derive(Debug)]
pub struct GitVcs {
    egress: Egress,
    config: GitConfig,
    temp_dir: ProcessDirectory,
    program: GitProgram,
    bases: Bases,
    metrics: Arc<Metrics>,
    /// Of hosts of private modules; `None` where all modules are public.
    credentials: Option<Credentials>,
}

impl GitVcs {
    /// Fails if nothing can be created in the directory for temporary files. Requests
    /// and what they bring are counted in `metrics`.
    pub fn new(egress: Egress, config: GitConfig, metrics: Arc<Metrics>) -> io::Result<Self> {
        let temp_dir = ProcessDirectory::create_in(&config.temp_dir)?;
        let program = GitProgram::new(config.program.clone(), temp_dir.path())?;
        let (bases, credentials) = (Bases::new(), None);
        Ok(Self { egress, config, temp_dir, program, bases, metrics, credentials })
    }

    /// The same for private modules: with credentials for their hosts, and without taking
    /// anything for absent that may only be hidden from us.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    fn session<'a>(
        &'a self,
        remote: &'a Remote,
        body_limit: u64,
        deadline: Deadline,
    ) -> Result<Session<'a>, VcsError> {
        let ssh = self.credentials.as_ref().and_then(|known| known.ssh(&remote.url));
        let connection = match (remote.url.scheme(), ssh) {
            ("https" | "ssh", Some(access)) => {
                let (program, temp_dir) =
                    (self.config.ssh_program.as_deref(), self.temp_dir.path());
                let (url, shown) = (&remote.url, shown_remote(remote));
                Connection::Ssh(SshRepository::new(
                    program, temp_dir, access, url, shown, deadline,
                )?)
            }
            ("http" | "https", _) => {
                let Self { egress, bases, .. } = self;
                let authorization = self.authorization(remote);
                let hides = self.credentials.is_some();
                Connection::Http(SmartHttp {
                    egress,
                    bases,
                    remote,
                    authorization,
                    hides,
                    body_limit,
                    deadline,
                })
            }
            ("ssh", None) if self.credentials.is_some() => {
                let reason =
                    "is reached over SSH, and STOA_VCS_CREDENTIALS has no key for its host";
                let url = shown_remote(remote);
                return Err(VcsError::NotLetIn { url, reason: reason.to_owned() });
            }
            ("file", _) if remote.is_trusted => {
                let directory = LocalRepository::new(&self.program, &remote.url, deadline)?;
                Connection::Local(directory)
            }
            (scheme, _) => {
                let reason = format!("refused: {scheme} is not allowed");
                return Err(VcsError::Refused { url: shown_remote(remote), reason });
            }
        };
        let pack_limits = self.config.pack.clone();
        let url = shown_remote(remote);
        let metrics = &*self.metrics;
        Ok(Session { connection, url, ref_limit: self.config.refs, pack_limits, metrics })
    }

    /// What the repository's own host is shown; only ever over HTTPS, or where the
    /// operator has it go.
    fn authorization(&self, remote: &Remote) -> Option<HeaderValue> {
        let is_safe = remote.url.scheme() == "https" || remote.is_trusted;
        self.credentials.as_ref().filter(|_| is_safe)?.authorization(&remote.url)
    }

    /// What a failure means where modules are private: a host that does not know us tells
    /// nothing about what it has.
    fn judged(&self, remote: &Remote, error: VcsError) -> VcsError {
        if self.credentials.is_none() {
            return error;
        }
        let has_key =
            self.credentials.as_ref().is_some_and(|known| known.ssh(&remote.url).is_some());
        let is_known = has_key || self.authorization(remote).is_some();
        let (url, reason) = match error {
            VcsError::AccessDenied { url, status } if is_known => {
                let reason = "the host refuses the credentials";
                (url, format!("{reason} (HTTP status {status}); check STOA_VCS_CREDENTIALS"))
            }
            VcsError::AccessDenied { url, status } => {
                let reason = "the host asks for credentials";
                (
                    url,
                    format!(
                        "{reason} (HTTP status {status}), and STOA_VCS_CREDENTIALS has none for it"
                    ),
                )
            }
            VcsError::RepositoryNotFound { url } if is_known => {
                return VcsError::NotVisible { url };
            }
            // Of our own disk nothing is hidden.
            VcsError::RepositoryNotFound { url } if remote.url.scheme() != "file" => {
                let reason = "repository not found, or hidden: STOA_VCS_CREDENTIALS has nothing to show to its host";
                (url, reason.to_owned())
            }
            other => return other,
        };
        VcsError::NotLetIn { url, reason }
    }

    fn dumb(&self, remote: &Remote, base: Base, deadline: Deadline) -> DumbHttp<'_> {
        let is_own = base.url.origin() == remote.url.origin();
        DumbHttp {
            authorization: self.authorization(remote).filter(|_| is_own),
            program: &self.program,
            egress: &self.egress,
            base,
            url: shown_remote(remote),
            temp_dir: self.temp_dir.path(),
            deadline,
            metrics: &self.metrics,
        }
    }

    async fn list(
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

    async fn fetch_objects(
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
        let listed = self.list(remote, capabilities).await;
        listed.map_err(|error| self.judged(remote, error))
    }

    async fn fetch(
        &self,
        remote: &Remote,
        listing: &RefListing,
        request: &FetchRequest,
    ) -> Result<ObjectStore, VcsError> {
        let fetched = self.fetch_objects(remote, listing, request).await;
        fetched.map_err(|error| self.judged(remote, error))
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
            temp_dir: self.temp_dir.path(),
            url: shown_remote(remote),
            limit: self.config.converted_bytes,
            deadline: Deadline::after(self.config.fetch_timeout),
        };
        archive.convert(objects, commit, paths).await
    }
}
