//! Claims: whose turn it is to fill a version, in this process and in the whole fleet.
//!
//! Within a process a lock per subject is enough. A fleet's workers agree through one
//! object per subject in storage: created conditionally, renewed every two seconds,
//! released by compare-and-swap and never by a delete, and taken over by
//! compare-and-swap once it stood unchanged for eight seconds on the taker's own clock,
//! so that no two clocks have to agree. A worker that was paused may find its claim
//! taken; [`Claim::check`] tells it before each write, and what it would write all the
//! same is refused by the write's own condition.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use rand::random;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_shared::storage::{Body, ETag, Storage, StorageError, StorageKey, read_small};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::AbortHandle,
    time::Instant,
};

/// How often a holder renews its claim.
const RENEWAL: Duration = Duration::from_secs(2);
/// How long a claim must stand unchanged before another may take it: several renewals.
const STALE: Duration = Duration::from_secs(8);
/// A holder that could not renew for this long must not rely on its claim: it is less
/// than [`STALE`] by more than a write takes.
const RELIABLE: Duration = Duration::from_secs(5);
/// How often a claim that somebody else holds is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a subject's lock, and what was seen of its claim, is kept in mind.
const REMEMBERED: Duration = Duration::from_secs(1200);

/// The claims of one process.
pub struct Claims {
    turns: Cache<String, Arc<Mutex<()>>>,
    fleet: Option<Fleet>,
}

/// What is shared with other processes.
struct Fleet {
    storage: Arc<dyn Storage>,
    /// Others' claims as last seen, and since when they have stood so.
    seen: Cache<StorageKey, (ETag, Instant)>,
}

/// The right to work on a subject. Dropping it gives it back, in the background where
/// storage has to be told.
pub struct Claim {
    lease: Option<Lease>,
    _turn: OwnedMutexGuard<()>,
}

/// Why there is no claim, or not any longer.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another worker holds it, and is alive.
    #[error("{subject}: another worker is at it")]
    Taken {
        /// What was claimed.
        subject: String,
    },
    /// It could not be renewed in time, and another worker may have taken it.
    #[error("{subject}: the claim was lost")]
    Lost {
        /// What was claimed.
        subject: String,
    },
    /// Storage is in trouble.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The stored document. Each write of it differs from all others, so that its entity
/// tag does, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Document {
    /// What is claimed, for a person who looks.
    subject: String,
    /// A random number for each time that it is taken.
    holder: u64,
    /// Counts the renewals.
    beat: u64,
    /// Whether anybody may take it.
    is_released: bool,
}

impl Claims {
    /// For a process that is the only one over its storage.
    pub fn alone() -> Self {
        Self { turns: remembered(), fleet: None }
    }

    /// For one of any number of processes over `storage`.
    pub fn fleet(storage: Arc<dyn Storage>) -> Self {
        Self { turns: remembered(), fleet: Some(Fleet { storage, seen: remembered() }) }
    }

    /// Takes the claim. While another job of the fleet holds it, waits for as long as
    /// `patience`; a process that is alone, whose queue has no equal jobs, for as long
    /// as it takes.
    pub async fn take(&self, subject: &str, patience: Duration) -> Result<Claim, ClaimError> {
        let turn = self.turns.get_with_by_ref(subject, Arc::default).lock_owned();
        let Some(fleet) = &self.fleet else {
            return Ok(Claim { lease: None, _turn: turn.await });
        };
        let begun = Instant::now();
        let taken = |_| ClaimError::Taken { subject: subject.to_owned() };
        let turn = tokio::time::timeout(patience, turn).await.map_err(taken)?;
        let lease = fleet.take(subject, patience.saturating_sub(begun.elapsed())).await?;
        Ok(Claim { lease: Some(lease), _turn: turn })
    }
}

impl Claim {
    /// Makes sure that the claim still holds; to be asked before each write that relies
    /// on it.
    pub async fn check(&self) -> Result<(), ClaimError> {
        match &self.lease {
            None => Ok(()),
            Some(lease) => lease.shared.check().await,
        }
    }
}

