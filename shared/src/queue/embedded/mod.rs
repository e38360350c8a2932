//! The queue of one process: an index in memory over one small file per job.
//!
//! A publish returns once the job's file is durable. A job that a user waits for may be
//! handed out while it is being written, and is not settled before; its file survives the
//! process but not a power cut, which takes that user's connection as well. A restart delivers
//! again what waited, was delayed or ran. Only attempts and delays are written after that;
//! that a user waits for a background job is not, because the restart took that user's
//! connection as well. Of each lane goes first what was ready first, so that what is put off
//! does not come before those who have waited meanwhile.
//!
//! Equal jobs ([`Job::key`]) are one job. A publish that finds its equal waiting lifts
//! it to its own lane if that goes first; a delayed one that a user now waits for is
//! ready at once. A publish that finds its equal running is satisfied by that run: the
//! publisher gets its completion, and the run's outcome is as fresh as one that waits
//! for a stored answer is owed; but one of a user is not put off by what such a run does
//! where nobody waits.

mod files;
mod index;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::{Notify, broadcast},
    task,
    time::{self, Instant},
};

use super::{Completion, DeadLetter, Delivery, Depth, Job, JobKey, Lane, Lanes, Queue, QueueError};
use crate::directory::DirectoryError;
use files::{Files, Record};
use index::{IN_HAND, Index, Permits, Sequence};

/// Completions kept for a subscriber that is slow to take them.
const COMPLETIONS: usize = 1024;

/// The longest delay; a longer one, or one that a clock set back suggests, is cut.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When a job is tried again whose dead letter could not be written.
const AFTER_FAULT: Duration = Duration::from_secs(10);

/// A durable queue for one process, over a directory that this process owns.
///
/// A job that a consumer neither gave back nor finished within 30 minutes is delivered
/// again, as a broker would; the first consumer's hand on it is then void.
pub struct EmbeddedQueue {
    shared: Arc<Kept>,
    completions: broadcast::Sender<Completion>,
}

/// What publishers, consumers and their writes on other threads share.
struct Kept {
    files: Files,
    state: Mutex<State>,
    /// Who looks for jobs that are ready, and when.
    ready: Permits,
    /// Held by whoever changes the dead letters.
    burial: Mutex<()>,
    /// A job became delayed: who sleeps until the next delayed job looks again.
    delayed: Notify,
}

struct State {
    index: Index,
    next: Sequence,
    /// Jobs whose files are being written, for equal publishes to wait with.
    accepting: HashMap<JobKey, Accepting>,
}

/// The end of a write, for all who wait for it.
type Accepting = Shared<BoxFuture<'static, Result<(), Arc<io::Error>>>>;

/// What a consumer makes of a delivery, as far as it is written down.
enum Verdict {
    Done,
    Retry { delay: Duration, reason: String },
    Dead { reason: String },
}

/// What becomes of a dead letter that leaves its grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exhumed {
    Replayed,
    Dropped,
}

impl EmbeddedQueue {
    /// Takes the directory for this process, creates it where missing, and reads the
    /// jobs and dead letters that lie in it.
    pub async fn open(directory: PathBuf) -> Result<Self, DirectoryError> {
        let named = directory.clone();
        task::spawn_blocking(move || Self::open_blocking(directory))
            .await
            .map_err(|error| DirectoryError::unusable(&named)(error.into()))?
    }

    fn open_blocking(directory: PathBuf) -> Result<Self, DirectoryError> {
        let (files, stored) = Files::open(directory)?;
        let ready = Permits::new();
        let mut index = Index::new(ready.clone(), stored.dead);
        let now = Instant::now();
        for (sequence, record) in stored.jobs {
            let due = record.delay().map(|delay| now + delay.min(LONGEST_DELAY));
            index.insert(sequence, record, due);
        }
        let state = State { index, next: stored.next, accepting: HashMap::new() };
        let shared = Kept {
            files,
            state: Mutex::new(state),
            ready,
            burial: Mutex::default(),
            delayed: Notify::new(),
        };
        let (completions, _) = broadcast::channel(COMPLETIONS);
        Ok(Self { shared: Arc::new(shared), completions })
    }

