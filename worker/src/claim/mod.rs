//! Claims: whose turn it is to fill a version, in this process and in the whole fleet.
//!
//! Within a process a lock per subject is enough. A fleet's workers agree through one
//! object per subject in storage: created conditionally, renewed every two seconds,
//! released by compare-and-swap and never by a delete, and taken over by
//! compare-and-swap once it stood unchanged for eight seconds on the taker's own clock,
//! so that no two clocks have to agree. A worker that was paused may find its claim
//! taken: its job is ended then ([`Holders`]), [`Claim::check`] tells it before each
//! write, and what it would write all the same is refused by the write's own condition.

mod document;
mod fleet;
mod holder;
mod keeper;

use std::{
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use stoa_shared::storage::{Storage, StorageError};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, timeout_at},
};

pub(crate) use document::key_of;
use fleet::Fleet;
pub use holder::Holders;
use keeper::Lease;

/// How often a holder renews its claim.
const RENEWAL: Duration = Duration::from_secs(2);
/// How long a claim must stand unchanged before another may take it: several renewals.
const STALE: Duration = Duration::from_secs(8);
/// A holder that could not renew for this long must not rely on its claim: it is less
/// than [`STALE`] by more than a write takes.
const RELIABLE: Duration = Duration::from_secs(5);
/// How long a subject's lock, and what was seen of its claim, is kept in mind.
const REMEMBERED: Duration = Duration::from_secs(1200);
/// The shortest and the longest time until a job looks again at what another is at.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// The claims of one process.
pub struct Claims {
    turns: Cache<String, Arc<Turn>>,
    fleet: Option<Fleet>,
}

/// Whose turn it is within this process.
#[derive(Default)]
struct Turn {
    line: Arc<Mutex<()>>,
    /// Since when whoever has it has it.
    begun: StdMutex<Option<Instant>>,
}

/// The right to work on a subject. Dropping it gives it back, in the background where
/// storage has to be told.
pub struct Claim(Hold);

enum Hold {
    Alone(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>),
    Fleet(Lease),
}

/// Why there is no claim, or not any longer.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another worker holds it, and is alive.
    #[error("{subject}: another worker is at it")]
    Taken {
        /// What was claimed.
        subject: String,
        /// When it is worth another look.
        look_again: Duration,
    },
    /// Another worker took it, because it was not renewed in time.
    #[error("{subject}: the claim was lost")]
    Lost {
        /// What was claimed.
        subject: String,
    },
    /// Storage does not tell whether it still holds.
    #[error("{subject}: storage does not confirm the claim")]
    Unconfirmed {
        /// What was claimed.
        subject: String,
    },
    /// Storage is in trouble.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Claims {
    /// For a process that is the only one over its storage.
    pub fn alone() -> Self {
        Self { turns: remembered(), fleet: None }
    }

    /// For one of any number of processes over `storage`.
    pub fn fleet(storage: Arc<dyn Storage>) -> Self {
        Self { turns: remembered(), fleet: Some(Fleet::new(storage)) }
    }

    /// Takes the claim. While another job of the fleet holds it, waits for as long as
    /// `patience`; a process that is alone, whose queue has no equal jobs, for as long
    /// as it takes.
    pub async fn take(&self, subject: &str, patience: Duration) -> Result<Claim, ClaimError> {
        let turn = self.turns.get_with_by_ref(subject, Arc::default);
        let next = turn.line.clone().lock_owned();
        let Some(fleet) = &self.fleet else {
            return Ok(Claim(Hold::Alone(next.await)));
        };
        let deadline = Instant::now() + patience;
        let taken = |_| ClaimError::Taken {
            subject: subject.to_owned(),
            look_again: look_again(turn.held_for()),
        };
        let held = timeout_at(deadline, next).await.map_err(taken)?;
        turn.begin();
        let claim = Claim(Hold::Fleet(fleet.take(subject, deadline).await?.keep(held)));
        // If taking it took long, somebody may have taken it over meanwhile.
        claim.check().await?;
        Ok(claim)
    }
}

impl Claim {
    /// Makes sure that the claim still holds; to be asked before each write that relies
    /// on it.
    pub async fn check(&self) -> Result<(), ClaimError> {
        match &self.0 {
            Hold::Alone(_) => Ok(()),
            Hold::Fleet(lease) => lease.check().await,
        }
    }
}

impl Turn {
    fn begin(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn held_for(&self) -> Duration {
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }
}

/// When to look again at a claim that somebody has held for so long: most are given back
/// soon, and what took long will take longer.
fn look_again(held_for: Duration) -> Duration {
    let (soonest, latest) = LOOK_AGAIN;
    (held_for / 2).clamp(soonest, latest)
}

fn remembered<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().time_to_idle(REMEMBERED).build()
}

#[cfg(test)]
mod tests;
