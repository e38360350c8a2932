//! The smart protocol over HTTP (and the signs that a server does not speak it).

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use moka::sync::Cache;
use url::Url;

use super::error::{from_egress, from_status};
use super::refs::{parse_id, split};
use super::stream::Body;
use crate::egress::{Deadline, Egress, EgressError, Request, Response, Trust, shown};
use crate::vcs::{Remote, VcsError};

const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");
/// Some hosts let nothing but git itself pass to their repositories.
const AGENT: &str = concat!("git/stoa-", env!("CARGO_PKG_VERSION"));

/// Where a repository was redirected to, and what that place is trusted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) url: Url,
    pub(super) trust: Trust,
}

/// Bases of repositories that were redirected lately, so that their next requests are
/// not redirected again.
#[derive(Debug, Clone)]
pub(super) struct Bases(Cache<Url, Base>);

/// One repository on an HTTP server.
#[derive(Debug)]
pub(super) struct SmartHttp<'a> {
    pub(super) egress: &'a Egress,
    pub(super) bases: &'a Bases,
    pub(super) remote: &'a Remote,
    /// What the remote's own host is shown.
    pub(super) authorization: Option<HeaderValue>,
    /// Whether the repository may be private: then a host that denies access has not said
    /// that there is none.
    pub(super) hides: bool,
    /// Longest answer, in bytes.
    pub(super) body_limit: u64,
    pub(super) deadline: Deadline,
}

/// The answer to `info/refs`.
#[derive(Debug)]
pub(super) enum InfoRefs {
    /// An advertisement.
    Smart(Body),
    /// A file: the dumb protocol.
    Dumb(Base),
}

impl Bases {
    pub(super) fn new() -> Self {
        let cache = Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(600));
        Self(cache.build())
    }
}

impl SmartHttp<'_> {
    /// Asks what the server can do. Exactly the given URL is tried: no `.git` is added,
    /// as git adds none.
    pub(super) async fn info_refs(&self) -> Result<InfoRefs, VcsError> {
        let mut headers = headers();
        headers.insert(GIT_PROTOCOL, HeaderValue::from_static("version=2"));
        let base = self.original();
        let mut url = endpoint(&base.url, "info/refs");
        url.set_query(Some("service=git-upload-pack"));
        let request = self.request(url, base.trust, headers);
        let response = self.egress.get(request).await.map_err(from_egress)?;
        match self.judge(response).await {
            // Hosts that hide private repositories ask for credentials where nothing is;
            // the page beside it tells (go-modules §3.2).
            Err(error @ VcsError::AccessDenied { .. }) if self.hides => Err(error),
            Err(error @ (VcsError::AccessDenied { .. } | VcsError::InvalidData { .. })) => {
                let request = self.request(base.url, base.trust, HeaderMap::new());
                match self.egress.get(request).await.map(|page| page.status().as_u16()) {
                    Ok(404 | 410) => Err(VcsError::RepositoryNotFound { url: self.shown() }),
                    _ => Err(error),
                }
            }
            judged => judged,
        }
    }

    /// Sends a request of either version and returns the answer's body.
    pub(super) async fn upload_pack(&self, request: Bytes, is_v2: bool) -> Result<Body, VcsError> {
        let mut headers = headers();
        let kind = HeaderValue::from_static("application/x-git-upload-pack-request");
        headers.insert(CONTENT_TYPE, kind);
        if is_v2 {
            headers.insert(GIT_PROTOCOL, HeaderValue::from_static("version=2"));
        }
        let base = self.bases.0.get(&self.remote.url).unwrap_or_else(|| self.original());
        let url = endpoint(&base.url, "git-upload-pack");
        let sent = self.request(url, base.trust, headers);
        let response = self.egress.post(sent, request).await.map_err(from_egress)?;
        self.expect(response, "application/x-git-upload-pack-result")
    }

    fn expect(&self, response: Response, content_type: &str) -> Result<Body, VcsError> {
        let status = response.status().as_u16();
        if status != 200 {
            return Err(from_status(&self.shown(), status));
        }
        if response.header(CONTENT_TYPE) != Some(content_type) {
            let reason = format!("not {content_type}");
            return Err(VcsError::InvalidData { url: self.shown(), reason });
        }
        Ok(Body::Http(Box::new(response)))
    }

    /// Smart, dumb, or no git server at all.
    async fn judge(&self, mut response: Response) -> Result<InfoRefs, VcsError> {
        let status = response.status().as_u16();
        let smart = "application/x-git-upload-pack-advertisement";
        if status == 200 && response.header(CONTENT_TYPE) != Some(smart) {
            let base = self.base_of(&response)?;
            return if is_ref_file(&mut response).await.map_err(from_egress)? {
                Ok(InfoRefs::Dumb(base))
            } else {
                let reason = "info/refs is no list of refs".to_owned();
                Err(VcsError::InvalidData { url: self.shown(), reason })
            };
        }
        if status == 200 {
            let base = self.base_of(&response)?;
            if base == self.original() {
                self.bases.0.invalidate(&self.remote.url);
            } else {
                self.bases.0.insert(self.remote.url.clone(), base);
            }
        }
        self.expect(response, smart).map(InfoRefs::Smart)
    }

    /// Where the repository is, now that `info/refs` was found.
    fn base_of(&self, response: &Response) -> Result<Base, VcsError> {
        let mut url = response.url().clone();
        let asked = endpoint(&self.remote.url, "info/refs");
        if url.origin() == asked.origin() && url.path() == asked.path() {
            return Ok(self.original());
        }
        let Some(path) = url.path().strip_suffix("/info/refs").map(str::to_owned) else {
            let reason = format!("info/refs redirects to {}", shown(&url));
            return Err(VcsError::InvalidData { url: self.shown(), reason });
        };
        url.set_path(&path);
        url.set_query(None);
        Ok(Base { url, trust: response.trust() })
    }

    fn original(&self) -> Base {
        let trust = if self.remote.is_trusted { Trust::Named } else { Trust::Foreign };
        Base { url: self.remote.url.clone(), trust }
    }

    fn request(&self, url: Url, trust: Trust, mut headers: HeaderMap) -> Request {
        if let Some(authorization) = &self.authorization
            && url.origin() == self.remote.url.origin()
        {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Request { url, trust, headers, body_limit: self.body_limit, deadline: self.deadline }
    }

    fn shown(&self) -> String {
        shown(&self.remote.url)
    }
}

/// Whether a body is what `git update-server-info` writes: lines of id, tab and name,
/// or nothing for an empty repository.
async fn is_ref_file(response: &mut Response) -> Result<bool, EgressError> {
    let mut start = Vec::new();
    while start.len() < 65 {
        match response.chunk().await? {
            Some(chunk) => start.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(start.is_empty() || parse_id(split(&start, b'\t').0).is_some())
}

fn endpoint(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{name}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url
}

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(AGENT))])
}
