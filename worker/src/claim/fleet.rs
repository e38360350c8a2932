//! Fleet: taking a claim that other processes may want, or have.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use stoa_shared::storage::{ETag, Storage, StorageError, StorageKey, read_small};
use tokio::time::{Instant, sleep};

use super::{
    ClaimError, RENEWAL, STALE,
    document::{Document, key_of},
    keeper::Keeper,
    look_again, remembered,
};

/// How often a claim that somebody else holds is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A claim that stood for longer than a renewal and a call that stalls is a dead
/// worker's, perhaps.
const SUSPICIOUS: Duration = Duration::from_secs(4);

/// What is shared with other processes.
pub(super) struct Fleet {
    storage: Arc<dyn Storage>,
    /// Others' claims as last seen, and since when they have stood so.
    seen: Cache<StorageKey, (ETag, Instant)>,
}

/// A claim that anybody may take.
struct Free {
    etag: ETag,
    is_released: bool,
}

impl Fleet {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, seen: remembered() }
    }

    /// Takes the claim, if it is free before `deadline`; it is looked at once at least.
    pub(super) async fn take(
        &self,
        subject: &str,
        deadline: Instant,
    ) -> Result<Keeper, ClaimError> {
        let key = key_of(subject);
        // Nobody has worked on most subjects before.
        let mut free: Option<Free> = None;
        loop {
            let (document, begun) = (Document::new(subject), Instant::now());
            let written = match &free {
                None => self.storage.create(&key, document.body()).await,
                Some(free) => self.storage.swap(&key, &free.etag, document.body()).await,
            };
            match written {
                Ok(meta) => {
                    if free.is_some_and(|free| !free.is_released) {
                        tracing::warn!(subject, "claim of a silent worker taken over");
                    }
                    self.seen.invalidate(&key);
                    let (storage, etag) = (self.storage.clone(), meta.etag);
                    let (pace, is_in_doubt) = (begun.elapsed(), false);
                    return Ok(Keeper {
                        storage,
                        key,
                        document,
                        etag,
                        renewed: begun,
                        pace,
                        is_in_doubt,
                    });
                }
                Err(
                    StorageError::AlreadyExists { .. }
                    | StorageError::PreconditionFailed { .. }
                    | StorageError::NotFound { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
            free = self.until_free(subject, &key, deadline).await?;
        }
    }

    /// What may be replaced; `None` where nothing lies any longer.
    async fn until_free(
        &self,
        subject: &str,
        key: &StorageKey,
        deadline: Instant,
    ) -> Result<Option<Free>, ClaimError> {
        loop {
            let Some((bytes, meta)) = read_small(&*self.storage, key).await? else {
                return Ok(None);
            };
            // What cannot be read is a newer program's, and held until it goes stale.
            let document = Document::read(&bytes);
            let is_released = document.as_ref().is_some_and(|document| document.is_released);
            let unchanged_for = self.unchanged_for(key, &meta.etag);
            if is_released || unchanged_for >= STALE {
                return Ok(Some(Free { etag: meta.etag, is_released }));
            }
            if Instant::now() >= deadline {
                let held_for = document.map_or(Duration::ZERO, |it| RENEWAL * it.beat);
                let is_suspicious = unchanged_for >= SUSPICIOUS;
                let look_again = look_again(if is_suspicious { Duration::ZERO } else { held_for });
                return Err(ClaimError::Taken { subject: subject.to_owned(), look_again });
            }
            sleep(LOOK).await;
        }
    }

    /// For how long the claim has stood like this, by our own clock.
    fn unchanged_for(&self, key: &StorageKey, etag: &ETag) -> Duration {
        let now = Instant::now();
        match self.seen.get(key) {
            Some((seen, since)) if seen == *etag => now.duration_since(since),
            _ => {
                self.seen.insert(key.clone(), (etag.clone(), now));
                Duration::ZERO
            }
        }
    }
}
