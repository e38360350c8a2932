//! The frontend as a process of a fleet: serves until it is told to stop.

use std::{io, net::SocketAddr, sync::Arc};

use stoa_shared::{
    backends::{BackendError, open_queue, require_shared},
    config::Config,
    metrics::Metrics,
    signals::stop_on_signals,
    starting,
};
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use crate::{Frontend, FrontendSettings, operators, serve};

/// What the program is called.
pub const PROGRAM: &str = "stoa-frontend";

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No threads, or no signals.
    #[error("the process cannot be set up: {0}")]
    Runtime(io::Error),
    /// An address is not to be had.
    #[error("cannot listen on {address}: {source}; set {setting} to a free address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Where it is set.
        setting: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Storage or queue cannot be had.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Runs until SIGTERM or SIGINT, then drains.
pub fn run(config: &Config) -> Result<(), ProcessError> {
    require_shared(config, PROGRAM)?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ProcessError::Runtime)?;
    let outcome = runtime.block_on(answer(config));
    // What still blocks a thread now holds nothing that anybody waits for.
    runtime.shutdown_background();
    outcome
}

async fn answer(config: &Config) -> Result<(), ProcessError> {
    let shutdown = CancellationToken::new();
    stop_on_signals(&shutdown).map_err(ProcessError::Runtime)?;
    let public = listen(config.listeners.public, "STOA_LISTEN").await?;
    let admin = listen(config.listeners.admin, "STOA_ADMIN_LISTEN").await?;
    let opened = starting::storage(config, &[&public, &admin], &shutdown).await?;
    let Some(storage) = opened else { return Ok(()) };
    let queue = open_queue(config, 0, PROGRAM).await?;
    let settings = FrontendSettings::from_config(config)?;
    let frontend = Frontend::new(storage, queue, settings, Arc::new(Metrics::new()));
    tracing::info!(
        deployment.id = %config.deployment,
        listen = %config.listeners.public,
        admin = %config.listeners.admin,
        storage = %config.storage,
        "stoa-frontend is ready"
    );
    let routes = operators(frontend.clone());
    serve(frontend, public, Some((admin, routes)), shutdown).await;
    Ok(())
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, ProcessError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ProcessError::Listen { address, setting, source })
}
