//! The backends that the configuration names: storage and queue, opened.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{Config, QueueLocation, StorageLocation},
    directory::DirectoryError,
    queue::{EmbeddedQueue, Queue, RabbitConfig, RabbitConfigError, RabbitQueue},
    storage::{DiskStorage, DiskStorageError, S3Config, S3Storage, S3StorageError, Storage},
};

/// A bucket that cannot be reached at the start is tried again after this.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(2);

/// Why a process cannot have its backends.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DiskStorageError),
    /// The bucket cannot be used.
    #[error(transparent)]
    Bucket(#[from] S3StorageError),
    /// The embedded queue's directory cannot be used.
    #[error(transparent)]
    EmbeddedQueue(#[from] DirectoryError),
    /// The broker's URL or its certificates cannot be used.
    #[error("STOA_QUEUE: {0}")]
    Broker(#[from] RabbitConfigError),
    /// An embedded queue lies beside the modules, and a bucket has no such place.
    #[error(
        "STOA_QUEUE is embedded, which needs a directory as STOA_STORAGE: name a broker (amqp://…)"
    )]
    QueueWithoutDirectory,
    /// Processes of a fleet share their queue and their storage.
    #[error(
        "{setting}: {program} is one process of a fleet and needs {needed}; on one machine run `stoa`, which is the whole of it"
    )]
    NotShared {
        /// Which program.
        program: &'static str,
        /// Which setting.
        setting: &'static str,
        /// What would do.
        needed: &'static str,
    },
    /// The file of further root certificates cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Certificates {
        /// Which file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Refuses what two processes cannot share, before anything is opened.
pub fn require_shared(config: &Config, program: &'static str) -> Result<(), BackendError> {
    if matches!(config.storage, StorageLocation::Directory(_)) {
        let (setting, needed) = ("STOA_STORAGE", "a bucket (s3://…)");
        return Err(BackendError::NotShared { program, setting, needed });
    }
    if matches!(config.queue, QueueLocation::Embedded) {
        let (setting, needed) = ("STOA_QUEUE", "a broker (amqp://…)");
        return Err(BackendError::NotShared { program, setting, needed });
    }
    Ok(())
}

/// Opens the storage. A bucket that cannot be reached is waited for: it, or the way to
/// it, may be starting just as we are.
pub async fn open_storage(config: &Config) -> Result<Arc<dyn Storage>, BackendError> {
    let (name, prefix) = match &config.storage {
        StorageLocation::Directory(directory) => {
            return Ok(Arc::new(DiskStorage::open(directory.clone()).await?));
        }
        StorageLocation::Bucket { name, prefix } => (name, prefix),
    };
    let settings = &config.bucket;
    let bucket = S3Config {
        prefix: prefix.clone(),
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        path_style: settings.path_style,
        root_certificates: root_certificates(config)?.unwrap_or_default(),
        attempt_timeout: settings.timeout,
        stall_timeout: settings.stall_timeout,
        attempts: settings.attempts,
        backoff_base: settings.backoff,
        ..S3Config::new(name.clone())
    };
    loop {
        match S3Storage::open(bucket.clone()).await {
            Err(error @ S3StorageError::Unreachable { .. }) => {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(cause, "{error}; trying again");
                tokio::time::sleep(UNREACHABLE_PAUSE).await;
            }
            opened => return Ok(Arc::new(opened?)),
        }
    }
}

/// Opens the queue for a process that has at most `in_hand` jobs in hand, zero for one
/// that only publishes. A broker need not be there yet.
pub async fn open_queue(
    config: &Config,
    in_hand: usize,
    name: &str,
) -> Result<Arc<dyn Queue>, BackendError> {
    match (&config.queue, &config.storage) {
        (QueueLocation::Broker { url, file }, _) => {
            let broker = RabbitConfig {
                url_file: file.clone(),
                prefetch: in_hand,
                roots: root_certificates(config)?,
                name: name.to_owned(),
                ..RabbitConfig::new(url.expose())
            };
            Ok(Arc::new(RabbitQueue::start(broker)?))
        }
        (QueueLocation::Embedded, StorageLocation::Directory(directory)) => {
            Ok(Arc::new(EmbeddedQueue::open(queue_directory(directory)).await?))
        }
        (QueueLocation::Embedded, StorageLocation::Bucket { .. }) => {
            Err(BackendError::QueueWithoutDirectory)
        }
    }
}

/// Whether other processes may work on the same storage.
pub fn is_shared(config: &Config) -> bool {
    matches!(config.storage, StorageLocation::Bucket { .. })
}

/// Roots trusted besides the platform's, PEM.
pub fn root_certificates(config: &Config) -> Result<Option<Vec<u8>>, BackendError> {
    let Some(file) = &config.network.ca_file else { return Ok(None) };
    let read = std::fs::read(file);
    read.map(Some).map_err(|source| BackendError::Certificates { file: file.clone(), source })
}

fn queue_directory(storage: &Path) -> PathBuf {
    storage.join("_stoa/queue")
}
