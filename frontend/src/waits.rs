//! Waiting for a job: any number of equal waits are one flight, which publishes one
//! job and watches storage for what comes of it.
//!
//! A flight is a shared future that its waiters drive themselves; there is no task
//! behind it. When the last waiter leaves, the flight is dropped and takes its place
//! in the table with it, so that a client that hangs up costs nothing further. The
//! job goes on.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use jiff::Timestamp;
use stoa_shared::{
    answer::{Answer, Failure, Good, Question},
    module::{ModulePath, Version},
    queue::{Job, JobKey, Lane, Queue},
    storage::{Storage, StorageError},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

use crate::{
    background::publish,
    freshness::{Ending, Marks, Standing, ending, ending_of_finished, standing},
    health::Health,
    metrics::Metrics,
    settings::FrontendSettings,
    versions::{ModuleVersion, Space, head_if_present, read_answer},
};

/// Storage is looked at this often while waiting: a completion may get lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// After storage failed, it is looked at again this soon.
const RECOVERY_INTERVAL: Duration = Duration::from_millis(200);

/// How a wait ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The version's files are in storage.
    Filled,
    /// The question has a good answer.
    Answered(Arc<Good>),
    /// The worker says why not.
    Failed(Arc<Failure>),
    /// Storage could not be asked, so nothing was published.
    StorageUnavailable(Arc<StorageError>),
    /// The job could not be published.
    QueueUnavailable,
}

/// The deadline passed; the job goes on.
#[derive(Debug)]
pub(crate) struct WaitOver;

/// The waits of one frontend.
pub(crate) struct Waits {
    parts: Arc<Parts>,
    flights: Arc<Flights>,
}

/// What a flight needs.
struct Parts {
    storage: Arc<dyn Storage>,
    queue: Arc<dyn Queue>,
    wait: Duration,
    freshness: Duration,
    negative: Duration,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

type Flight = Shared<BoxFuture<'static, Outcome>>;

/// The flights under way, by what they ask. The lock is never held over an await.
#[derive(Default)]
struct Flights {
    under_way: Mutex<Table>,
    next_number: AtomicU64,
}

type Table = HashMap<JobKey, Numbered>;

/// A flight as the table knows it; only its waiters keep it alive.
struct Numbered {
    number: u64,
    flight: WeakShared<BoxFuture<'static, Outcome>>,
}

impl Waits {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        queue: Arc<dyn Queue>,
        settings: &FrontendSettings,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let parts = Parts {
            storage,
            queue,
            wait: settings.wait,
            freshness: settings.freshness,
            negative: settings.negative,
            health,
            metrics,
        };
        Self { parts: Arc::new(parts), flights: Arc::default() }
    }

    /// Asks the workers and waits for what comes of it, together with everyone who
    /// asks the same.
    pub(crate) async fn outcome(
        &self,
        module: &ModulePath,
        question: &Question,
    ) -> Result<Outcome, WaitOver> {
        let _waiting = Waiting::begin(&self.parts.metrics);
        let flight = self.join(module, question);
        tokio::time::timeout(self.parts.wait, flight).await.map_err(|_| WaitOver)
    }

    /// The flight under way, or a new one.
    fn join(&self, module: &ModulePath, question: &Question) -> Flight {
        let job = Job::new(question.task(module));
        let key = job.key();
        let mut under_way = self.flights.lock();
        if let Some(flight) = under_way.get(&key).and_then(|known| known.flight.upgrade()) {
            return flight;
        }
        let number = self.flights.next_number.fetch_add(1, Ordering::Relaxed);
        let place = Place { flights: Arc::clone(&self.flights), key: key.clone(), number };
        let asking = Asking {
            parts: Arc::clone(&self.parts),
            module: module.clone(),
            question: question.clone(),
            job,
        };
        let flight = async move {
            let _place = place;
            asking.outcome().await
        }
        .boxed()
        .shared();
        let weak = flight.downgrade().expect("a future that was never polled has not ended");
        under_way.insert(key, Numbered { number, flight: weak });
        flight
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight's place in the table, given up when the flight ends or its last waiter leaves.
struct Place {
    flights: Arc<Flights>,
    key: JobKey,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        // By then a successor may have taken the place.
        if let Entry::Occupied(place) = self.flights.lock().entry(self.key.clone())
            && place.get().number == self.number
        {
            place.remove();
        }
    }
}

/// Counts a waiting request while it lives.
struct Waiting<'a> {
    metrics: &'a Metrics,
    since: Instant,
}

impl<'a> Waiting<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        metrics.waiting.inc();
        Self { metrics, since: Instant::now() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.metrics.waiting.dec();
        self.metrics.wait_seconds.observe(self.since.elapsed().as_secs_f64());
    }
}

