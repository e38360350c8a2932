//! The way out: HTTP to addresses that others chose.
//!
//! Module paths, meta tags and redirects may name any address, so whatever they
//! lead to goes through [`Egress`] (go-modules §7, points 3 to 5): the URL is
//! checked at every hop, names are resolved here and only checked addresses are
//! connected to, sizes and times are bounded. Status codes are not judged here.

mod address;
mod deadline;
mod error;
mod patience;
mod proxy;
mod resolver;
mod response;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use url::{Host, Url};

pub use address::AllowList;
pub use deadline::Deadline;
pub use error::{EgressError, SetupError, shown};
pub use proxy::ProxySettings;
pub use response::Response;

pub(crate) use patience::as_one;

use crate::rewrite::Rewrites;

use patience::{OutOfPatience, Patience};
use resolver::{CheckedResolver, ResolveError};

/// Redirects followed, as the go command does (go-modules §1.9).
const REDIRECT_LIMIT: usize = 9;

/// Shorter than what servers commonly keep an idle connection for, so that a
/// request is rarely sent into one that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Who chose an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The operator (`STOA_VCS_REWRITE`): plain HTTP, any port and private addresses
    /// are allowed. A redirect to another origin is [`Trust::Foreign`] again.
    Named,
    /// The operator's own server (`STOA_UPSTREAM`): like [`Trust::Named`], and as long as
    /// its host has no public address it may redirect to other such hosts, because whoever
    /// runs it runs them, too (design §8).
    Upstream,
    /// Where such an upstream redirects: like it, but never to link-local addresses or a
    /// cloud's metadata, which nobody serves modules from.
    Internal,
    /// A module path, a meta tag or a redirect: HTTPS to public addresses only.
    Foreign,
}

/// Where requests may lead. They name the modules that they are about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// Wherever others say: the modules are public.
    #[default]
    Anywhere,
    /// Redirects stay on their host, or lead to one that the operator named.
    OwnHost,
    /// Besides, the host is one that the operator named, or has only addresses that the
    /// operator allowed (`STOA_ALLOW_ADDRESSES`).
    NamedHosts,
}

/// Settings of [`Egress`].
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Addresses that foreign names may lead to although they are not public
    /// (`STOA_ALLOW_ADDRESSES`). Default: none.
    pub allow: AllowList,
    /// Where requests may lead. Default: anywhere.
    pub reach: Reach,
    /// Roots trusted besides the platform's, PEM (`STOA_CA_FILE`). Default: none.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Addresses that the operator has replaced, where a redirect leads there
    /// (`STOA_VCS_REWRITE`). Default: none.
    pub rewrites: Rewrites,
    /// Proxies on the way out. Default: none.
    pub proxy: ProxySettings,
    /// Longest wait for name, connection and TLS handshake. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest silence of a server. Default 60 s: git servers prepare big packs
    /// without a word.
    pub idle_timeout: Duration,
    /// Longest silence of an upstream. Default 150 s: it may have to fetch the module
    /// itself, for which a Stoa takes up to `STOA_WAIT`.
    pub upstream_idle_timeout: Duration,
    /// How many jobs may wait long for one host that does not answer; the others are
    /// [`EgressError::Busy`] within seconds. Default 2: half of a worker's usual slots.
    pub patient_jobs: usize,
    /// Longest body of a [`Page`], in bytes; the rest is cut. Default 1 MiB.
    pub page_limit: u64,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: AllowList::default(),
            reach: Reach::Anywhere,
            extra_roots_pem: None,
            rewrites: Rewrites::default(),
            proxy: ProxySettings::default(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            upstream_idle_timeout: Duration::from_secs(150),
            patient_jobs: 2,
            page_limit: 1 << 20,
        }
    }
}

/// One request; the method is the function it is given to.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub url: Url,
    /// Who chose `url`.
    pub trust: Trust,
    /// Sent besides the client's own. Credentials do not follow a redirect to
    /// another origin.
    pub headers: HeaderMap,
    /// Longest body of the answer, in bytes after decoding.
    pub body_limit: u64,
    /// When the body must have arrived.
    pub deadline: Deadline,
}

