//! Waiting for a job: any number of equal waits are one flight, which publishes one
//! job and watches storage for what comes of it.
//!
//! A flight is a shared future that its waiters drive themselves; there is no task
//! behind it. When the last waiter leaves, the flight is dropped and takes its place
//! in the table with it, so that a client that hangs up costs nothing further. The
//! job goes on.

mod flight;

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
use stoa_shared::{
    answer::{Failure, Good, Question},
    metrics::Metrics,
    module::ModulePath,
    queue::{Cause, Job, JobKey, Queue},
    space::Space,
    storage::{Storage, StorageError},
};
use tokio::time::Instant;

use self::flight::{Asking, Purpose};
use crate::{health::Health, settings::FrontendSettings};

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

/// The wait ended without an outcome; the job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitOver {
    /// The deadline passed.
    Deadline,
    /// This process ends.
    Stopping,
}

/// The waits of one frontend.
pub(crate) struct Waits {
    parts: Arc<Parts>,
    flights: Arc<Flights>,
}

/// What a flight needs.
struct Parts {
    space: Space,
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

type Table = HashMap<(JobKey, Purpose), Numbered>;

/// A flight as the table knows it; only its waiters keep it alive.
struct Numbered {
    number: u64,
    flight: WeakShared<BoxFuture<'static, Outcome>>,
}

impl Waits {
    /// Waits for what is missing in `storage`, which is the space's.
    pub(crate) fn new(
        space: Space,
        storage: Arc<dyn Storage>,
        queue: Arc<dyn Queue>,
        settings: &FrontendSettings,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let parts = Parts {
            space,
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
    /// asks the same; `at_most` that long, where somebody has something else to offer.
    pub(crate) async fn outcome(
        &self,
        module: &ModulePath,
        question: &Question,
        cause: &Cause,
        at_most: Option<Duration>,
    ) -> Result<Outcome, WaitOver> {
        let longest = self.parts.wait;
        let wait = at_most.map_or(longest, |at_most| at_most.min(longest));
        self.wait(module, question, Purpose::Find, cause, wait).await
    }

    /// The same for the zip of a version whose other files are there.
    pub(crate) async fn zip_outcome(
        &self,
        module: &ModulePath,
        question: &Question,
        cause: &Cause,
    ) -> Result<Outcome, WaitOver> {
        self.wait(module, question, Purpose::FindZip, cause, self.parts.wait).await
    }

    /// Has a worker look after a version whose stored files do not fit together, and
    /// waits until it has.
    pub(crate) async fn mended(
        &self,
        module: &ModulePath,
        question: &Question,
        cause: &Cause,
    ) -> Result<Outcome, WaitOver> {
        self.wait(module, question, Purpose::Mend, cause, self.parts.wait).await
    }

    async fn wait(
        &self,
        module: &ModulePath,
        question: &Question,
        purpose: Purpose,
        cause: &Cause,
        wait: Duration,
    ) -> Result<Outcome, WaitOver> {
        let _waiting = Waiting::begin(&self.parts.metrics);
        let flight = self.join(module, question, purpose, cause);
        tokio::select! {
            biased;
            outcome = flight => Ok(outcome),
            () = tokio::time::sleep(wait) => Err(WaitOver::Deadline),
            () = self.parts.health.end_of_waits() => Err(WaitOver::Stopping),
        }
    }

    /// The flight under way, or a new one.
    fn join(
        &self,
        module: &ModulePath,
        question: &Question,
        purpose: Purpose,
        cause: &Cause,
    ) -> Flight {
        let job = Job::caused_by(cause.clone(), question.task(module));
        let job = job.in_space(self.parts.space.clone());
        let key = (job.key(), purpose);
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
            purpose,
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
    key: (JobKey, Purpose),
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
        metrics.waiters().inc();
        Self { metrics, since: Instant::now() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.metrics.waiters().dec();
        self.metrics.wait_duration().observe(self.since.elapsed().as_secs_f64());
    }
}
