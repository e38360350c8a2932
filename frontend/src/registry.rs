//! The registry before this deployment, as far as a frontend is concerned: where clients
//! are sent, and whether anybody answers there.
//!
//! A redirect to a registry that is down would be a refused connection to the client,
//! which tells its user nothing. So the registry is looked at all the time, and at once
//! when a worker says that it has trouble with it. Not every server answers at its base URL
//! as it does for modules: where that looks dead, a module decides that clients go without.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use reqwest::{Certificate, Client, redirect::Policy};
use stoa_shared::{
    config::PublicUrl,
    metrics::Metrics,
    module::ModulePath,
    protocol::{Endpoint, Request},
};
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
    /// Whether somebody else is asked for what it does not have.
    pub has_successor: bool,
    /// Whether somebody else is asked when it has trouble, too.
    pub has_substitute: bool,
    /// Roots trusted beside the system's, PEM.
    pub roots: Option<Vec<u8>>,
}

/// Why nobody is there, as far as is seen.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TooLong,
    #[error("the request failed")]
    Failed(#[source] reqwest::Error),
    #[error(
        "no connection by https: is it there, does it speak TLS, and is its certificate trusted here (STOA_CA_FILE)?"
    )]
    NoTls(#[source] reqwest::Error),
    #[error("it answered {0}")]
    Gone(StatusCode),
}

/// The registry that misses are redirected to.
pub(crate) struct Registry {
    settings: RegistrySettings,
    is_down: AtomicBool,
    suspected: Notify,
    /// What a client went without last.
    missed: Mutex<Option<ModulePath>>,
    metrics: Arc<Metrics>,
}

impl Registry {
    /// Taken for reachable until it is seen not to be.
    pub(crate) fn new(settings: RegistrySettings, metrics: Arc<Metrics>) -> Self {
        metrics.upstream_up().set(1);
        Self {
            settings,
            is_down: AtomicBool::new(false),
            suspected: Notify::new(),
            missed: Mutex::default(),
            metrics,
        }
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

    /// Whether clients can be sent there: it lets them in, and what it says is all there is
    /// to say.
    pub(crate) fn has_the_last_word(&self) -> bool {
        !self.settings.wants_key && !self.settings.has_successor
    }

    /// Somebody had trouble with it: it is looked at now.
    pub(crate) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// A client goes without a public module because the registry is down.
    pub(crate) fn miss(&self, module: &ModulePath) {
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(module.clone());
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
            let mut answered = self.look(&client).await;
            if answered.is_err() {
                sleep(RETRY).await;
                answered = self.look(&client).await;
            }
            let is_down = answered.is_err();
            self.is_down.store(is_down, Ordering::Relaxed);
            self.metrics.upstream_up().set(i64::from(!is_down));
            let upstream = self.settings.public.as_str();
            match (was_down, answered) {
                (false, Err(silence)) => {
                    let error: &dyn std::error::Error = &silence;
                    tracing::warn!(upstream, error, "the registry does not answer");
                }
                (true, Ok(())) => tracing::info!(upstream, "the registry answers again"),
                _ => {}
            }
            if is_down {
                sleep(RETRY).await;
            } else {
                let _ = timeout(INTERVAL, self.suspected.notified()).await;
            }
        }
    }

    /// Looks whether a server is there, at its base URL and then where modules lie.
    async fn look(&self, client: &Client) -> Result<(), Silence> {
        let url = &self.settings.url;
        let silence = match self.look_at(client, url.clone()).await {
            Err(silence @ (Silence::TooLong | Silence::Gone(_))) => silence,
            seen => return seen,
        };
        let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(module) = missed else { return Err(silence) };
        let list = Endpoint { module, request: Request::List };
        let list = format!("{}{list}", url.as_str().trim_end_matches('/'));
        let Ok(list) = list.parse() else { return Err(silence) };
        self.look_at(client, list).await.map_err(|_| silence)
    }

    /// Looks for an answer that a server itself gives: any but those that stand for "nobody
    /// is here".
    async fn look_at(&self, client: &Client, url: Url) -> Result<(), Silence> {
        let is_https = url.scheme() == "https";
        let request = client.head(url).header("disable-module-fetch", "true");
        let answer = timeout(PATIENCE, request.send()).await.map_err(|_| Silence::TooLong)?;
        let answer = answer.map_err(|error| match is_https && error.is_connect() {
            true => Silence::NoTls(error),
            false => Silence::Failed(error),
        })?;
        let gone =
            [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        if gone.contains(&answer.status()) {
            return Err(Silence::Gone(answer.status()));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// What is made of a server that sends these answers, one a connection; `missed` is a
    /// module that clients go without. The paths that were asked for come back, too.
    async fn seen(
        scheme: &str,
        answers: &'static [&'static [u8]],
        missed: Option<&str>,
    ) -> (Result<(), Silence>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/go", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut paths = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 2048];
                let length = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                paths.push(head.split(' ').nth(1).unwrap_or_default().to_owned());
                stream.write_all(answer).await.unwrap();
            }
            paths
        });
        let settings = RegistrySettings {
            url: url.parse().unwrap(),
            public: url.parse().unwrap(),
            wants_key: false,
            has_successor: false,
            has_substitute: false,
            roots: None,
        };
        let registry = Registry::new(settings, Arc::default());
        if let Some(module) = missed {
            registry.miss(&module.parse().unwrap());
        }
        let seen = registry.look(&client(None).unwrap()).await;
        (seen, server.await.unwrap())
    }

    #[tokio::test]
    async fn whoever_looks_hears_why_nobody_answers() {
        const HERE: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        const GONE: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
        let module = Some("example.com/Mod");
        assert!(seen("http", &[HERE], module).await.0.is_ok());
        let no_tls = seen("https", &[HERE], module).await.0.unwrap_err();
        assert!(no_tls.to_string().contains("does it speak TLS"), "{no_tls}");
        let (gone, _) = seen("http", &[GONE], None).await;
        assert_eq!(gone.unwrap_err().to_string(), "it answered 502 Bad Gateway");
        // A server that is there for modules alone.
        let (there, paths) = seen("http", &[GONE, HERE], module).await;
        assert!(there.is_ok(), "{there:?}");
        assert_eq!(paths, ["/go", "/go/example.com/%21mod/@v/list"]);
        let (gone, _) = seen("http", &[GONE, GONE], module).await;
        assert_eq!(gone.unwrap_err().to_string(), "it answered 502 Bad Gateway");
    }
}
