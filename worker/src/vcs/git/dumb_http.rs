//! Repositories that lie on a web server as plain files, by the git program.
//!
//! Rare, and slow by nature: every object is a request. Redirects are not followed and
//! the checked address is pinned, because git resolves names itself otherwise.

use std::ffi::OsString;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use stoa_shared::metrics::Metrics;
use tempfile::{NamedTempFile, TempDir};

use super::error::from_egress;
use super::process::Input;
use super::program::{GitProgram, Invocation};
use super::refs::RefCollector;
use super::smart_http::Base;
use super::stream::{self, Body, from_program};
use crate::egress::{Deadline, Egress, Trust};
use crate::vcs::pack::{Limits, ObjectStore};
use crate::vcs::{
    Capabilities, FetchRequest, History, ObjectFormat, ObjectId, Protocol, RefListing, VcsError,
};

/// How often the size of what was fetched so far is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// One repository on a dumb server.
#[derive(Debug)]
pub(super) struct DumbHttp<'a> {
    pub(super) program: &'a GitProgram,
    pub(super) egress: &'a Egress,
    pub(super) base: Base,
    /// What the base's host is shown.
    pub(super) authorization: Option<HeaderValue>,
    /// How the repository is shown.
    pub(super) url: String,
    pub(super) temp_dir: &'a Path,
    pub(super) deadline: Deadline,
    pub(super) metrics: &'a Metrics,
}

