//! Keeper: the task that renews one claim, from its taking to its release.
//!
//! It alone writes the claim, so that whoever asks how the claim stands never waits for a
//! write. A write that is not answered soon is given up and tried again. It may have
//! arrived, or arrive yet: what lies there is looked at then, and is ours as long as it
//! names us.

use std::{sync::Arc, time::Duration};

use stoa_shared::storage::{ETag, Storage, StorageError, StorageKey, read_small, unavailable};
use tokio::{
    sync::{OwnedMutexGuard, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use super::{ClaimError, RELIABLE, RENEWAL, STALE, document::Document, holder::Holder};

/// How long a call of storage may take: so little that two may stall one after the other
/// before anybody takes the claim for a dead worker's.
const SOON: Duration = Duration::from_secs(2);
/// Tries in a row that have to end that soon, or not much later than the last that was
/// answered. Storage that answers none of them is slow throughout, and gets more time.
const SOON_TRIES: u32 = 3;
/// The pause after a try that failed.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a release is tried; a claim that is not released goes stale.
const RELEASE_TRIES: u32 = 2;
/// How long a job that is about to write waits to hear that its claim still holds.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(16);

/// What is known of a claim that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    /// A write that succeeded began then.
    Held { renewed: Instant },
    /// Another has it.
    Lost,
}

/// A claim that is ours in storage.
pub(super) struct Keeper {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) key: StorageKey,
    pub(super) document: Document,
    pub(super) etag: ETag,
    /// When the last write that succeeded began: the claim has stood since then, perhaps.
    pub(super) renewed: Instant,
    /// How long that write took.
    pub(super) pace: Duration,
    /// Whether what lies there may be another write of ours than the last known.
    pub(super) is_in_doubt: bool,
}

/// The holder's end of it. Dropping it has the claim given back.
pub(super) struct Lease {
    subject: String,
    standing: watch::Receiver<Standing>,
    _release: DropGuard,
}

impl Lease {
    /// Waits, if need be, to hear that the claim still holds.
    pub(super) async fn check(&self) -> Result<(), ClaimError> {
        let mut standing = self.standing.clone();
        let is_certain = |standing: &Standing| match standing {
            Standing::Held { renewed } => renewed.elapsed() < RELIABLE,
            Standing::Lost => true,
        };
        let subject = || self.subject.clone();
        match timeout(CONFIRMED_WITHIN, standing.wait_for(is_certain)).await {
            Ok(Ok(standing)) if matches!(*standing, Standing::Held { .. }) => Ok(()),
            Ok(_) => Err(ClaimError::Lost { subject: subject() }),
            Err(_) => Err(ClaimError::Unconfirmed { subject: subject() }),
        }
    }
}

impl Keeper {
    /// Renews the claim until the lease is dropped, and gives it and `turn` back then.
    pub(super) fn keep(self, turn: OwnedMutexGuard<()>) -> Lease {
        let (standing, seen) = watch::channel(Standing::Held { renewed: self.renewed });
        let released = CancellationToken::new();
        let lease = Lease {
            subject: self.document.subject.clone(),
            standing: seen,
            _release: released.clone().drop_guard(),
        };
        let holder = Holder::current();
        let keeping = async move {
            self.run(&standing, holder.as_ref(), &released).await;
            drop((turn, holder));
        };
        tokio::spawn(keeping.in_current_span());
        lease
    }

    async fn run(
        mut self,
        standing: &watch::Sender<Standing>,
        holder: Option<&Holder>,
        released: &CancellationToken,
    ) {
        let mut failures = 0;
        loop {
            let renewed = tokio::select! {
                biased;
                () = released.cancelled() => return self.release().await,
                renewed = self.renew(failures) => renewed,
            };
            match renewed {
                Ok(held @ Standing::Held { .. }) => {
                    failures = 0;
                    standing.send_replace(held);
                }
                Ok(Standing::Lost) => {
                    let subject = &self.document.subject;
                    tracing::warn!(subject, "claim lost to another worker");
                    standing.send_replace(Standing::Lost);
                    if let Some(holder) = holder {
                        holder.lose(subject);
                    }
                    return;
                }
                Err(error) => {
                    // The same trouble again and again is told once.
                    if failures == 0 {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "claim not renewed, trying again");
                    }
                    failures += 1;
                }
            }
        }
    }

    /// Renews the claim when it is time to. Dropped at any point, it leaves a doubt.
    async fn renew(&mut self, failures: u32) -> Result<Standing, StorageError> {
        match failures {
            0 => sleep_until(self.renewed + RENEWAL).await,
            _ => sleep(PAUSE).await,
        }
        self.write(false, if failures < SOON_TRIES { self.soon() } else { STALE }).await
    }

    async fn release(mut self) {
        for tries_left in (0..RELEASE_TRIES).rev() {
            match self.write(true, self.soon()).await {
                Ok(_) => return,
                Err(error) if tries_left == 0 => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "claim not released: it will go stale");
                }
                Err(_) => {}
            }
        }
    }

    fn soon(&self) -> Duration {
        SOON.max(self.pace + SOON / 2).min(STALE)
    }

    async fn write(
        &mut self,
        is_released: bool,
        patience: Duration,
    ) -> Result<Standing, StorageError> {
        loop {
            if self.is_in_doubt && !self.look(patience).await? {
                return Ok(Standing::Lost);
            }
            let begun = Instant::now();
            self.is_in_doubt = true;
            let next = self.document.next(is_released);
            let written = self.storage.swap(&self.key, &self.etag, next.body());
            match in_time(patience, &self.key, written).await {
                Ok(meta) => {
                    (self.document, self.etag, self.renewed) = (next, meta.etag, begun);
                    (self.pace, self.is_in_doubt) = (begun.elapsed(), false);
                    return Ok(Standing::Held { renewed: begun });
                }
                // By another, or by a write of ours that was given up.
                Err(StorageError::PreconditionFailed { .. } | StorageError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether what lies there is ours, which settles the doubt.
    async fn look(&mut self, patience: Duration) -> Result<bool, StorageError> {
        let found = read_small(&*self.storage, &self.key);
        let found = in_time(patience, &self.key, found).await?;
        let found = found.and_then(|(bytes, meta)| Some((Document::read(&bytes)?, meta.etag)));
        match found {
            Some((document, etag)) if document.holder == self.document.holder => {
                // Whatever is written next must differ from it.
                (self.document, self.etag, self.is_in_doubt) = (document, etag, false);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

async fn in_time<T>(
    patience: Duration,
    key: &StorageKey,
    call: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    let answered = timeout(patience, call).await;
    answered.unwrap_or_else(|_| Err(unavailable(key, std::io::ErrorKind::TimedOut.into())))
}