    /// Writes the verdict down on a thread where that may block. It finishes there also
    /// when the caller is dropped.
    async fn settle(&self, delivery: Delivery, verdict: Verdict) -> Result<(), QueueError> {
        if let Some(accepting) = self.shared.accepting(&delivery) {
            // Else the job's file would come after its end. How the write ended is its
            // publisher's concern.
            let _ = accepting.await;
        }
        self.blocking(move |shared| shared.settle(delivery.receipt, verdict)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kept) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let shared = Arc::clone(&self.shared);
        task::spawn_blocking(move || work(&shared))
            .await
            .map_err(|error| unavailable(io::Error::from(error)))?
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn publish_later(
        &self,
        job: &Job,
        lane: Lane,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let key = job.key();
        let accepted = {
            let mut state = self.shared.state();
            match state.accepting.get(&key).cloned() {
                Some(accepted) => accepted,
                None if state.index.lift(&key, lane) => return Ok(()),
                None => Kept::accept(&self.shared, &mut state, job, lane, delay.min(LONGEST_DELAY)),
            }
        };
        accepted.await.map_err(unavailable)?;
        self.shared.state().index.lift(&key, lane);
        Ok(())
    }

    async fn receive(&self, lanes: Lanes) -> Result<Delivery, QueueError> {
        let (permits, last) = match lanes {
            Lanes::All => (&self.shared.ready.any, Lane::Background),
            Lanes::InteractiveOnly => (&self.shared.ready.interactive, Lane::Interactive),
        };
        // Receivers are served in the order of their first call, because the place in
        // the semaphore's line is kept while delayed jobs come due.
        let mut turn = pin!(permits.acquire());
        loop {
            let delayed = self.shared.delayed.notified();
            let now = Instant::now();
            let next = self.shared.state().index.promote(now);
            // What is handed out from now on is overdue after that time at the earliest.
            let next = next.unwrap_or(now + IN_HAND);
            tokio::select! {
                biased;
                permit = &mut turn => {
                    permit.expect("the semaphore is never closed").forget();
                    if let Some(delivery) = self.shared.state().index.take(last, Instant::now()) {
                        return Ok(delivery);
                    }
                    turn.set(permits.acquire());
                }
                () = delayed => {}
                () = time::sleep_until(next) => {}
            }
        }
    }

    async fn acknowledge(&self, delivery: Delivery) -> Result<(), QueueError> {
        self.settle(delivery, Verdict::Done).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        delay: Duration,
        reason: &str,
    ) -> Result<(), QueueError> {
        let delay = delay.min(LONGEST_DELAY);
        self.settle(delivery, Verdict::Retry { delay, reason: reason.to_owned() }).await
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<(), QueueError> {
        self.settle(delivery, Verdict::Dead { reason: reason.to_owned() }).await
    }

    async fn release(&self, delivery: Delivery, delay: Duration) -> Result<(), QueueError> {
        let mut state = self.shared.state();
        let (sequence, record) = state.index.take_back(&delivery.receipt)?;
        if delay.is_zero() {
            state.index.make_ready(sequence);
            return Ok(());
        }
        drop(state);
        self.shared.delay(sequence, record, delay.min(LONGEST_DELAY));
        Ok(())
    }

    async fn announce(&self, completed: &JobKey) -> Result<(), QueueError> {
        // An error says that nobody listens, which is nobody's loss.
        let _ = self.completions.send(Completion::Of(completed.clone()));
        Ok(())
    }

    fn completions(&self) -> broadcast::Receiver<Completion> {
        self.completions.subscribe()
    }

    fn is_connected(&self) -> bool {
        true
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        self.blocking(|shared| shared.files.dead_letters().map_err(unavailable)).await
    }

    async fn find_dead_letter(&self, id: &str) -> Result<DeadLetter, QueueError> {
        let id = id.to_owned();
        self.blocking(move |shared| shared.find(&id)).await
    }

    async fn replay_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        let id = id.to_owned();
        self.blocking(move |shared| shared.exhume(&id, Exhumed::Replayed)).await
    }

    async fn drop_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        let id = id.to_owned();
        self.blocking(move |shared| shared.exhume(&id, Exhumed::Dropped)).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let mut state = self.shared.state();
        state.index.promote(Instant::now());
        Ok(state.index.depth())
    }
}

impl Kept {
    /// No holder of this lock panics halfway through a change of several parts.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The write of a job that was handed out before its end.
    fn accepting(&self, delivery: &Delivery) -> Option<Accepting> {
        let key = delivery.job.as_ref().ok()?.key();
        self.state().accepting.get(&key).cloned()
    }