/// The answer to a `?go-get=1` request.
#[derive(Debug, Clone)]
pub struct Page {
    /// HTTP status; pages of any status may carry a usable tag (go-modules §2.3).
    pub status: u16,
    /// After redirects.
    pub final_url: Url,
    /// At most [`EgressConfig::page_limit`] bytes.
    pub body: Bytes,
    /// Whether `body` is all of it.
    pub is_complete: bool,
}

/// An HTTP client for foreign addresses. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Egress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: EgressConfig,
    resolver: Arc<CheckedResolver>,
    /// For hosts that are [`Trust::Internal`].
    internal_resolver: Arc<CheckedResolver>,
    patience: Arc<Patience>,
    // Pools of their own, so that a connection made for the operator's sake never serves a
    // foreign name.
    named: reqwest::Client,
    internal: reqwest::Client,
    foreign: reqwest::Client,
}

impl Egress {
    /// Sets up both clients; fails on roots that cannot be read and proxies that
    /// cannot be parsed.
    pub fn new(config: EgressConfig) -> Result<Self, SetupError> {
        let patience = Arc::new(Patience::new(config.patient_jobs));
        Self::build(config, patience)
    }

    /// The same for requests of another reach: who waits for a silent host is counted
    /// together.
    pub fn with_reach(&self, reach: Reach) -> Result<Self, SetupError> {
        let config = EgressConfig { reach, ..self.shared.config.clone() };
        Self::build(config, Arc::clone(&self.shared.patience))
    }

    /// The same for upstreams, who may be silent for longer.
    pub fn for_upstreams(&self) -> Result<Self, SetupError> {
        let config = self.shared.config.clone();
        let config = EgressConfig { idle_timeout: config.upstream_idle_timeout, ..config };
        Self::build(config, Arc::clone(&self.shared.patience))
    }

    fn build(config: EgressConfig, patience: Arc<Patience>) -> Result<Self, SetupError> {
        // Whoever was first has installed one already, and any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allow = match config.reach {
            Reach::Anywhere | Reach::OwnHost => config.allow.clone(),
            Reach::NamedHosts => config.allow.clone().without_public(),
        };
        let resolver = Arc::new(CheckedResolver::new(allow, config.proxy.hosts()));
        let internal = CheckedResolver::new(AllowList::internal(), BTreeSet::new());
        let internal_resolver = Arc::new(internal);
        let named = client(&config)?.build().map_err(SetupError::client)?;
        let foreign = client(&config)?.dns_resolver(Arc::clone(&resolver));
        let foreign = foreign.build().map_err(SetupError::client)?;
        let internal = client(&config)?.dns_resolver(Arc::clone(&internal_resolver));
        let internal = internal.build().map_err(SetupError::client)?;
        let shared =
            Shared { config, resolver, internal_resolver, patience, named, internal, foreign };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Follows redirects.
    pub async fn get(&self, request: Request) -> Result<Response, EgressError> {
        self.send(Method::GET, request, None).await
    }

    /// Follows redirects other than 303 with the same body.
    pub async fn post(&self, request: Request, body: Bytes) -> Result<Response, EgressError> {
        self.send(Method::POST, request, Some(body)).await
    }

