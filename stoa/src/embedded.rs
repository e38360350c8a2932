//! The embedded default: frontend and worker over one directory, in one process.

use std::{io, net::SocketAddr, sync::Arc, thread};

use stoa_frontend::{Frontend, FrontendSettings};
use stoa_shared::{
    backends::{BackendError, is_shared, open_queue},
    config::Config,
    metrics::Metrics,
    niceness::give_way,
    queue::Queue,
    signals::stop_on_signals,
    starting,
    storage::Storage,
};
use stoa_worker::{
    consumer::consume,
    settings::{WorkerSettings, WorkerSetupError},
    sweep::sweep,
    workers::{Sharing, Workers},
};
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

/// A job packs on one thread while storage writes on another; the rest is for what it
/// reads aside. Each idle thread keeps memory of its own, so there must not be more.
const BLOCKING_THREADS_PER_SLOT: usize = 6;
/// Of the worker's threads: whoever asks for what is there goes before whoever
/// waits for a fill.
const WORKER_NICENESS: i32 = 5;

/// Why the process cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmbeddedError {
    #[error("threads cannot be started: {0}")]
    Runtime(io::Error),
    #[error("cannot listen on {address}: {source}; set {setting} to a free address")]
    Listen { address: SocketAddr, setting: &'static str, source: io::Error },
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Worker(#[from] WorkerSetupError),
    #[error("the worker's thread failed")]
    WorkerThread,
}

/// Runs until SIGTERM or SIGINT, then drains.
pub(crate) fn run(config: &Config) -> Result<(), EmbeddedError> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("frontend")
        .build()
        .map_err(EmbeddedError::Runtime)?;
    let outcome = runtime.block_on(start(config));
    // What still blocks a thread now holds nothing that anybody waits for.
    runtime.shutdown_background();
    outcome
}

async fn start(config: &Config) -> Result<(), EmbeddedError> {
    let settings = WorkerSettings::from_config(config)?;
    let shutdown = CancellationToken::new();
    stop_on_signals(&shutdown).map_err(EmbeddedError::Runtime)?;
    let public = listen(config.listeners.public, "STOA_LISTEN").await?;
    let admin = listen(config.listeners.admin, "STOA_ADMIN_LISTEN").await?;
    let opened = starting::storage(config, &[&public, &admin], &shutdown).await?;
    let Some(storage) = opened else { return Ok(()) };
    let queue = open_queue(config, config.work.slots, "stoa").await?;
    let metrics = Arc::new(Metrics::new());
    let sharing = if is_shared(config) { Sharing::Fleet } else { Sharing::Alone };
    let workers = Workers::new(settings, storage.clone(), sharing, metrics.clone())?;

    let work = spawn_worker(
        workers,
        storage.clone(),
        queue.clone(),
        metrics.clone(),
        config,
        shutdown.clone(),
    )?;
    let frontend = Frontend::new(storage, queue, FrontendSettings::from_config(config)?, metrics);
    let admin_router = stoa_frontend::operators(frontend.clone());
    tracing::info!(
        listen = %address(&public, config.listeners.public),
        admin = %address(&admin, config.listeners.admin),
        storage = %config.storage,
        "stoa is ready"
    );
    stoa_frontend::serve(frontend, public, Some((admin, admin_router)), shutdown.clone()).await;
    shutdown.cancel();
    let joined = tokio::task::spawn_blocking(move || work.join());
    match joined.await {
        Ok(Ok(())) => Ok(()),
        _ => Err(EmbeddedError::WorkerThread),
    }
}

/// The worker's CPU work runs on a runtime of its own, so that it never stands in the
/// way of a request.
fn spawn_worker(
    workers: Workers,
    storage: Arc<dyn Storage>,
    queue: Arc<dyn Queue>,
    metrics: Arc<Metrics>,
    config: &Config,
    shutdown: CancellationToken,
) -> Result<thread::JoinHandle<()>, EmbeddedError> {
    let (slots, grace) = (config.work.slots, config.shutdown.grace);
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("worker")
        .max_blocking_threads(slots * BLOCKING_THREADS_PER_SLOT)
        .on_thread_start(|| give_way(WORKER_NICENESS))
        .build()
        .map_err(EmbeddedError::Runtime)?;
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            runtime.spawn(sweep(storage, shutdown.clone()));
            runtime.block_on(consume(Arc::new(workers), queue, metrics, slots, shutdown, grace));
            runtime.shutdown_background();
        })
        .map_err(EmbeddedError::Runtime)
}

/// Where a listener really listens: port 0 lets the system choose.
fn address(listener: &TcpListener, configured: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(configured)
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, EmbeddedError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| EmbeddedError::Listen { address, setting, source })
}
