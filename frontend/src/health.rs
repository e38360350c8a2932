//! Whether this frontend should be given requests.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use stoa_shared::{
    starting::NOT_READY,
    storage::{GetOptions, Storage, StorageKey},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Storage may be out of reach this long before the frontend calls itself unready:
/// long enough that one hiccup of a shared store does not take all frontends out.
const STORAGE_PATIENCE: Duration = Duration::from_secs(30);

/// How often storage is looked at.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked at until it is seen for the first time.
const FIRST_PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// A job that the queue did not take says this long that the queue is in trouble: where
/// nobody publishes another, nobody would learn that it is well again.
const REFUSAL_COUNTS: Duration = Duration::from_secs(10);

/// What readiness depends on (kubernetes §5): storage and shutdown, never the queue,
/// because hits need none.
#[derive(Debug, Default)]
pub(crate) struct Health {
    storage_seen: Mutex<Option<Instant>>,
    draining: AtomicBool,
    end_of_waits: CancellationToken,
    /// When the queue did not take the last job.
    refused: Mutex<Option<Instant>>,
}

/// Why the frontend is not ready.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    /// Storage has not been seen yet.
    Starting,
    /// Shutdown has begun.
    Draining,
    /// Storage has been out of reach for too long.
    WithoutStorage,
}

impl Health {
    /// `Ok` when requests are welcome.
    pub(crate) fn ready(&self, now: Instant) -> Result<(), Unready> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Unready::Draining);
        }
        match *self.storage_seen.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Err(Unready::Starting),
            Some(seen) if now.duration_since(seen) > STORAGE_PATIENCE => {
                Err(Unready::WithoutStorage)
            }
            Some(_) => Ok(()),
        }
    }

    /// What does not work although the frontend is ready.
    pub(crate) fn degraded(&self, queue_is_connected: bool, now: Instant) -> Option<&'static str> {
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refuses = refused.is_some_and(|at| now.duration_since(at) <= REFUSAL_COUNTS);
        (!queue_is_connected || refuses)
            .then_some("degraded: the job queue is unavailable, misses are refused")
    }

    /// Shutdown has begun; there is no way back.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Connections are about to be cut: whoever waits for a job is answered now.
    pub(crate) fn end_waits(&self) {
        self.end_of_waits.cancel();
    }

    /// Returns when waits have to end; before that, never.
    pub(crate) async fn end_of_waits(&self) {
        self.end_of_waits.cancelled().await;
    }

    /// Whether the queue took the last job.
    pub(crate) fn note_queue(&self, accepted: bool) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
            (!accepted).then(Instant::now);
    }

    /// Looks at storage again and again, forever.
    pub(crate) async fn watch(&self, storage: &dyn Storage) {
        loop {
            let seen = self.probe(storage).await;
            let started = self.ready(Instant::now()) != Err(Unready::Starting);
            let pause = if seen || started { PROBE_INTERVAL } else { FIRST_PROBE_INTERVAL };
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks at storage once; whether it answered.
    pub(crate) async fn probe(&self, storage: &dyn Storage) -> bool {
        let seen = tokio::time::timeout(PROBE_INTERVAL, is_there(storage)).await.unwrap_or(false);
        if seen {
            *self.storage_seen.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Instant::now());
        } else {
            tracing::warn!("storage does not answer the readiness probe");
        }
        seen
    }
}

/// Whether storage answers as one that is there. The first answer has no body, and may not
/// tell a bucket that has gone from an object that is not there: the second one has.
async fn is_there(storage: &dyn Storage) -> bool {
    let key = StorageKey::format();
    match storage.head(&key).await {
        Ok(_) => true,
        Err(error) if error.is_not_found() => {
            let got = storage.get(&key, GetOptions::default()).await;
            got.map_or_else(|error| error.is_not_found(), |_| true)
        }
        Err(_) => false,
    }
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => NOT_READY,
            Self::Draining => "not ready: shutting down",
            Self::WithoutStorage => "not ready: storage has not answered for 30 s",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: Instant) -> Health {
        Health { storage_seen: Mutex::new(Some(at)), ..Health::default() }
    }

    #[test]
    fn readiness_needs_storage_within_thirty_seconds_and_no_shutdown() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(Health::default().ready(start), Err(Unready::Starting));
        assert_eq!(seen(start).ready(start), Ok(()));
        assert_eq!(seen(start).ready(later(30)), Ok(()));
        assert_eq!(seen(start).ready(later(31)), Err(Unready::WithoutStorage));
        let draining = seen(start);
        draining.drain();
        assert_eq!(draining.ready(start), Err(Unready::Draining));
    }

    #[test]
    fn a_queue_in_trouble_degrades_but_does_not_unready() {
        let start = Instant::now();
        let health = seen(start);
        assert_eq!(health.degraded(true, start), None);
        health.note_queue(false);
        assert!(health.degraded(true, start).is_some());
        assert_eq!(health.ready(start), Ok(()));
        health.note_queue(true);
        assert_eq!(health.degraded(true, start), None);
        assert!(health.degraded(false, start).is_some());
        // Nobody publishes, and the trouble has passed.
        health.note_queue(false);
        let later = Instant::now() + REFUSAL_COUNTS + Duration::from_secs(1);
        assert_eq!(health.degraded(true, later), None);
    }
}
