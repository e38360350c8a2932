//! Talking to the admin API of a running Stoa.

use std::{io, time::Duration};

use clap::{Arg, ArgMatches};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Method, StatusCode, header::DATE};
use stoa_shared::{
    backends::{BackendError, root_certificates},
    config::{Config, Secret},
};

const URL: &str = "url";
/// Reading some thousand dead letters from a broker takes seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Why a command failed: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("{url}: cannot be reached: {reason}; name the admin listener with --url")]
    Unreachable { url: String, reason: String },
    #[error("{url}: {answer}")]
    Refused { url: String, answer: String },
    #[error("{url}: not the answer of a Stoa: {reason}")]
    Foreign { url: String, reason: String },
    #[error(transparent)]
    Roots(#[from] BackendError),
    #[error("no connection can be set up: {0}")]
    Client(reqwest::Error),
    #[error("there is no dead letter {id:?}")]
    NoLetter { id: String },
    #[error("not every dead letter is {done}: {count} failed, as told above")]
    Incomplete { count: usize, done: &'static str },
    #[error("standard output cannot be written: {0}")]
    Output(io::Error),
    #[error("the command cannot be run: {0}")]
    Runtime(io::Error),
}

impl AdminError {
    /// Whether whoever reads our output has seen enough of it.
    pub(crate) fn is_enough(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The admin API at one address.
pub(crate) struct AdminClient {
    client: reqwest::Client,
    base: String,
    token: Option<Secret>,
}

/// The switch that names the address.
pub(crate) fn url_switch() -> Arg {
    Arg::new(URL)
        .long(URL)
        .global(true)
        .value_name("URL")
        .help("Base URL of the admin listener; default: STOA_ADMIN_LISTEN of the configuration")
}

impl AdminClient {
    /// As the switch and the configuration say; the token is the configuration's.
    pub(crate) fn new(config: &Config, matches: &ArgMatches) -> Result<Self, AdminError> {
        let configured = || format!("http://{}", config.listeners.admin);
        let base = matches.get_one::<String>(URL).cloned().unwrap_or_else(configured);
        let base = base.trim_end_matches('/').to_owned();
        // Whoever was first has installed one already, and any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
        if let Some(pem) = root_certificates(config)? {
            let roots = reqwest::Certificate::from_pem_bundle(&pem);
            client = client.tls_certs_merge(roots.map_err(AdminError::Client)?);
        }
        let client = client.build().map_err(AdminError::Client)?;
        Ok(Self { client, base, token: config.listeners.admin_token.clone() })
    }

    /// Sends a request; the body of a good answer.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Result<Vec<u8>, AdminError> {
        self.ask(method, path).await.map(|(body, _)| body)
    }

    /// The same, and what time it was there, where that is said.
    async fn ask(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(Vec<u8>, Option<Timestamp>), AdminError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, &url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let unreachable = |error: reqwest::Error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            AdminError::Unreachable { url: self.base.clone(), reason: cause.to_string() }
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| Some(rfc2822::parse(date).ok()?.timestamp()));
        let body = answer.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok((body.to_vec(), date));
        }
        let said = String::from_utf8_lossy(&body);
        let said =
            said.lines().next().filter(|_| status != StatusCode::NOT_FOUND || said.len() < 300);
        let answer = said.map_or_else(|| status.to_string(), str::to_owned);
        Err(AdminError::Refused { url: self.base.clone(), answer })
    }

    /// Sends a GET; the answer as a value.
    pub(crate) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, AdminError> {
        self.get_dated(path).await.map(|(value, _)| value)
    }

    /// The same, and what time it was there: the only clock to compare its times with.
    pub(crate) async fn get_dated<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Timestamp), AdminError> {
        let (body, date) = self.ask(Method::GET, path).await?;
        let value = serde_json::from_slice(&body).map_err(|error| AdminError::Foreign {
            url: self.base.clone(),
            reason: error.to_string(),
        })?;
        Ok((value, date.unwrap_or_else(Timestamp::now)))
    }
}