    /// Begins to write the job down. The write goes on when its publisher is dropped,
    /// because equal publishes may wait for it. A job that a user waits for is ready at
    /// once: if it cannot be written, it has merely run for a publisher who was refused.
    fn accept(
        shared: &Arc<Self>,
        state: &mut State,
        job: &Job,
        lane: Lane,
        delay: Duration,
    ) -> Accepting {
        let key = job.key();
        let sequence = state.next;
        state.next = sequence.next();
        let writer = Arc::clone(shared);
        let (written_key, record) = (key.clone(), Record::new(job.to_message(), lane).after(delay));
        let is_urgent = lane == Lane::Interactive && delay.is_zero();
        if is_urgent {
            state.index.insert(sequence, record.clone(), None);
        }
        let writing = task::spawn_blocking(move || {
            let written = match is_urgent {
                true => writer.files.jot(sequence, &record),
                false => writer.files.write(sequence, &record),
            };
            let mut state = writer.state();
            state.accepting.remove(&written_key);
            written?;
            if is_urgent {
                return Ok(());
            }
            let due = record.delay().map(|delay| Instant::now() + delay);
            state.index.insert(sequence, record, due);
            drop(state);
            writer.delayed.notify_waiters();
            Ok(())
        });
        let accepted = writing.map(|end| end.map_err(io::Error::from).flatten().map_err(Arc::new));
        let accepted = accepted.boxed().shared();
        state.accepting.insert(key, accepted.clone());
        accepted
    }

    /// The job leaves its consumer's hand whatever the disk says: a verdict that could
    /// not be written is an error to the consumer, and at worst one more delivery.
    fn settle(&self, receipt: String, verdict: Verdict) -> Result<(), QueueError> {
        let (sequence, mut record) = self.state().index.take_back(&receipt)?;
        let written = match verdict {
            Verdict::Done => {
                let removed = self.files.remove(sequence);
                self.state().index.remove(sequence);
                removed
            }
            Verdict::Retry { delay, reason } => {
                record.fail(delay, reason);
                let written = self.files.write(sequence, &record);
                self.delay(sequence, record, delay);
                written
            }
            Verdict::Dead { reason } => {
                let buried = self.files.bury(sequence, &record, reason);
                match buried {
                    Ok(()) => self.state().index.bury(sequence),
                    Err(_) => self.delay(sequence, record, AFTER_FAULT),
                }
                buried
            }
        };
        written.map_err(unavailable)
    }

    fn find(&self, id: &str) -> Result<DeadLetter, QueueError> {
        let sequence = Sequence::parse(id);
        let buried = sequence.map_or(Ok(None), |sequence| self.files.dead_letter(sequence));
        let buried = buried.map_err(unavailable)?;
        let letter = sequence.zip(buried).map(|(sequence, buried)| buried.letter(sequence));
        letter.ok_or_else(|| QueueError::UnknownDeadLetter { id: id.to_owned() })
    }

    /// Takes a dead letter out of its grave. Killed between the job's file and the
    /// letter's removal, it is both, and at worst the job runs once more.
    fn exhume(&self, id: &str, exhumed: Exhumed) -> Result<(), QueueError> {
        let unknown = || QueueError::UnknownDeadLetter { id: id.to_owned() };
        let sequence = Sequence::parse(id).ok_or_else(unknown)?;
        let _alone = self.burial.lock().unwrap_or_else(PoisonError::into_inner);
        let buried = self.files.dead_letter(sequence).map_err(unavailable)?;
        let buried = buried.ok_or_else(unknown)?;
        if exhumed == Exhumed::Replayed {
            self.accept_again(Record::new(buried.message, buried.lane)).map_err(unavailable)?;
        }
        self.files.drop_dead_letter(sequence).map_err(unavailable)?;
        self.state().index.unbury();
        Ok(())
    }

    /// Writes a job down anew, unless an equal one is there.
    fn accept_again(&self, record: Record) -> io::Result<()> {
        let key = Job::from_message(&record.message).ok().map(|job| job.key());
        let sequence = {
            let mut state = self.state();
            if key.is_some_and(|key| state.index.lift(&key, record.lane)) {
                return Ok(());
            }
            let sequence = state.next;
            state.next = sequence.next();
            sequence
        };
        self.files.write(sequence, &record)?;
        self.state().index.insert(sequence, record, None);
        Ok(())
    }

    fn delay(&self, sequence: Sequence, record: Record, delay: Duration) {
        self.state().index.delay(sequence, record, Instant::now() + delay);
        self.delayed.notify_waiters();
    }
}

fn unavailable(source: impl std::error::Error + Send + Sync + 'static) -> QueueError {
    QueueError::Unavailable { source: Box::new(source) }
}