impl Fleet {
    async fn take(&self, subject: &str, patience: Duration) -> Result<Lease, ClaimError> {
        let key = StorageKey::claim(&digest(subject));
        let begun = Instant::now();
        let document =
            |holder| Document { subject: subject.to_owned(), holder, beat: 0, is_released: false };
        // Nobody has worked on most subjects before.
        let mine = document(random());
        match self.storage.create(&key, body(&mine)).await {
            Ok(meta) => return Ok(self.lease(key, mine, meta.etag)),
            Err(StorageError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        loop {
            let Some((bytes, meta)) = read_small(&*self.storage, &key).await? else {
                // Swept between two looks.
                let mine = document(random());
                match self.storage.create(&key, body(&mine)).await {
                    Ok(meta) => return Ok(self.lease(key, mine, meta.etag)),
                    Err(StorageError::AlreadyExists { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            // What cannot be read is a newer program's, and held until it goes stale.
            let is_released = is_released(&bytes);
            if is_released || self.is_stale(&key, &meta.etag) {
                let mine = document(random());
                match self.storage.swap(&key, &meta.etag, body(&mine)).await {
                    Ok(meta) => {
                        if !is_released {
                            tracing::warn!(subject, "claim of a silent worker taken over");
                        }
                        return Ok(self.lease(key, mine, meta.etag));
                    }
                    Err(
                        StorageError::PreconditionFailed { .. } | StorageError::NotFound { .. },
                    ) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            if begun.elapsed() >= patience {
                return Err(ClaimError::Taken { subject: subject.to_owned() });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the claim has stood like this for long enough, by our own clock.
    fn is_stale(&self, key: &StorageKey, etag: &ETag) -> bool {
        let now = Instant::now();
        match self.seen.get(key) {
            Some((seen, since)) if seen == *etag => now.duration_since(since) >= STALE,
            _ => {
                self.seen.insert(key.clone(), (etag.clone(), now));
                false
            }
        }
    }

    fn lease(&self, key: StorageKey, document: Document, etag: ETag) -> Lease {
        self.seen.invalidate(&key);
        let state = State { document, etag, renewed: Instant::now(), is_lost: false };
        let shared =
            Arc::new(Shared { storage: self.storage.clone(), key, state: Mutex::new(state) });
        let renewed = Arc::clone(&shared);
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                if let Err(error) = renewed.renew().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "claim not renewed");
                }
            }
        });
        Lease { shared, renewal: renewal.abort_handle() }
    }
}

/// A claim that is ours in storage.
struct Lease {
    shared: Arc<Shared>,
    renewal: AbortHandle,
}

/// What the holder and the renewal work on.
struct Shared {
    storage: Arc<dyn Storage>,
    key: StorageKey,
    state: Mutex<State>,
}

struct State {
    document: Document,
    etag: ETag,
    renewed: Instant,
    is_lost: bool,
}

impl Shared {
    async fn check(&self) -> Result<(), ClaimError> {
        {
            let state = self.state.lock().await;
            if !state.is_lost && state.renewed.elapsed() < RELIABLE {
                return Ok(());
            }
        }
        self.renew().await
    }

    async fn renew(&self) -> Result<(), ClaimError> {
        let mut state = self.state.lock().await;
        state.write(&*self.storage, &self.key, false).await
    }

    async fn release(&self) {
        let mut state = self.state.lock().await;
        match state.write(&*self.storage, &self.key, true).await {
            Ok(()) | Err(ClaimError::Lost { .. } | ClaimError::Taken { .. }) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "claim not released: it will go stale");
            }
        }
    }
}

impl State {
    async fn write(
        &mut self,
        storage: &dyn Storage,
        key: &StorageKey,
        is_released: bool,
    ) -> Result<(), ClaimError> {
        let lost = || ClaimError::Lost { subject: self.document.subject.clone() };
        if self.is_lost {
            return Err(lost());
        }
        // The time that counts is when the claim was seen last to be ours.
        let begun = Instant::now();
        let next = Document { beat: self.document.beat + 1, is_released, ..self.document.clone() };
        match storage.swap(key, &self.etag, body(&next)).await {
            Ok(meta) => {
                (self.document, self.etag, self.renewed) = (next, meta.etag, begun);
                Ok(())
            }
            Err(StorageError::PreconditionFailed { .. } | StorageError::NotFound { .. }) => {
                let error = lost();
                self.is_lost = true;
                Err(error)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
        let shared = Arc::clone(&self.shared);
        // Whoever waits for it looks again soon, and nobody waits for us. At the end of
        // the runtime it goes stale instead.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { shared.release().await });
        }
    }
}

/// Whether a stored claim was given back.
pub(crate) fn is_released(claim: &[u8]) -> bool {
    serde_json::from_slice(claim).is_ok_and(|document: Document| document.is_released)
}

fn remembered<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().time_to_idle(REMEMBERED).build()
}

fn body(document: &Document) -> Body {
    Body::from(serde_json::to_vec(document).expect("a claim always serialises"))
}

/// Subjects are of any length and alphabet; names of objects are not.
fn digest(subject: &str) -> String {
    let digest = Sha256::digest(subject.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
