//! A client of the GOPROXY protocol (go-modules §1): what an upstream, or the module proxy
//! that a page names, says of a module.
//!
//! Only status 200 is an answer; 404 and 410 are absence, 403 is a refusal, everything else
//! is the server's trouble. Answers are parsed here and nothing in them is believed beyond
//! what its parser checks.

mod error;
mod list;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, VIA},
};
use stoa_shared::{
    config::{DeploymentId, Secret, UpstreamCredentials, UpstreamServer},
    metrics::{Endpoint, Metrics, VcsOutcome},
    module::{
        MAX_GO_MOD_SIZE, ModulePath, Origin, Version, VersionInfo, VersionQuery,
        declared_module_path, zip,
    },
    via::Via,
};
use url::Url;

use crate::{
    egress::{Deadline, Egress, Request, Response, Trust},
    vcs::Remote,
};

pub use error::GoProxyError;
pub(crate) use list::Listed;

use error::cleaned;

/// Most bytes of a `.info` or `@latest`.
const INFO_BYTES: u64 = 1 << 20;
/// Most bytes of a list: some million versions.
const LIST_BYTES: u64 = 32 << 20;
/// How much is read of an error's body, for its first line.
const REASON_BYTES: u64 = 4 << 10;

/// The type of what no file of a module is.
const HTML: &str = "text/html";

/// Longest time for a small document. An upstream may have to fetch the module first.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(150);
/// Longest time for a zip: within a job's ten minutes.
const ZIP_TIMEOUT: Duration = Duration::from_secs(480);

/// A server that speaks the protocol.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// What the escaped module path is appended to; without credentials.
    base: Url,
    /// What it is told of us.
    authorization: Option<HeaderValue>,
    trust: Trust,
    /// How it is called in messages.
    name: String,
    /// What must not come back in its messages.
    secrets: Vec<Secret>,
}

/// Asks servers.
#[derive(Debug, Clone)]
pub(crate) struct GoProxies {
    egress: Egress,
    deployment: DeploymentId,
    /// What servers are told of who asks.
    via: HeaderValue,
    metrics: Arc<Metrics>,
}

impl Server {
    /// The operator's.
    pub(crate) fn upstream(server: &UpstreamServer) -> Self {
        let base = server.url().clone();
        let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("{}{port}", base.host_str().unwrap_or_default());
        let mut secrets = Vec::new();
        let authorization = server.credentials().map(|credentials| {
            let UpstreamCredentials { user, password } = credentials;
            let encoded = STANDARD.encode(format!("{user}:{}", password.expose()));
            let value = HeaderValue::from_str(&format!("Basic {encoded}"));
            let mut value = value.expect("base64 is visible ASCII");
            value.set_sensitive(true);
            // A token alone is a user name.
            let password = if password.is_empty() { user } else { password.expose() };
            secrets.extend([password, &encoded].into_iter().filter_map(|text| text.parse().ok()));
            value
        });
        Self { base, authorization, trust: Trust::Upstream, name, secrets }
    }

    /// The one that the page of the modules below `root` names (go-modules §1.13). Where
    /// its address is rewritten to is nobody's business.
    pub(crate) fn of_page(root: &str, base: &Remote) -> Self {
        Self {
            base: base.url.clone(),
            authorization: None,
            trust: if base.is_trusted { Trust::Named } else { Trust::Foreign },
            name: format!("the module proxy of {root}"),
            secrets: Vec::new(),
        }
    }

    /// How it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn url(&self, module: &ModulePath, file: &str) -> Result<Url, GoProxyError> {
        let mut url = self.base.clone();
        // Each part is encoded as it is appended: `%`, `#` and `?` of a query are its own.
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(module.escaped().split('/')).extend(file.split('/'));
            }
            Err(()) => return Err(self.invalid("its URL cannot have a path")),
        }
        Ok(url)
    }

    fn invalid(&self, reason: impl Into<String>) -> GoProxyError {
        GoProxyError::InvalidData { server: self.name.clone(), reason: reason.into() }
    }
}

impl GoProxies {
    /// Asks by `egress` in the name of a deployment.
    pub(crate) fn new(egress: Egress, deployment: DeploymentId, metrics: Arc<Metrics>) -> Self {
        let via = passed_on(&Via::default(), &deployment);
        Self { egress, deployment, via, metrics }
    }