impl DumbHttp<'_> {
    /// Lists the refs; `limit` counts them, `bytes` the listing.
    pub(super) async fn list_refs(&self, limit: usize, bytes: u64) -> Result<RefListing, VcsError> {
        let url = self.base.url.as_str();
        let (mut invocation, _roots) = self.over_network().await?;
        invocation.arguments = ["ls-remote", "--quiet", "--", url].map(OsString::from).into();
        let output = self.run(invocation, bytes).await?;
        self.metrics.vcs_received_bytes().inc_by(output.len() as u64);
        let mut refs = RefCollector::new(limit);
        for line in output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            refs.add_line(line, b'\t').map_err(|error| error.into_failure(&self.url).error)?;
        }
        let object_format = match refs.any_id() {
            Some(ObjectId::Sha256(_)) => ObjectFormat::Sha256,
            _ => ObjectFormat::Sha1,
        };
        Ok(refs.finish(Capabilities {
            protocol: Protocol::Dumb,
            object_format,
            can_filter: false,
            can_be_shallow: false,
        }))
    }

    /// Fetches all heads and tags, and packs what was asked for.
    pub(super) async fn fetch(
        &self,
        format: ObjectFormat,
        request: &FetchRequest,
        limits: &Limits,
    ) -> Result<ObjectStore, VcsError> {
        let repository = self.program.init(self.temp_dir, format, self.deadline).await;
        let repository = repository.map_err(|error| from_program(&self.url, error))?;
        let (mut invocation, _roots) = self.over_network().await?;
        invocation.repository = Some(repository.path().to_owned());
        invocation.arguments = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--",
            self.base.url.as_str(),
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        ]
        .map(OsString::from)
        .into();
        tokio::select! {
            fetched = self.run(invocation, 1 << 20) => drop(fetched?),
            () = outgrown(repository.path(), limits.pack_bytes) => {
                let limit = format!("more than {} bytes of pack", limits.pack_bytes);
                return Err(VcsError::LimitExceeded { url: self.url.clone(), limit });
            }
        }
        let commits = self.peeled_wants(&repository, request).await?;
        self.pack(&repository, format, request, &commits, limits).await
    }

    /// The commits that the wants peel to; fails on the first want that is not here.
    async fn peeled_wants(
        &self,
        repository: &TempDir,
        request: &FetchRequest,
    ) -> Result<Vec<String>, VcsError> {
        let input: String = request.wants.iter().map(|want| format!("{want}^{{}}\n")).collect();
        let invocation = Invocation {
            repository: Some(repository.path().to_owned()),
            arguments: vec!["cat-file".into(), "--batch-check".into()],
            input: Input::Bytes(input.into()),
            ..Invocation::default()
        };
        let output = self.run(invocation, 200 * request.wants.len() as u64).await?;
        let output = String::from_utf8_lossy(&output);
        let mut commits = Vec::new();
        // One line each, in order: id, kind and size, or the question and "missing".
        for (want, line) in request.wants.iter().zip(output.lines()) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                [id, "commit", _] => commits.push(id.to_owned()),
                [_, "missing"] => {
                    return Err(VcsError::ObjectNotFound { url: self.url.clone(), id: *want });
                }
                _ => {}
            }
        }
        Ok(commits)
    }

    async fn pack(
        &self,
        repository: &TempDir,
        format: ObjectFormat,
        request: &FetchRequest,
        commits: &[String],
        limits: &Limits,
    ) -> Result<ObjectStore, VcsError> {
        let mut input = String::new();
        if request.history == History::Tip {
            // History ends at these.
            input.extend(commits.iter().map(|commit| format!("--shallow {commit}\n")));
        }
        input.extend(request.wants.iter().map(|want| format!("{want}\n")));
        let mut arguments: Vec<OsString> =
            ["pack-objects", "--revs", "--stdout", "--quiet"].map(OsString::from).into();
        if let Some(filter) = request.contents.filter() {
            arguments.push(format!("--filter={filter}").into());
        }
        let invocation = Invocation {
            repository: Some(repository.path().to_owned()),
            arguments,
            input: Input::Bytes(input.into()),
            ..Invocation::default()
        };
        let running = self.program.start(invocation, self.deadline);
        let running = running.map_err(|error| from_program(&self.url, error))?;
        let (limits, keep) = (limits.clone(), request.contents);
        // What git itself received it does not say; this much of it was asked for.
        let received = |bytes| self.metrics.vcs_received_bytes().inc_by(bytes);
        stream::parse(Body::Process(Box::new(running)), &self.url, received, move |reader| {
            Ok(ObjectStore::read(reader, format, &limits, keep)?)
        })
        .await
        .map_err(|failure| failure.error)
    }

    async fn run(&self, invocation: Invocation, limit: u64) -> Result<Vec<u8>, VcsError> {
        let output = self.program.run(invocation, limit, self.deadline).await;
        output.map_err(|error| from_program(&self.url, error))
    }

    /// Settings for a run that connects by itself, and a file that it needs meanwhile.
    async fn over_network(&self) -> Result<(Invocation, Option<NamedTempFile>), VcsError> {
        let Base { url, trust } = &self.base;
        let addresses = self.egress.checked_addresses(url, *trust).await.map_err(from_egress)?;
        let mut invocation = Invocation::default();
        // Others see a program's arguments, and redirects are not followed.
        if let Some(header) = self.authorization.as_ref().and_then(|value| value.to_str().ok()) {
            invocation.environment.extend([
                ("GIT_CONFIG_COUNT", "1".into()),
                ("GIT_CONFIG_KEY_0", "http.extraHeader".into()),
                ("GIT_CONFIG_VALUE_0", format!("Authorization: {header}").into()),
            ]);
        }
        // A host that turns smart for git itself would get around our limits.
        invocation.environment.push(("GIT_SMART_HTTP", "0".into()));
        if *trust == Trust::Foreign && !addresses.is_empty() {
            let pin = resolve_option(url.host_str(), url.port_or_known_default(), &addresses);
            invocation.options.push(pin.into());
        }
        if *trust == Trust::Named {
            invocation.environment.push(("GIT_ALLOW_PROTOCOL", "http:https".into()));
        }
        // Without an address only the proxy can know the host: nothing goes past it.
        let proxies = self.egress.proxy().to_variables(addresses.is_empty());
        let proxies = proxies.into_iter().map(|(name, value)| (name, OsString::from(value)));
        invocation.environment.extend(proxies);
        let roots = self.roots_file().map_err(|source| VcsError::Unavailable {
            url: self.url.clone(),
            reason: format!("a temporary file failed: {source}"),
        })?;
        if let Some(roots) = &roots {
            let mut option = OsString::from("http.sslCAInfo=");
            option.push(roots.path());
            invocation.options.push(option);
            // That replaces the platform's file, but not its directory.
            invocation.options.push("http.sslCAPath=/etc/ssl/certs".into());
        }
        Ok((invocation, roots))
    }

    fn roots_file(&self) -> std::io::Result<Option<NamedTempFile>> {
        let Some(pem) = self.egress.extra_roots_pem() else { return Ok(None) };
        let mut file = NamedTempFile::new_in(self.temp_dir)?;
        file.write_all(pem)?;
        Ok(Some(file))
    }
}

/// Returns once the files below a directory have more than `limit` bytes together: git
/// itself has no limit on what it fetches.
async fn outgrown(directory: &Path, limit: u64) {
    loop {
        tokio::time::sleep(LOOK).await;
        let directory = directory.to_owned();
        // What cannot be read just now is being written or removed.
        let size = tokio::task::spawn_blocking(move || size_of(&directory).unwrap_or_default());
        if size.await.is_ok_and(|size| size > limit) {
            return;
        }
    }
}

fn size_of(directory: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        // git renames its files while it works.
        let Ok(metadata) = entry.metadata() else { continue };
        size += if metadata.is_dir() {
            size_of(&entry.path()).unwrap_or_default()
        } else {
            metadata.len()
        };
    }
    Ok(size)
}

/// Pins a host to addresses, in curl's notation.
fn resolve_option(host: Option<&str>, port: Option<u16>, addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        })
        .collect();
    let (host, port) = (host.unwrap_or_default(), port.unwrap_or(443));
    format!("http.curloptResolve={host}:{port}:{}", addresses.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checked_address_is_pinned() {
        let addresses = ["1.1.1.1", "2606:4700::1"].map(|text| text.parse().unwrap());
        assert_eq!(
            resolve_option(Some("h.example"), Some(443), &addresses),
            "http.curloptResolve=h.example:443:1.1.1.1,[2606:4700::1]"
        );
    }
}
