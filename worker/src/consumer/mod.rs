//! Delivery → job → verdict: the only place that acknowledges, delays or buries.

use std::{sync::Arc, time::Duration};

use stoa_shared::{
    metrics::{JobKind, JobOutcome, Metrics},
    queue::{Delivery, Job, JobError, Lanes, Queue, QueueError, Task},
    request_id::RequestId,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{claim::Holders, failure::Failure, jobs::Worker, verdict::Verdict, workers::Workers};

/// How long one job may take. RabbitMQ takes a message away from its consumer after
/// 30 minutes; a job is ended well before.
const JOB_DEADLINE: Duration = Duration::from_secs(600);
/// How long a message of a newer program waits for a newer worker.
const NEWER_FORMAT_DELAY: Duration = Duration::from_secs(60);
/// How long a slot rests when the queue is in trouble.
const QUEUE_TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// How long the end waits for claims that are being given back: what is not given back
/// by then goes stale, and whoever wants it waits longer.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// Runs `slots` jobs at a time until `shutdown`; jobs that run then have `grace` to
/// finish, the rest are given back, and the claims of all. Of several slots one is kept for
/// jobs that somebody waits for.
pub async fn consume(
    workers: Arc<Workers>,
    queue: Arc<dyn Queue>,
    metrics: Arc<Metrics>,
    slots: usize,
    shutdown: CancellationToken,
    grace: Duration,
) {
    let mut running = JoinSet::new();
    let holders = Arc::new(Holders::default());
    for number in 0..slots {
        let slot = Slot {
            lanes: if number == 0 && slots > 1 { Lanes::InteractiveOnly } else { Lanes::All },
            workers: workers.clone(),
            queue: queue.clone(),
            metrics: metrics.clone(),
            holders: holders.clone(),
            shutdown: shutdown.clone(),
            grace,
        };
        running.spawn(slot.run());
    }
    while running.join_next().await.is_some() {}
    if timeout(GIVING_BACK, holders.are_finished()).await.is_err() {
        tracing::warn!("claims could not be given back in time: they will go stale");
    }
}

struct Slot {
    lanes: Lanes,
    workers: Arc<Workers>,
    queue: Arc<dyn Queue>,
    metrics: Arc<Metrics>,
    holders: Arc<Holders>,
    shutdown: CancellationToken,
    grace: Duration,
}

impl Slot {
    async fn run(self) {
        loop {
            let received = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                received = self.queue.receive(self.lanes) => received,
            };
            match received {
                Ok(delivery) => self.handle(delivery).await,
                Err(error) => rest(&error).await,
            }
        }
    }

    async fn handle(&self, delivery: Delivery) {
        let settled = match delivery.job.clone() {
            Ok(job) => return self.handle_job(job, delivery).await,
            // It is no attempt: a newer worker is to find all of them left.
            Err(error @ JobError::Newer { .. }) => {
                tracing::info!(reason = %error, "job left to a newer program");
                self.queue.release(delivery, NEWER_FORMAT_DELAY).await
            }
            Err(error @ JobError::Unreadable { .. }) => {
                let reason = error.to_string();
                tracing::error!(reason, "job buried");
                self.metrics.jobs(JobKind::Unreadable, JobOutcome::Dead).inc();
                self.queue.dead_letter(delivery, &reason).await
            }
        };
        if let Err(error) = settled {
            rest(&error).await;
        }
    }

    async fn handle_job(&self, job: Job, delivery: Delivery) {
        // Of the highest level, so that lines of every level carry it.
        let span = tracing::error_span!(
            "job",
            request.id = job.cause.request.as_ref().map(RequestId::as_str),
            job.kind = job.task.kind(),
            job.space = %job.space,
            job.attempt = delivery.attempt,
            module.path = %job.task.module(),
        );
        let work = async {
            if let Err(error) = self.work(job, delivery).await {
                rest(&error).await;
            }
        };
        work.instrument(span).await;
    }

    async fn work(&self, job: Job, delivery: Delivery) -> Result<(), QueueError> {
        let started = Instant::now();
        let worker = self.workers.of(&job.space);
        let mut outcome = match &worker {
            Ok(worker) => match self.run_job(worker, &job).await {
                Some(outcome) => outcome,
                None => return self.queue.release(delivery, Duration::ZERO).await,
            },
            Err(error) => Err(Failure::Internal(describe(error))),
        };
        let judge = |outcome: &Result<(), Failure>| match outcome {
            Ok(()) => Verdict::Done,
            Err(failure) => {
                Verdict::of_failure(&job.task, delivery.lane, delivery.attempt, failure)
            }
        };
        let mut verdict = judge(&outcome);
        outcome = match (outcome, &worker) {
            (Err(failure), Ok(worker)) if verdict.is_outcome() => {
                Err(worker.store_failure(&job.task, failure).await)
            }
            (outcome, _) => outcome,
        };
        // A failure that could not be stored is another one.
        if matches!(outcome, Err(Failure::Untold { .. })) {
            verdict = judge(&outcome);
        }
        self.report(&job, &outcome, &verdict, started.elapsed());
        let key = job.key();
        match verdict {
            // The outcome is in storage: nobody needs to wait for the paperwork.
            Verdict::Done => {
                let announced = self.queue.announce(&key).await;
                self.queue.acknowledge(delivery).await?;
                // Until then an equal job was taken for this one: whoever published it
                // since the announcement has heard nothing, and no other run will tell.
                warn_of_silence(announced.and(self.queue.announce(&key).await));
            }
            // Whoever hears of the failure and asks again must find the job waiting for
            // its retry, or the new request would be taken for one that still runs.
            Verdict::Retry { after, reason, is_outcome } => {
                self.queue.retry(delivery, after, &reason).await?;
                if is_outcome {
                    warn_of_silence(self.queue.announce(&key).await);
                }
            }
            Verdict::Postpone { after } => self.queue.release(delivery, after).await?,
            Verdict::Reject { reason } => {
                self.queue.dead_letter(delivery, &reason).await?;
                warn_of_silence(self.queue.announce(&key).await);
            }
        }
        Ok(())
    }

    /// Runs the job on a task of its own, so that a panic is a failure like any
    /// other; `None` if it was cut off by the end of the grace period.
    async fn run_job(&self, worker: &Arc<Worker>, job: &Job) -> Option<Result<(), Failure>> {
        let (worker, job) = (worker.clone(), job.clone());
        let holders = self.holders.clone();
        let running = async move { holders.run(worker.run(&job)).await };
        let mut running = tokio::spawn(running.in_current_span());
        let cut_off = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            outcome = &mut running => Some(outcome.unwrap_or_else(|error| {
                Err(Failure::Internal(format!("the job's task failed: {error}")))
            })),
            () = tokio::time::sleep(JOB_DEADLINE) => {
                running.abort();
                let limit = JOB_DEADLINE.as_secs();
                Some(Err(Failure::Internal(format!("not done within {limit} s"))))
            }
            () = cut_off => {
                running.abort();
                // Whoever gets the job next is to find its claims free. The others' jobs
                // end in the same moment.
                let _ = timeout(GIVING_BACK, self.holders.are_finished()).await;
                None
            }
        }
    }

    fn report(&self, job: &Job, outcome: &Result<(), Failure>, verdict: &Verdict, took: Duration) {
        let duration_ms = took.as_millis() as u64;
        let counted = match (outcome, verdict) {
            (Ok(()), _) => JobOutcome::Done,
            (Err(_), Verdict::Done) => JobOutcome::Failed,
            (Err(_), Verdict::Retry { .. }) => JobOutcome::Retried,
            (Err(_), Verdict::Postpone { .. }) => JobOutcome::Postponed,
            (Err(_), Verdict::Reject { .. }) => JobOutcome::Dead,
        };
        let kind_label = job_kind(&job.task);
        self.metrics.jobs(kind_label, counted).inc();
        self.metrics.job_duration(kind_label).observe(took.as_secs_f64());
        match (outcome, verdict) {
            (Ok(()), _) => {
                tracing::info!(duration_ms, "job done");
            }
            (Err(failure), Verdict::Done) => {
                tracing::info!(duration_ms, reason = describe(failure), "job found nothing");
            }
            (Err(failure), Verdict::Postpone { .. }) => {
                tracing::debug!(duration_ms, reason = describe(failure), "job postponed");
            }
            // The go command asks for every prefix of a package's path.
            (Err(failure), Verdict::Retry { after, .. }) if failure.may_be_filled_upstream() => {
                let after_s = after.as_secs();
                tracing::debug!(
                    duration_ms,
                    after_s,
                    reason = describe(failure),
                    "job found nothing yet"
                );
            }
            (Err(failure), Verdict::Retry { after, .. }) => {
                let after_s = after.as_secs();
                tracing::warn!(
                    duration_ms,
                    after_s,
                    reason = describe(failure),
                    "job will be tried again"
                );
            }
            (Err(failure), Verdict::Reject { .. }) => {
                tracing::error!(duration_ms, reason = describe(failure), "job buried");
            }
        }
    }
}

fn job_kind(task: &Task) -> JobKind {
    match task {
        Task::Fill { .. } => JobKind::Fill,
        Task::List { .. } => JobKind::List,
        Task::Latest { .. } => JobKind::Latest,
        Task::Query { .. } => JobKind::Query,
        Task::Refresh { .. } => JobKind::Refresh,
    }
}

/// Leaves a queue alone that is in trouble.
async fn rest(error: &QueueError) {
    tracing::warn!(error = describe(error), "job queue is in trouble");
    tokio::time::sleep(QUEUE_TROUBLE_PAUSE).await;
}

/// An announcement is no more than a hint: who waits looks in storage now and then.
fn warn_of_silence(announced: Result<(), QueueError>) {
    if let Err(error) = announced {
        tracing::warn!(error = describe(&error), "completion not announced");
    }
}

/// An error with its causes on one line, for the log.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