    /// The same for a question that came from other deployments.
    pub(crate) fn on_behalf_of(&self, via: &Via) -> Self {
        Self { via: passed_on(via, &self.deployment), ..self.clone() }
    }

    /// The versions of the module: canonical, of its own major versions.
    pub(crate) async fn list(
        &self,
        server: &Server,
        module: &ModulePath,
    ) -> Result<Listed, GoProxyError> {
        let asked = Asked { server, module, file: "@v/list".to_owned(), endpoint: Endpoint::List };
        let body = self.document(&asked, LIST_BYTES).await?;
        Ok(list::parse(&body, &module.split_major().1))
    }

    /// What `@latest` says.
    pub(crate) async fn latest(
        &self,
        server: &Server,
        module: &ModulePath,
    ) -> Result<VersionInfo, GoProxyError> {
        let file = "@latest".to_owned();
        let asked = Asked { server, module, file, endpoint: Endpoint::Latest };
        let info = self.info_document(&asked).await?;
        asked.fits(&info.version)?;
        Ok(info)
    }

    /// What a version, branch, tag or commit is. A canonical version must be answered with
    /// itself (go-modules §1.4), but one that the module path cannot have is a tag of
    /// what may be `+incompatible` (§3.5).
    pub(crate) async fn info(
        &self,
        server: &Server,
        module: &ModulePath,
        query: &VersionQuery,
    ) -> Result<VersionInfo, GoProxyError> {
        let file = format!("@v/{}.info", query.escaped());
        let asked = Asked { server, module, file, endpoint: Endpoint::Info };
        let info = self.info_document(&asked).await?;
        asked.fits(&info.version)?;
        let is_answered = |version: &Version| {
            let fits = module.split_major().1.fits(version);
            *version == info.version || (!fits && version.with_incompatible() == info.version)
        };
        match query.as_version() {
            Some(version) if !is_answered(&version) => Err(server.invalid(format!(
                "answered info for version {} when {version} of {module} was asked for",
                info.version
            ))),
            _ => Ok(info),
        }
    }

    /// The bytes of `.mod`, which are a go.mod of such a module (go-modules §3.6).
    pub(crate) async fn go_mod(
        &self,
        server: &Server,
        module: &ModulePath,
        version: &Version,
    ) -> Result<Bytes, GoProxyError> {
        let file = format!("@v/{}.mod", version.escaped());
        let asked = Asked { server, module, file, endpoint: Endpoint::Mod };
        let go_mod = self.document(&asked, MAX_GO_MOD_SIZE).await?;
        let major = module.split_major().1;
        let is_of_module = declared_module_path(&go_mod)
            .is_some_and(|declared| version.is_incompatible() || major.accepts_declared(&declared));
        match is_of_module {
            true => Ok(go_mod),
            false => Err(server.invalid(format!("{module}/{} is no go.mod of it", asked.file))),
        }
    }

    /// The zip, unchecked, as it arrives.
    pub(crate) async fn zip(
        &self,
        server: &Server,
        module: &ModulePath,
        version: &Version,
    ) -> Result<ZipDownload, GoProxyError> {
        let file = format!("@v/{}.zip", version.escaped());
        let asked = Asked { server, module, file, endpoint: Endpoint::Zip };
        let response = self.open(&asked, zip::MAX_ZIP_SIZE, ZIP_TIMEOUT).await?;
        Ok(ZipDownload { response, server: server.clone(), metrics: self.metrics.clone() })
    }

    async fn info_document(&self, asked: &Asked<'_>) -> Result<VersionInfo, GoProxyError> {
        let body = self.document(asked, INFO_BYTES).await?;
        let Asked { server, module, file, .. } = asked;
        let info: VersionInfo = serde_json::from_slice(&body).map_err(|error| {
            // The parser's words may quote the document.
            let error = cleaned(&error.to_string(), &server.secrets);
            server.invalid(format!("{module}/{file} is no version info: {error}"))
        })?;
        // A pseudo-version's time may be another than the one that it names: real ones are so.
        let origin = info.origin.map(Origin::without_userinfo);
        Ok(VersionInfo { origin, ..info })
    }

