//! The worker as a process of a fleet: consumes until it is told to stop.

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

use crate::{
    consumer::consume,
    operations::{Operations, router},
    settings::{WorkerSettings, WorkerSetupError},
    sweep::sweep,
    workers::{Sharing, Workers},
};

/// What the program is called.
pub const PROGRAM: &str = "stoa-worker";

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No threads, or no signals.
    #[error("the process cannot be set up: {0}")]
    Runtime(io::Error),
    /// The admin listener's address is not to be had.
    #[error("cannot listen on {address}: {source}; set STOA_ADMIN_LISTEN to a free address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Storage or queue cannot be had.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The worker itself cannot be set up.
    #[error(transparent)]
    Worker(#[from] WorkerSetupError),
}

/// Runs until SIGTERM or SIGINT; then finishes what it has in hand, within the grace
/// period, and gives the rest back.
pub fn run(config: &Config) -> Result<(), ProcessError> {
    require_shared(config, PROGRAM)?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ProcessError::Runtime)?;
    let outcome = runtime.block_on(work(config));
    // What still blocks a thread now holds nothing that anybody waits for.
    runtime.shutdown_background();
    outcome
}

async fn work(config: &Config) -> Result<(), ProcessError> {
    let settings = WorkerSettings::from_config(config)?;
    let shutdown = CancellationToken::new();
    stop_on_signals(&shutdown).map_err(ProcessError::Runtime)?;
    let address = config.listeners.admin;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| ProcessError::Listen { address, source })?;
    let opened = starting::storage(config, &[&listener], &shutdown).await?;
    let Some(storage) = opened else { return Ok(()) };
    let slots = config.work.slots;
    let queue = open_queue(config, slots, PROGRAM).await?;
    let metrics = Arc::new(Metrics::new());
    let workers =
        Arc::new(Workers::new(settings, storage.clone(), Sharing::Fleet, metrics.clone())?);

    let operations = Operations::new(queue.clone(), metrics.clone(), shutdown.clone());
    let served = axum::serve(listener, router(operations));
    // Told to stop, it goes on answering probes until the last job is done.
    tokio::spawn(served.into_future());
    tokio::spawn(sweep(storage, shutdown.clone()));
    tracing::info!(
        deployment.id = %config.deployment,
        admin = %address,
        storage = %config.storage,
        slots,
        "stoa-worker consumes"
    );
    consume(workers, queue, metrics, slots, shutdown, config.shutdown.grace).await;
    tracing::info!("drained");
    Ok(())
}
