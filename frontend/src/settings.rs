//! What an operator may set about a frontend.

use std::time::Duration;

use stoa_shared::config::{Config, Secret, ZipDelivery};

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
}

impl FrontendSettings {
    /// What the configuration says of a frontend.
    pub fn from_config(config: &Config) -> Self {
        Self {
            wait: config.work.wait,
            freshness: config.freshness.list,
            negative: config.freshness.negative,
            memory_bytes: config.memory_cache.bytes(),
            drain: config.shutdown.drain,
            grace: config.shutdown.grace,
            public_url: config.public_url.as_ref().map(|url| url.as_str().to_owned()),
            zip_delivery: config.zip_delivery.clone(),
            admin_token: config.listeners.admin_token.clone(),
        }
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
        }
    }
}
