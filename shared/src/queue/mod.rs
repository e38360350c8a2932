//! The job queue seam: at least once, explicit acknowledgement, delayed retry,
//! dead letters with a reason, and a broadcast of completions.
//!
//! `contract` (feature `testing`) is the one suite that every implementation passes.

mod cause;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod embedded;
mod job;
mod rabbitmq;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::broadcast;

pub use cause::Cause;
pub use embedded::EmbeddedQueue;
pub use job::{Job, JobError, JobKey, Task};
pub use rabbitmq::{RabbitConfig, RabbitConfigError, RabbitQueue};

/// Which queue a job waits in: someone waiting goes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A user waits for the result.
    Interactive,
    /// Nobody waits.
    Background,
}

/// Which jobs a receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// All, interactive ones first.
    All,
    /// Only what a user waits for: such a receiver is never at anything else when one comes.
    InteractiveOnly,
}

/// A queue of jobs shared by any number of publishers and consumers.
///
/// Contract: a job is durable once `publish` returned `Ok`, and is then delivered
/// until it is acknowledged or dead-lettered, also across restarts and to another
/// consumer when one dies; equal jobs ([`Job::key`]) that wait may collapse into one,
/// and a collapse with an interactive publish moves the job to that lane; interactive
/// jobs are handed out before background ones.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Accepts the job durably, to be delivered as soon as a consumer has time.
    async fn publish(&self, job: &Job, lane: Lane) -> Result<(), QueueError> {
        self.publish_later(job, lane, Duration::ZERO).await
    }

    /// Accepts the job durably, to be delivered for the first time after `delay`. An
    /// interactive publish of an equal job does not have to wait for it.
    async fn publish_later(&self, job: &Job, lane: Lane, delay: Duration)
    -> Result<(), QueueError>;

    /// The next job of these lanes, when there is one. Cancel safe: a job is handed out
    /// only when the future resolves.
    async fn receive(&self, lanes: Lanes) -> Result<Delivery, QueueError>;

    /// The job is done; it is never delivered again.
    async fn acknowledge(&self, delivery: Delivery) -> Result<(), QueueError>;

    /// The job failed; it is delivered again after `delay` with `attempt` one higher.
    async fn retry(
        &self,
        delivery: Delivery,
        delay: Duration,
        reason: &str,
    ) -> Result<(), QueueError>;

    /// The job goes to the dead letters, with the reason.
    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<(), QueueError>;

    /// The job was not begun or not finished (shutdown, another worker is at it); it is
    /// delivered again after `delay`, `attempt` unchanged.
    async fn release(&self, delivery: Delivery, delay: Duration) -> Result<(), QueueError>;

    /// Tells every subscriber, in every process, that the job's outcome is in storage.
    /// Best effort: an announcement may get lost, and never waits for a broker.
    async fn announce(&self, completed: &JobKey) -> Result<(), QueueError>;

    /// Completions from now on. A subscriber that lags sees `RecvError::Lagged`
    /// and must look in storage itself, as after [`Completion::MaybeMissed`].
    fn completions(&self) -> broadcast::Receiver<Completion>;

    /// The dead letters, oldest first; the first thousands, where there are more.
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError>;

    /// One dead letter.
    async fn find_dead_letter(&self, id: &str) -> Result<DeadLetter, QueueError>;

    /// The dead letter becomes a job again, in the lane it came from and as if it had
    /// never been tried. In doubt the job runs twice and is not lost.
    async fn replay_dead_letter(&self, id: &str) -> Result<(), QueueError>;

    /// The dead letter is thrown away.
    async fn drop_dead_letter(&self, id: &str) -> Result<(), QueueError>;

    /// Whether jobs can be published and received just now, as far as is known.
    fn is_connected(&self) -> bool;

    /// How many jobs wait or run, for metrics and scaling.
    async fn depth(&self) -> Result<Depth, QueueError>;
}

/// A job in the hands of one consumer until it is given back by exactly one of
/// acknowledge, retry, dead_letter or release.
#[derive(Debug)]
pub struct Delivery {
    /// The job, or why its message cannot be read (it belongs to the dead letters).
    pub job: Result<Job, JobError>,
    /// 1 at the first delivery; counted by ourselves, not by a broker.
    pub attempt: u32,
    /// Where it waited.
    pub lane: Lane,
    /// The implementation's own handle.
    pub receipt: String,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// The outcome of this job is in storage.
    Of(JobKey),
    /// Subscribed only now, or anew: what was announced before is not heard any more.
    /// Whoever waits looks in storage.
    MaybeMissed,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeadLetter {
    /// The implementation's handle, for replay or drop.
    pub id: String,
    /// The message as it was published.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was given up.
    pub reason: String,
    /// Where it waited, and would wait again.
    pub lane: Lane,
    /// When it was given up, where that is known.
    pub buried_at: Option<Timestamp>,
}

/// How much is outstanding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Interactive jobs waiting.
    pub interactive: usize,
    /// Background jobs waiting.
    pub background: usize,
    /// Jobs waiting for their next attempt.
    pub delayed: usize,
    /// Jobs handed out.
    pub running: usize,
    /// Dead letters.
    pub dead: usize,
}

/// Why the queue could not do it.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue is in trouble; the same call may succeed later.
    #[error("the job queue is unavailable")]
    Unavailable {
        /// What the queue said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The delivery is not (any longer) in this consumer's hands.
    #[error("job {receipt} is not in hand any longer")]
    UnknownDelivery {
        /// The delivery's receipt.
        receipt: String,
    },
    /// There is no such dead letter (any longer).
    #[error("there is no dead letter {id}")]
    UnknownDeadLetter {
        /// The dead letter's id.
        id: String,
    },
}
