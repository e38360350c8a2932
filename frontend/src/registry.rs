//! The registry before this deployment, as far as a frontend is concerned: where clients
//! are sent, and whether anybody answers there.
//!
//! A redirect to a registry that is down would be a refused connection to the client,
//! which tells its user nothing. So the registry is looked at all the time, and at once
//! when a worker says that it has trouble with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use reqwest::{Certificate, Client, redirect::Policy};
use stoa_shared::{config::PublicUrl, metrics::Metrics};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use url::Url;

use crate::decision::Upstream;

/// Between two looks at a registry that answers.
const INTERVAL: Duration = Duration::from_secs(2);

/// Between two looks at one that does not, and before the second one that makes sure.
const RETRY: Duration = Duration::from_millis(500);

/// Longest wait for an answer of any kind.
const PATIENCE: Duration = Duration::from_secs(3);

/// The registry, and how it is reached.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// As we reach it, without credentials.
    pub url: Url,
    /// As clients reach it.
    pub public: PublicUrl,
    /// Whether it wants a key, which clients would not send along.
    pub wants_key: bool,
    /// Whether somebody else is asked when it has trouble.
    pub has_substitute: bool,
    /// Roots trusted beside the system's, PEM.
    pub roots: Option<Vec<u8>>,
}

/// The registry that misses are redirected to.
pub(crate) struct Registry {
    settings: RegistrySettings,
    is_down: AtomicBool,
    suspected: Notify,
    metrics: Arc<Metrics>,
}

impl Registry {
    /// Taken for reachable until it is seen not to be.
    pub(crate) fn new(settings: RegistrySettings, metrics: Arc<Metrics>) -> Self {
        metrics.upstream_up().set(1);
        Self { settings, is_down: AtomicBool::new(false), suspected: Notify::new(), metrics }
    }

    /// Its base URL as clients reach it.
    pub(crate) fn public(&self) -> &PublicUrl {
        &self.settings.public
    }

    /// Whether it answers, as far as is known.
    pub(crate) fn state(&self) -> Upstream {
        if self.is_down.load(Ordering::Relaxed) {
            Upstream::KnownDown { has_fallback: self.settings.has_substitute }
        } else {
            Upstream::Reachable
        }
    }

    /// Whether clients can be sent there at all.
    pub(crate) fn wants_key(&self) -> bool {
        self.settings.wants_key
    }

    /// Somebody had trouble with it: it is looked at now.
    pub(crate) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Looks at the registry again and again, forever.
    pub(crate) async fn watch(&self) {
        let client = client(self.settings.roots.as_deref()).inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, "the registry cannot be watched");
        });
        // A worker with such certificates does not even start.
        let Ok(client) = client else { return std::future::pending().await };
        loop {
            let was_down = self.is_down.load(Ordering::Relaxed);
            // One failure may be a connection that was just being closed.
            let is_down = !self.answers(&client).await && {
                sleep(RETRY).await;
                !self.answers(&client).await
            };
            self.is_down.store(is_down, Ordering::Relaxed);
            self.metrics.upstream_up().set(i64::from(!is_down));
            let upstream = self.settings.public.as_str();
            match (was_down, is_down) {
                (false, true) => tracing::warn!(upstream, "the registry does not answer"),
                (true, false) => tracing::info!(upstream, "the registry answers again"),
                _ => {}
            }
            if is_down {
                sleep(RETRY).await;
            } else {
                let _ = timeout(INTERVAL, self.suspected.notified()).await;
            }
        }
    }

    /// Whether there is an answer that a server itself gives: any but those that stand for
    /// "nobody is here".
    async fn answers(&self, client: &Client) -> bool {
        let request = client.head(self.settings.url.clone());
        let request = request.header("disable-module-fetch", "true");
        let answer = timeout(PATIENCE, request.send()).await;
        let gone =
            [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        matches!(answer, Ok(Ok(answer)) if !gone.contains(&answer.status()))
    }
}

/// A client that follows no redirect: the registry itself has to answer.
fn client(roots: Option<&[u8]>) -> Result<Client, reqwest::Error> {
    // Whoever was first has installed one already, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder().redirect(Policy::none());
    if let Some(pem) = roots {
        builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
    }
    builder.build()
}