    async fn document(&self, asked: &Asked<'_>, limit: u64) -> Result<Bytes, GoProxyError> {
        let mut response = self.open(asked, limit, DOCUMENT_TIMEOUT).await?;
        let Asked { server, module, file, .. } = asked;
        let page = || server.invalid(format!("{module}/{file} is a page for people"));
        // Whoever asks people to log in says 200.
        let is_page = |content_type: &str| content_type.to_ascii_lowercase().starts_with(HTML);
        if response.header(CONTENT_TYPE).is_some_and(is_page) {
            return Err(page());
        }
        // One that we understand is taken off by now.
        if let Some(encoding) = response.header(CONTENT_ENCODING).filter(|it| *it != "identity") {
            let reason = format!("{module}/{file} is encoded as {encoding:?}, unasked");
            return Err(server.invalid(reason));
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(GoProxyError::of_egress(asked.server, error)),
            }
        }
        if body.trim_ascii_start().starts_with(b"<") {
            return Err(page());
        }
        self.metrics.upstream_received_bytes().inc_by(body.len() as u64);
        Ok(body.into())
    }

    /// Asks, and counts how it was answered. Only a good answer is one.
    async fn open(
        &self,
        asked: &Asked<'_>,
        body_limit: u64,
        time_limit: Duration,
    ) -> Result<Response, GoProxyError> {
        let answered = self.send(asked, body_limit, time_limit).await;
        let outcome = match &answered {
            Ok(_) => VcsOutcome::Ok,
            Err(error) => error.outcome(),
        };
        self.metrics.upstream_requests(asked.endpoint, outcome).inc();
        answered
    }

    async fn send(
        &self,
        asked: &Asked<'_>,
        body_limit: u64,
        time_limit: Duration,
    ) -> Result<Response, GoProxyError> {
        let Asked { server, module, file, .. } = asked;
        let mut headers = HeaderMap::new();
        headers.insert(VIA, self.via.clone());
        if let Some(authorization) = &server.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let request = Request {
            url: server.url(module, file)?,
            trust: server.trust,
            headers,
            body_limit,
            deadline: Deadline::after(time_limit),
        };
        let answer = self.egress.get(request).await;
        let mut answer = answer.map_err(|error| GoProxyError::of_egress(server, error))?;
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let mut body = Vec::new();
        // A reason that does not arrive is none.
        while let Ok(Some(chunk)) = answer.chunk().await {
            let room = usize::try_from(REASON_BYTES).unwrap_or(usize::MAX) - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        let is_text = answer
            .header(CONTENT_TYPE)
            .is_none_or(|content_type| content_type.starts_with("text/plain"));
        // Who is not let in may be told what was sent.
        let is_text = is_text
            && !matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            );
        let text = if is_text { String::from_utf8_lossy(&body) } else { "".into() };
        let reason = cleaned(&text, &server.secrets);
        Err(GoProxyError::of_status(server, status, &reason))
    }
}

fn passed_on(via: &Via, deployment: &DeploymentId) -> HeaderValue {
    let value = HeaderValue::from_str(&via.passed_on_by(deployment));
    value.expect("deployments' ids are tokens")
}

/// One question to one server.
struct Asked<'a> {
    server: &'a Server,
    module: &'a ModulePath,
    /// What follows the module path in the URL, escaped as versions are.
    file: String,
    endpoint: Endpoint,
}

impl Asked<'_> {
    fn fits(&self, version: &Version) -> Result<(), GoProxyError> {
        if self.module.split_major().1.fits(version) {
            return Ok(());
        }
        let Self { server, module, file, .. } = self;
        Err(server.invalid(format!("{module}/{file} names {version}, which {module} cannot have")))
    }
}

/// A zip on its way.
pub(crate) struct ZipDownload {
    response: Response,
    server: Server,
    metrics: Arc<Metrics>,
}

impl ZipDownload {
    /// How many bytes there will be, where the server says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.length()
    }

    /// The next piece, `None` at the end of a body that arrived whole as far as its server
    /// said how long it is.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, GoProxyError> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| GoProxyError::of_egress(&self.server, error))?;
        let received = chunk.as_ref().map_or(0, Bytes::len);
        self.metrics.upstream_received_bytes().inc_by(received as u64);
        Ok(chunk)
    }
}