/// One flight: the question, and the job that answers it.
struct Asking {
    parts: Arc<Parts>,
    module: ModulePath,
    question: Question,
    job: Job,
}

/// What a look in storage showed.
enum Look {
    Ended(Outcome),
    /// Nothing new; the stored answer carries these marks.
    Nothing(Marks),
}

impl Asking {
    async fn outcome(self) -> Outcome {
        // Subscribed before looking, so that no completion falls in between.
        let mut completions = self.parts.queue.completions();
        let before = match self.look(|answer| self.known(answer)).await {
            Ok(Look::Ended(outcome)) => return outcome,
            Ok(Look::Nothing(marks)) => marks,
            Err(error) => return Outcome::StorageUnavailable(Arc::new(error)),
        };
        if !self.publish().await {
            return Outcome::QueueUnavailable;
        }
        let mut published = Instant::now();
        let mut pause = LOOK_INTERVAL;
        let mut is_announced = false;
        loop {
            let completed = self.completed(&mut completions);
            is_announced |= tokio::time::timeout(pause, completed).await.is_ok();
            // Announced or not: look.
            let negative = self.parts.negative;
            let judge = |answer: Answer| match is_announced {
                true => ending_of_finished(answer, before, Timestamp::now(), negative),
                false => ending(answer, before),
            };
            pause = match self.look(judge).await {
                Ok(Look::Ended(outcome)) => return outcome,
                Ok(Look::Nothing(_)) => LOOK_INTERVAL,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(job.key = %self.job.key(), error, "waiting on although storage failed");
                    RECOVERY_INTERVAL
                }
            };
            // Joined again and again, a flight outlives any one wait: its job may have
            // been given up meanwhile. A refusal is no reason to stop looking.
            if published.elapsed() > self.parts.wait {
                self.publish().await;
                published = Instant::now();
            }
        }
    }

    async fn publish(&self) -> bool {
        let Parts { queue, health, metrics, .. } = &*self.parts;
        publish(&**queue, &self.job, Lane::Interactive, health, metrics).await
    }

    /// Returns when our job is announced as completed, or may have been.
    async fn completed(&self, completions: &mut broadcast::Receiver<JobKey>) {
        let key = self.job.key();
        loop {
            match completions.recv().await {
                Ok(completed) if completed == key => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Looks in storage for an end, by what `judge` makes of the stored answer.
    async fn look(
        &self,
        judge: impl FnOnce(Answer) -> Option<Ending>,
    ) -> Result<Look, StorageError> {
        let storage = &*self.parts.storage;
        let answer = read_answer(storage, &self.module, &self.question);
        let answer = match &self.question {
            Question::Fill(version) => {
                let (filled, answer) = futures_util::join!(self.is_filled(version), answer);
                if filled? {
                    return Ok(Look::Ended(Outcome::Filled));
                }
                answer?
            }
            Question::List | Question::Latest | Question::Query(_) => answer.await?,
        };
        let marks = Marks::of(&answer);
        Ok(match judge(answer) {
            Some(Ending::Good(good)) => Look::Ended(Outcome::Answered(Arc::new(good))),
            Some(Ending::Failed(failure)) => Look::Ended(Outcome::Failed(Arc::new(failure))),
            None => Look::Nothing(marks),
        })
    }

    /// What makes a job needless before it is published.
    fn known(&self, answer: Answer) -> Option<Ending> {
        let Parts { freshness, negative, .. } = *self.parts;
        match standing(answer, Timestamp::now(), freshness, negative) {
            Standing::Fresh(good, _) | Standing::Stale(good) => Some(Ending::Good(good)),
            Standing::Remembered(failure) => Some(Ending::Failed(failure)),
            Standing::Unknown => None,
        }
    }

    /// Whether the version is there, with or without a zip that can exist. In a tree
    /// that was copied in, `.info` may lie there without the other files.
    async fn is_filled(&self, version: &Version) -> Result<bool, StorageError> {
        let id = ModuleVersion { module: self.module.clone(), version: version.clone() };
        let storage = &*self.parts.storage;
        let present = async |key| Ok(head_if_present(storage, &key).await?.is_some());
        let whole = async {
            Ok(present(id.info_key(Space::Module)).await?
                && present(id.go_mod_key(Space::Module)).await?
                && present(id.zip_key()).await?)
        };
        match futures_util::join!(whole, present(id.info_key(Space::ModOnly))) {
            (Ok(true), _) | (_, Ok(true)) => Ok(true),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(false), Ok(false)) => Ok(false),
        }
    }
}
