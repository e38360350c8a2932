//! Credentials: what each host of private modules asks for (`STOA_VCS_CREDENTIALS`).
//!
//! The file names secrets by reference (`reference`), per host (`host`); `file` reads it
//! whole and says of each entry what is wrong with it. It and the files that it refers to
//! are read again as soon as they change, so that a secret is rotated without a restart.
//! A secret leaves this module only as a header or a key for the host that it belongs to.

mod file;
mod host;
mod netrc;
mod reference;

use std::{
    collections::BTreeMap,
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use stoa_shared::config::Secret;
use url::Url;

pub use file::CredentialErrors;

use host::HostPort;

/// The credentials of all hosts; cheap to clone.
#[derive(Clone, Default)]
pub struct Credentials {
    source: Option<Arc<Source>>,
}

/// A way into a host over SSH.
#[derive(Clone)]
pub struct SshAccess {
    /// The host's name.
    pub host: String,
    /// Where its SSH server listens.
    pub port: u16,
    /// As whom to log in.
    pub user: String,
    /// The private key, as `ssh` reads it from a file.
    pub key: Arc<[u8]>,
    /// The host's public keys, as `ssh` reads them from a file.
    pub known_hosts: Arc<[u8]>,
    /// Where those were read.
    pub known_hosts_file: PathBuf,
}

/// A file of credentials, and what it said when it was last readable.
struct Source {
    file: PathBuf,
    environment: BTreeMap<String, String>,
    state: Mutex<State>,
}

struct State {
    hosts: Arc<Hosts>,
    /// The files behind `hosts`, or behind the attempt to replace them.
    stamps: Vec<Stamp>,
}

/// What one reading of the file gave.
#[derive(Default)]
struct Hosts {
    /// Over HTTPS.
    web: Vec<WebAccess>,
    ssh: Vec<Entry<SshAccess>>,
}

struct WebAccess {
    host: HostPort,
    user: String,
    secret: Secret,
}

struct Entry<T> {
    host: HostPort,
    access: T,
}

/// A file as it was when it was read.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// Changes with every writing and every replacement; `None` where there is no file.
    version: Option<(u64, u64, i64, i64)>,
}

impl Credentials {
    /// Reads the file. Secrets that are named by `env:` are those of `environment`, for
    /// as long as the process lives.
    pub fn open(
        file: PathBuf,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CredentialErrors> {
        let environment = environment.into_iter().collect();
        let (hosts, stamps) = read(&file, &environment);
        let state = Mutex::new(State { hosts: Arc::new(hosts?), stamps });
        Ok(Self { source: Some(Arc::new(Source { file, environment, state })) })
    }

    /// The header that a request to `url` carries, if its host is one that we have a
    /// secret for. Whoever sends it elsewhere gives the secret away.
    pub fn authorization(&self, url: &Url) -> Option<HeaderValue> {
        let hosts = self.current()?;
        let port = url.port_or_known_default()?;
        let access = hosts.web.iter().find(|access| access.host.is(url, port))?;
        let text = format!("{}:{}", access.user, access.secret.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// How to get at `url` over SSH: an `ssh` URL of a host with a key, or an `https` URL
    /// of a host with nothing but a key.
    pub fn ssh(&self, url: &Url) -> Option<SshAccess> {
        let hosts = self.current()?;
        let wanted = |entry: &&Entry<SshAccess>| match url.scheme() {
            "ssh" => entry.host.is(url, url.port().unwrap_or(SSH_PORT)),
            // The key's port is SSH's.
            "https" => url.port().is_none() && entry.host.is_named(url),
            _ => false,
        };
        if url.scheme() == "https" && hosts.web.iter().any(|access| access.host.is(url, HTTPS_PORT))
        {
            return None;
        }
        hosts.ssh.iter().find(wanted).map(|entry| entry.access.clone())
    }

    /// Whether the operator has named the host of this `https` or `ssh` URL by giving us
    /// something to show there.
    pub fn name(&self, url: &Url) -> bool {
        let is_web = url.scheme() == "https" && self.authorization(url).is_some();
        is_web || self.ssh(url).is_some()
    }

    /// What the files say now, or said last while they were readable.
    fn current(&self) -> Option<Arc<Hosts>> {
        let source = self.source.as_ref()?;
        let mut state = source.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stamps.iter().any(Stamp::is_outdated) {
            let (hosts, stamps) = read(&source.file, &source.environment);
            state.stamps = stamps;
            match hosts {
                Ok(hosts) => {
                    tracing::info!(file = %source.file.display(), "credentials read anew");
                    state.hosts = Arc::new(hosts);
                }
                Err(error) => {
                    tracing::error!("the credentials stay what they were: {error}");
                }
            }
        }
        Some(Arc::clone(&state.hosts))
    }
}

const HTTPS_PORT: u16 = 443;
const SSH_PORT: u16 = 22;

fn read(
    file: &Path,
    environment: &BTreeMap<String, String>,
) -> (Result<Hosts, CredentialErrors>, Vec<Stamp>) {
    let mut reading = Reading { environment, stamps: Vec::new() };
    let hosts = file::read(file, &mut reading);
    (hosts, reading.stamps)
}

/// One reading of the file and of what it refers to.
struct Reading<'a> {
    environment: &'a BTreeMap<String, String>,
    /// Taken before each file is read: what changes meanwhile is read again.
    stamps: Vec<Stamp>,
}

impl Reading<'_> {
    fn note(&mut self, path: &Path) {
        self.stamps.push(Stamp::of(path));
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let version = fs::metadata(path).ok();
        let version =
            version.map(|file| (file.ino(), file.size(), file.mtime(), file.mtime_nsec()));
        Self { path: path.to_owned(), version }
    }

    fn is_outdated(&self) -> bool {
        Self::of(&self.path) != *self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.source.as_ref().map(|source| &source.file);
        f.debug_struct("Credentials").field("file", &file).finish_non_exhaustive()
    }
}

impl fmt::Debug for SshAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshAccess")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
