//! Jobs that nobody waits for: refreshing what is stale, recording what was copied in,
//! filling what clients were sent elsewhere for.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use moka::sync::Cache;
use stoa_shared::{
    metrics::{JobLane, Metrics, PublishOutcome},
    queue::{Job, JobKey, Lane, Queue, Task},
};
use tracing::Instrument;

use crate::health::Health;

/// The queue gets this long to take a job, or to say how many it has.
pub(crate) const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

/// A refresh is asked for at most this often per question: a job that was lost or
/// failed is asked for again soon, a herd on a stale list is one job.
const REFRESH_PAUSE: Duration = Duration::from_secs(5);

/// A fill that mends what can be served meanwhile is asked for at most this often per
/// version: its repository may be gone for good.
const FILL_PAUSE: Duration = Duration::from_secs(600);

/// A fill of what a client asked for and went without, behind a redirect for instance, is
/// asked for at most this often per version (design §6).
const MISS_PAUSE: Duration = Duration::from_secs(60);

/// The queue gets this long to take the fill behind a redirect: the client is on its way,
/// but its answer waits for the count of those that are not filled.
const REDIRECTED_FILL_PATIENCE: Duration = Duration::from_secs(1);

/// How many recent jobs are remembered of each kind; forgetting one costs one more job.
const REMEMBERED: u64 = 10_000;

/// A job on its way into the queue, and whether that took it.
type Publishing = Shared<BoxFuture<'static, bool>>;

/// Publishes background jobs, not too often.
pub(crate) struct Background {
    queue: Arc<dyn Queue>,
    recent_refreshes: Cache<JobKey, ()>,
    recent_fills: Cache<JobKey, ()>,
    recent_misses: Cache<JobKey, ()>,
    recent_redirected_fills: Cache<JobKey, Publishing>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl Background {
    pub(crate) fn new(queue: Arc<dyn Queue>, health: Arc<Health>, metrics: Arc<Metrics>) -> Self {
        Self {
            queue,
            recent_refreshes: recent(REFRESH_PAUSE),
            recent_fills: recent(FILL_PAUSE),
            recent_misses: recent(MISS_PAUSE),
            recent_redirected_fills: recent(MISS_PAUSE),
            health,
            metrics,
        }
    }

    /// Puts the job on the background queue unless it was put there a moment ago.
    /// Returns at once; the job goes out even if the client that caused it leaves.
    pub(crate) fn publish(&self, job: Job) {
        let recent = match &job.task {
            Task::Fill { .. } => &self.recent_fills,
            _ => &self.recent_refreshes,
        };
        self.publish_unless(recent, job);
    }

    /// Has a version filled that a client was told to ask for again. Returns at once.
    pub(crate) fn fill_missing(&self, job: Job) {
        self.publish_unless(&self.recent_misses, job);
    }

    fn publish_unless(&self, recent: &Cache<JobKey, ()>, job: Job) {
        if !recent.entry(job.key()).or_insert(()).is_fresh() {
            return;
        }
        let queue = Arc::clone(&self.queue);
        let health = Arc::clone(&self.health);
        let metrics = Arc::clone(&self.metrics);
        let recent = recent.clone();
        let publishing = async move {
            if !publish(&*queue, &job, Lane::Background, &health, &metrics).await {
                recent.invalidate(&job.key());
            }
        };
        tokio::spawn(publishing.in_current_span());
    }

    /// Has a version filled, after `delay`, that a client is sent elsewhere for. Returns
    /// at once; where no job can be queued the redirect is counted as unfilled.
    pub(crate) fn fill_behind_redirect(&self, job: Job, delay: Duration) {
        let recent = &self.recent_redirected_fills;
        let publishing = recent.entry(job.key()).or_insert_with(|| self.publishing(job, delay));
        let publishing = publishing.into_value();
        if publishing.peek() == Some(&true) {
            return;
        }
        let metrics = Arc::clone(&self.metrics);
        let counting = async move {
            if !publishing.await {
                metrics.unfilled_redirects().inc();
            }
        };
        tokio::spawn(counting.in_current_span());
    }

    /// The job behind a redirect. Refused, it is forgotten, so that the next one tries again.
    fn publishing(&self, job: Job, delay: Duration) -> Publishing {
        let recent = self.recent_redirected_fills.clone();
        let queue = Arc::clone(&self.queue);
        let health = Arc::clone(&self.health);
        let metrics = Arc::clone(&self.metrics);
        let publishing = async move {
            let (lane, patience) = (Lane::Background, REDIRECTED_FILL_PATIENCE);
            let is_accepted =
                publish_within(patience, &*queue, &job, lane, delay, &health, &metrics).await;
            if !is_accepted {
                recent.invalidate(&job.key());
            }
            is_accepted
        };
        publishing.boxed().shared()
    }
}

/// Memory of recent jobs, each for as long as no equal one is to follow.
fn recent<T: Clone + Send + Sync + 'static>(pause: Duration) -> Cache<JobKey, T> {
    Cache::builder().max_capacity(REMEMBERED).time_to_live(pause).build()
}

/// Publishes one job, notes how the queue took it, and tells whether it did.
pub(crate) async fn publish(
    queue: &dyn Queue,
    job: &Job,
    lane: Lane,
    health: &Health,
    metrics: &Metrics,
) -> bool {
    publish_within(QUEUE_PATIENCE, queue, job, lane, Duration::ZERO, health, metrics).await
}

async fn publish_within(
    patience: Duration,
    queue: &dyn Queue,
    job: &Job,
    lane: Lane,
    delay: Duration,
    health: &Health,
    metrics: &Metrics,
) -> bool {
    let publishing = queue.publish_later(job, lane, delay);
    let result = tokio::time::timeout(patience, publishing).await;
    let accepted = matches!(result, Ok(Ok(())));
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(job.key = %job.key(), error = &error as &dyn std::error::Error, "job not published");
        }
        Err(_) => {
            tracing::warn!(job.key = %job.key(), "job not published: the queue did not answer")
        }
    }
    let lane = match lane {
        Lane::Interactive => JobLane::Interactive,
        Lane::Background => JobLane::Background,
    };
    let outcome = if accepted { PublishOutcome::Accepted } else { PublishOutcome::Refused };
    metrics.published_jobs(lane, outcome).inc();
    health.note_queue(accepted);
    accepted
}
