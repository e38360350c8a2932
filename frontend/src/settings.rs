//! What an operator may set about a frontend.

use std::time::Duration;

use stoa_shared::{
    backends::{BackendError, root_certificates},
    config::{Config, DeploymentId, NetworkMode, Role, Secret, ZipDelivery},
    policy::{Anonymous, Policy},
};

use crate::registry::RegistrySettings;

/// A frontend's settings: plain values, filled in by `main` from the configuration.
#[derive(Debug, Clone)]
pub struct FrontendSettings {
    /// The longest a request waits for a job; then 504, and the job goes on.
    /// Default 120 s: a cold fill of a big repository, with room.
    pub wait: Duration,
    /// How long an answer to list, latest or a query counts as fresh. Default 60 s,
    /// which is also what caches in between are told.
    pub freshness: Duration,
    /// How long a definite "there is none" is remembered without asking again.
    /// Default 10 s: the go command asks about the same absent prefixes in bursts.
    pub negative: Duration,
    /// Bytes of memory for ready responses. Default 64 MiB: some 50,000 versions' small files.
    pub memory_bytes: u64,
    /// How long to keep accepting after shutdown began, readiness off, until load
    /// balancers have noticed. Default 0.
    pub drain: Duration,
    /// How long connections may take to finish after the drain. Default 30 s.
    pub grace: Duration,
    /// Base URL of this deployment as others reach it, without a trailing slash;
    /// `None` takes what the request's `Host` says. Only the start page shows it.
    pub public_url: Option<String>,
    /// How zips reach clients. Default: through the frontend.
    pub zip_delivery: ZipDelivery,
    /// What `/admin` asks for. Default: nothing, on a loopback listener.
    pub admin_token: Option<Secret>,
    /// This deployment among others: a request that has been here says so. Default:
    /// `stoa`.
    pub deployment: DeploymentId,
    /// The preset of policy. Default: a registry.
    pub role: Role,
    /// What is private, what is excluded, what a miss becomes. Default: as the role says.
    pub policy: Policy,
    /// What callers without a key get. Default: [`Anonymous::entitlement`] decides.
    pub anonymous: Option<Anonymous>,
    /// Whether the public listener is for this machine alone. Default: it is not.
    pub listens_on_loopback: bool,
    /// Whether anybody may be asked for what is not stored. Default: yes.
    pub network: NetworkMode,
    /// Where misses are redirected. Default: nowhere.
    pub registry: Option<RegistrySettings>,
    /// How long the fill behind a redirect waits, so that the registry fills first.
    /// Default 2 s.
    pub redirected_fill_delay: Duration,
}

impl FrontendSettings {
    /// What the configuration says of a frontend. Reads the file of further certificates.
    pub fn from_config(config: &Config) -> Result<Self, BackendError> {
        let server = config.upstream.chain.first_server();
        let registry = match (server, &config.upstream.public) {
            (Some(server), Some(public)) => Some(RegistrySettings {
                url: server.url().clone(),
                public: public.clone(),
                wants_key: server.credentials().is_some(),
                has_successor: config.upstream.chain.has_successor(),
                has_substitute: config.upstream.chain.has_substitute(),
                roots: root_certificates(config)?,
            }),
            _ => None,
        };
        Ok(Self {
            wait: config.work.wait,
            freshness: config.freshness.list,
            negative: config.freshness.negative,
            memory_bytes: config.memory_cache.bytes(),
            drain: config.shutdown.drain,
            grace: config.shutdown.grace,
            public_url: config.public_url.as_ref().map(|url| url.as_str().to_owned()),
            zip_delivery: config.zip_delivery.clone(),
            admin_token: config.listeners.admin_token.clone(),
            deployment: config.deployment.clone(),
            role: config.role,
            policy: config.policy.clone(),
            anonymous: config.anonymous,
            listens_on_loopback: config.listeners.public.ip().is_loopback(),
            network: config.network.mode,
            registry,
            redirected_fill_delay: config.upstream.delay,
        })
    }
}

impl Default for FrontendSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(120),
            freshness: Duration::from_secs(60),
            negative: Duration::from_secs(10),
            memory_bytes: 64 << 20,
            drain: Duration::ZERO,
            grace: Duration::from_secs(30),
            public_url: None,
            zip_delivery: ZipDelivery::Stream,
            admin_token: None,
            deployment: "stoa".parse().expect("it is an id"),
            role: Role::Registry,
            policy: Policy::default(),
            anonymous: None,
            listens_on_loopback: false,
            network: NetworkMode::Online,
            registry: None,
            redirected_fill_delay: Duration::from_secs(2),
        }
    }
}
