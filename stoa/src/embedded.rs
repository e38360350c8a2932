//! The embedded default: frontend and worker over one directory, in one process.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use stoa_frontend::{Frontend, FrontendSettings};
use stoa_shared::{
    config::{Config, QueueLocation, StorageLocation, environment},
    directory::DirectoryError,
    metrics::Metrics,
    queue::{EmbeddedQueue, Queue},
    storage::{DiskStorage, DiskStorageError, Storage},
};
use stoa_worker::{
    claim::Claims,
    consumer::consume,
    egress::{EgressConfig, ProxySettings},
    jobs::Worker,
    repository::RepositoryLimits,
    settings::{WorkerSettings, WorkerSetupError},
    sweep::sweep,
    vcs::{git::GitConfig, pack},
};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// An exact version unknown to a ref listing older than this makes a new one
/// (design §8).
const REFS_RECHECK: Duration = Duration::from_secs(5);
/// Packs kept for the next module of the same commit, on disk.
const SNAPSHOT_BYTES: u64 = 1 << 30;
/// A job packs on one thread while storage writes on another; the rest is for what it
/// reads aside. Each idle thread keeps memory of its own, so there must not be more.
const BLOCKING_THREADS_PER_SLOT: usize = 6;
/// Added to the worker's threads: whoever asks for what is there goes before whoever
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
    Storage(#[from] DiskStorageError),
    #[error(transparent)]
    Queue(#[from] DirectoryError),
    #[error(transparent)]
    Worker(#[from] WorkerSetupError),
    #[error("{file}: cannot be read: {source}")]
    CertificateFile { file: String, source: io::Error },
    #[error("the worker's thread failed")]
    WorkerThread,
}

/// Runs until SIGTERM or SIGINT, then drains.
pub(crate) fn run(config: Config) -> Result<(), EmbeddedError> {
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

async fn start(config: Config) -> Result<(), EmbeddedError> {
    let shutdown = CancellationToken::new();
    stop_on_signals(&shutdown)?;
    let StorageLocation::Directory(directory) = &config.storage;
    let QueueLocation::Embedded = config.queue;
    let storage = Arc::new(DiskStorage::open(directory.clone()).await?);
    let queue = Arc::new(EmbeddedQueue::open(directory.join("_stoa/queue")).await?);
    let metrics = Arc::new(Metrics::new());
    let claims = Claims::alone();
    let worker = Worker::new(worker_settings(&config)?, storage.clone(), claims, metrics.clone())?;

    let public = listen(config.listeners.public, "STOA_LISTEN").await?;
    let admin = listen(config.listeners.admin, "STOA_ADMIN_LISTEN").await?;
    let work = spawn_worker(
        worker,
        storage.clone(),
        queue.clone(),
        metrics.clone(),
        &config,
        shutdown.clone(),
    )?;
    let frontend = Frontend::new(storage, queue, frontend_settings(&config), metrics);
    let admin_router = stoa_frontend::admin(frontend.clone());
    tracing::info!(
        listen = %address(&public, config.listeners.public),
        admin = %address(&admin, config.listeners.admin),
        storage = %directory.display(),
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
    worker: Worker,
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
        .on_thread_start(|| {
            // A system that refuses merely shares the processors evenly.
            let _ = rustix::process::nice(WORKER_NICENESS);
        })
        .build()
        .map_err(EmbeddedError::Runtime)?;
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            runtime.spawn(sweep(storage, shutdown.clone()));
            runtime.block_on(consume(Arc::new(worker), queue, metrics, slots, shutdown, grace));
            runtime.shutdown_background();
        })
        .map_err(EmbeddedError::Runtime)
}

fn worker_settings(config: &Config) -> Result<WorkerSettings, EmbeddedError> {
    let read = |file: &std::path::PathBuf| {
        std::fs::read(file).map_err(|source| EmbeddedError::CertificateFile {
            file: file.display().to_string(),
            source,
        })
    };
    let git = GitConfig::default();
    let extra_roots_pem = config.network.ca_file.as_ref().map(read).transpose()?;
    Ok(WorkerSettings {
        egress: EgressConfig {
            allow: config.network.allow_addresses.clone().into(),
            extra_roots_pem,
            rewrites: config.vcs.rewrites.iter().cloned().collect(),
            proxy: ProxySettings::from_variables(environment()),
            patient_requests: config.work.slots / 2,
            ..EgressConfig::default()
        },
        git: GitConfig {
            pack: pack::Limits {
                pack_bytes: config.vcs.max_pack_bytes.bytes(),
                ..pack::Limits::default()
            },
            listing_timeout: git.listing_timeout.min(config.vcs.timeout),
            fetch_timeout: config.vcs.timeout,
            ..git
        },
        repositories: RepositoryLimits {
            refs_freshness: config.freshness.refs,
            refs_recheck: REFS_RECHECK.min(config.freshness.refs),
            snapshot_bytes: SNAPSHOT_BYTES,
        },
        max_files: config.vcs.max_files,
    })
}

fn frontend_settings(config: &Config) -> FrontendSettings {
    FrontendSettings {
        wait: config.work.wait,
        freshness: config.freshness.list,
        negative: config.freshness.negative,
        memory_bytes: config.memory_cache.bytes(),
        drain: config.shutdown.drain,
        grace: config.shutdown.grace,
        public_url: config.public_url.as_ref().map(|url| url.as_str().to_owned()),
    }
}

/// Where a listener really listens: port 0 lets the system choose.
fn address(listener: &TcpListener, configured: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(configured)
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, EmbeddedError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| EmbeddedError::Listen { address, setting, source })
}

fn stop_on_signals(shutdown: &CancellationToken) -> Result<(), EmbeddedError> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signal = signal(kind).map_err(EmbeddedError::Runtime)?;
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            signal.recv().await;
            shutdown.cancel();
        });
    }
    Ok(())
}