    /// Gets a discovery page (go-modules §2.3), whatever its status.
    pub async fn fetch_page(
        &self,
        url: &Url,
        trust: Trust,
        headers: HeaderMap,
        time_limit: Duration,
    ) -> Result<Page, EgressError> {
        let limit = self.shared.config.page_limit;
        let request = Request {
            url: url.clone(),
            trust,
            headers,
            body_limit: u64::MAX,
            deadline: Deadline::after(time_limit),
        };
        let mut response = self.get(request).await?;
        let mut body = Vec::new();
        let mut is_complete = true;
        while let Some(chunk) = response.chunk().await? {
            let room = limit.saturating_sub(body.len() as u64);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                is_complete = false;
                break;
            }
        }
        let (status, final_url) = (response.status().as_u16(), response.url().clone());
        Ok(Page { status, final_url, body: body.into(), is_complete })
    }

    /// Addresses of the URL's host that may be connected to, for a program that
    /// connects by itself; empty where a proxy has to find the host because its name
    /// is unknown here.
    pub async fn checked_addresses(
        &self,
        url: &Url,
        trust: Trust,
    ) -> Result<Vec<IpAddr>, EgressError> {
        self.check(url, trust)?;
        let host = match url.host() {
            Some(Host::Ipv4(address)) => return Ok(vec![address.into()]),
            Some(Host::Ipv6(address)) => return Ok(vec![address.into()]),
            Some(Host::Domain(host)) => host,
            None => return Err(EgressError::refused(url, "the URL names no host")),
        };
        let found = match trust {
            Trust::Named | Trust::Upstream => resolver::lookup(host).await,
            Trust::Internal => self.shared.internal_resolver.checked(host).await,
            Trust::Foreign => self.shared.resolver.checked(host).await,
        };
        match found {
            Ok(addresses) => Ok(addresses.iter().map(SocketAddr::ip).collect()),
            Err(ResolveError::UnknownHost | ResolveError::Failed { .. })
                if !self.proxy().is_empty() =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(EgressError::from_resolver(url, &error)),
        }
    }

    /// The proxies in use, for a program that connects by itself.
    pub fn proxy(&self) -> &ProxySettings {
        &self.shared.config.proxy
    }

    /// Roots trusted besides the platform's, PEM.
    pub fn extra_roots_pem(&self) -> Option<&[u8]> {
        self.shared.config.extra_roots_pem.as_deref()
    }

    async fn send(
        &self,
        method: Method,
        request: Request,
        body: Option<Bytes>,
    ) -> Result<Response, EgressError> {
        let Request { mut url, mut trust, mut headers, body_limit, deadline } = request;
        let own_host = url.host().map(|host| host.to_owned());
        for _ in 0..=REDIRECT_LIMIT {
            self.check(&url, trust)?;
            self.check_reach(&url, trust).await?;
            let client = match trust {
                Trust::Named | Trust::Upstream => &self.shared.named,
                Trust::Internal => &self.shared.internal,
                Trust::Foreign => &self.shared.foreign,
            };
            let mut builder = client.request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = &body {
                builder = builder.body(body.clone());
            }
            let sent = tokio::time::timeout_at(deadline.at(), builder.send());
            let (answer, turn) = match self.shared.patience.wait(&origin(&url), sent).await {
                Ok((Ok(Ok(answer)), turn)) => (answer, turn),
                Ok((Ok(Err(error)), _)) => return Err(self.failure(&url, &error)),
                Ok((Err(_), _)) => return Err(EgressError::timeout(&url, deadline.total())),
                Err(OutOfPatience) => return Err(EgressError::Busy { url: shown(&url) }),
            };
            let idle = self.shared.config.idle_timeout;
            let Some(target) = redirect_target(&url, &method, &answer) else {
                return Ok(Response::new(answer, url, trust, body_limit, deadline, idle, turn));
            };
            let next = self.shared.config.rewrites.apply(&target);
            if !next.is_trusted && url.scheme() == "https" && target.scheme() != "https" {
                return Err(EgressError::refused(&url, "redirects from https to another scheme"));
            }
            let is_elsewhere = next.url.origin() != url.origin();
            if is_elsewhere {
                headers.remove(AUTHORIZATION);
                headers.remove(COOKIE);
            }
            if next.is_trusted {
                trust = Trust::Named;
            } else if is_elsewhere {
                if self.shared.config.reach != Reach::Anywhere && next.url.host() != url.host() {
                    return Err(EgressError::not_named(&url));
                }
                let is_own = next.url.host().map(|host| host.to_owned()) == own_host;
                trust = match trust {
                    Trust::Upstream | Trust::Internal if self.is_internal(&url).await => {
                        if is_own {
                            Trust::Upstream
                        } else {
                            Trust::Internal
                        }
                    }
                    _ => Trust::Foreign,
                };
            }
            url = next.url;
        }
        Err(EgressError::refused(&url, format!("more than {REDIRECT_LIMIT} redirects")))
    }

    /// Whether the URL's host has no public address at all. One that cannot be resolved,
    /// because only a proxy knows it, does not count as internal.
    async fn is_internal(&self, url: &Url) -> bool {
        let nothing = AllowList::default();
        match url.host() {
            Some(Host::Ipv4(address)) => !nothing.allows(address.into()),
            Some(Host::Ipv6(address)) => !nothing.allows(address.into()),
            Some(Host::Domain(host)) => match resolver::lookup(host).await {
                Ok(found) => {
                    let is_public = |address: &SocketAddr| nothing.allows(address.ip());
                    !found.is_empty() && !found.iter().any(is_public)
                }
                Err(_) => false,
            },
            None => false,
        }
    }

    /// The rules on URLs; those on addresses behind names are the resolver's.
    fn check(&self, url: &Url, trust: Trust) -> Result<(), EgressError> {
        let refuse = |reason: &str| Err(EgressError::refused(url, reason));
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("credentials in the URL are refused");
        }
        let Some(host) = url.host() else { return refuse("the URL names no host") };
        match (trust, url.scheme()) {
            (_, "https") => {}
            (Trust::Named | Trust::Upstream | Trust::Internal, "http") => {}
            (Trust::Foreign, "http") => return refuse("only https is allowed here"),
            _ => return refuse("the scheme is not allowed"),
        }
        let resolver = match trust {
            Trust::Named | Trust::Upstream => return Ok(()),
            Trust::Internal => &self.shared.internal_resolver,
            Trust::Foreign if !matches!(url.port_or_known_default(), Some(80 | 443)) => {
                return refuse("the port is neither 80 nor 443");
            }
            Trust::Foreign => &self.shared.resolver,
        };
        let literal: IpAddr = match host {
            // The resolver lets the proxy's own name pass, which is for the proxy alone.
            Host::Domain(host) if resolver.is_proxy(host) => {
                return refuse("the host is our own proxy");
            }
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
        };
        if resolver.allows(literal) {
            return Ok(());
        }
        if trust == Trust::Internal {
            return refuse("the address is link-local or a cloud's metadata");
        }
        if self.shared.config.reach == Reach::NamedHosts {
            return Err(EgressError::not_named(url));
        }
        refuse("the address is not public")
    }

    /// Whether a host that others chose may hear of the module at all. Its addresses are
    /// looked at before anything is sent, also where a proxy would look them up.
    async fn check_reach(&self, url: &Url, trust: Trust) -> Result<(), EgressError> {
        if self.shared.config.reach != Reach::NamedHosts || trust == Trust::Named {
            return Ok(());
        }
        let Some(Host::Domain(host)) = url.host() else { return Ok(()) };
        match self.shared.resolver.checked(host).await {
            Ok(_) => Ok(()),
            Err(ResolveError::NotPublic { .. }) => Err(EgressError::not_named(url)),
            Err(error) => Err(EgressError::from_resolver(url, &error)),
        }
    }

    fn failure(&self, url: &Url, error: &reqwest::Error) -> EgressError {
        let config = &self.shared.config;
        let limit = if error.is_connect() { config.connect_timeout } else { config.idle_timeout };
        EgressError::from_client(url, error, limit)
    }
}

fn client(config: &EgressConfig) -> Result<reqwest::ClientBuilder, SetupError> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.idle_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .default_headers(HeaderMap::from_iter([(
            USER_AGENT,
            HeaderValue::from_static(concat!("stoa/", env!("CARGO_PKG_VERSION"))),
        )]))
        // The environment is the configuration's to read.
        .no_proxy();
    for proxy in config.proxy.proxies()? {
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = &config.extra_roots_pem {
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(SetupError::roots)?;
        if roots.is_empty() {
            return Err(SetupError::Roots { reason: "no certificate in it".to_owned() });
        }
        builder = builder.tls_certs_merge(roots);
    }
    Ok(builder)
}

/// Whose silence it would be.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Where a redirect leads, if the answer is one that we follow.
fn redirect_target(url: &Url, method: &Method, answer: &reqwest::Response) -> Option<Url> {
    let is_followed = match answer.status().as_u16() {
        301 | 302 | 307 | 308 => true,
        303 => method == Method::GET,
        _ => false,
    };
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    url.join(location).ok().filter(|_| is_followed)
}
