//! Patience: how many jobs may wait long for one silent host.
//!
//! A host that takes connections and never answers, or whose answers only drip, would
//! otherwise hold every job slot of the worker for as long as a request may take, and hold
//! up all other hosts' jobs. Jobs beyond are not failed but told to come back: they wait in
//! the queue, and whoever waits for them goes on waiting. A job that was once given a place
//! keeps it for all that it asks of the host.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// A git server that packs a large repository says something within five seconds; a
/// host that is merely slow has answered long before.
const USUAL: Duration = Duration::from_secs(8);
/// Bytes a second of an answer that does not just drip.
const SLOWEST: u64 = 4 << 10;
/// While as many wait for the host as may, one request after the other finds out whether
/// it answers again.
const HURRIED: Duration = Duration::from_secs(3);
/// For so long after such an attempt no other is made, unless the host answers others.
const PAUSE: Duration = Duration::from_secs(2);
/// How many hosts are kept in mind.
const HOSTS: u64 = 1000;

tokio::task_local! {
    /// The places that the job on this task has, by host.
    static PLACES: Mutex<Places>;
}

type Places = HashMap<String, OwnedSemaphorePermit>;

/// What the places of the job on this task give; nothing where there is no job.
fn with_places<T>(give: impl FnOnce(&mut Places) -> T) -> Option<T> {
    let given =
        PLACES.try_with(|places| give(&mut places.lock().unwrap_or_else(PoisonError::into_inner)));
    given.ok()
}

/// Runs a job that takes at most one place for each host, whatever it asks there, and keeps
/// it to its end: what it has waited for is not thrown away for the next question.
pub(crate) async fn as_one<T>(job: impl Future<Output = T>) -> T {
    PLACES.scope(Mutex::default(), job).await
}

/// Counts who waits for which host.
#[derive(Debug)]
pub(super) struct Patience {
    places: usize,
    hosts: Cache<String, Arc<Host>>,
}

/// What is known of one host.
#[derive(Debug)]
struct Host {
    name: String,
    places: Arc<Semaphore>,
    said: Mutex<Said>,
}

/// What a host gave to hear.
#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    /// Nobody need try before, while all places are taken.
    silent_until: Option<Instant>,
}

/// One request whose host has begun to answer.
#[derive(Debug)]
pub(super) struct Turn {
    host: Arc<Host>,
    begun: Instant,
    received: u64,
    /// The right to wait long.
    place: Option<OwnedSemaphorePermit>,
}

/// The answer was not waited for any longer: as many as may wait for the host already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfPatience;

impl Patience {
    /// At most `places` jobs wait for one host as long as they like.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), hosts: Cache::new(HOSTS) }
    }

    /// Waits for the first sign of an answer from `host`.
    pub(super) async fn wait<T>(
        &self,
        host: &str,
        answer: impl Future<Output = T>,
    ) -> Result<(T, Turn), OutOfPatience> {
        let host = self.hosts.get_with_by_ref(host, || Arc::new(Host::new(host, self.places)));
        if !host.has_place() && host.is_crowded() && host.is_silent() {
            return Err(OutOfPatience);
        }
        let mut answer = pin!(answer);
        let answer = match timeout(host.usual(), answer.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                let Ok(_place) = host.place() else {
                    host.gave_nothing();
                    return Err(OutOfPatience);
                };
                answer.await
            }
        };
        host.gave_something();
        Ok((answer, Turn { host, begun: Instant::now(), received: 0, place: None }))
    }
}

impl Turn {
    /// Waits for a further `piece` of the answer.
    pub(super) async fn wait<T>(
        &mut self,
        piece: impl Future<Output = T>,
    ) -> Result<T, OutOfPatience> {
        let mut piece = pin!(piece);
        if !self.drips()
            && let Ok(piece) = timeout(self.host.usual(), piece.as_mut()).await
        {
            return Ok(piece);
        }
        if self.place.is_none() {
            self.place = self.host.place()?;
        }
        Ok(piece.await)
    }

    /// So much has come.
    pub(super) fn receive(&mut self, bytes: u64) {
        self.received += bytes;
    }

    fn drips(&self) -> bool {
        let time = self.begun.elapsed();
        time > USUAL && self.received < time.as_secs() * SLOWEST
    }
}

impl Host {
    fn new(name: &str, places: usize) -> Self {
        let places = Arc::new(Semaphore::new(places));
        Self { name: name.to_owned(), places, said: Mutex::default() }
    }

    /// Takes a place, which the job keeps; who is no job gets it.
    fn place(&self) -> Result<Option<OwnedSemaphorePermit>, OutOfPatience> {
        if self.has_place() {
            return Ok(None);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| OutOfPatience)?;
        let mut place = Some(place);
        with_places(|places| places.extend(place.take().map(|place| (self.name.clone(), place))));
        Ok(place)
    }

    /// Whether the job on this task has a place.
    fn has_place(&self) -> bool {
        with_places(|places| places.contains_key(&self.name)).unwrap_or_default()
    }

    /// How long an answer may take without a place.
    fn usual(&self) -> Duration {
        if self.is_crowded() { HURRIED } else { USUAL }
    }

    fn is_crowded(&self) -> bool {
        self.places.available_permits() == 0
    }

    fn is_silent(&self) -> bool {
        self.said().silent_until.is_some_and(|until| Instant::now() < until)
    }

    fn gave_something(&self) {
        *self.said() = Said { last: Some(Instant::now()), silent_until: None };
    }

    /// One that has answered somebody else meanwhile is slow with what was asked, not silent.
    fn gave_nothing(&self) {
        let mut said = self.said();
        if said.last.is_none_or(|last| last.elapsed() > USUAL) {
            said.silent_until = Some(Instant::now() + PAUSE);
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{sleep, timeout};

    use super::*;

    const HOST: &str = "https://silent.example";
    const MINUTE: Duration = Duration::from_secs(60);

    async fn answer<T>(
        patience: &Patience,
        host: &str,
        answer: impl Future<Output = T>,
    ) -> Result<T, OutOfPatience> {
        patience.wait(host, answer).await.map(|(answer, _)| answer)
    }

    #[tokio::test(start_paused = true)]
    async fn two_wait_on_and_the_others_come_back_later() {
        let patience = Arc::new(Patience::new(2));
        let waits: Vec<_> = (0..4)
            .map(|_| {
                let patience = Arc::clone(&patience);
                tokio::spawn(async move { patience.wait(HOST, pending::<()>()).await })
            })
            .collect();
        sleep(Duration::from_secs(20)).await;
        let given_up = waits.iter().filter(|wait| wait.is_finished()).count();
        assert_eq!(given_up, 2);

        // Who comes now tries for a moment, and the next not at all.
        for expected in [HURRIED, Duration::ZERO] {
            let begun = Instant::now();
            assert_eq!(answer(&patience, HOST, pending::<()>()).await, Err(OutOfPatience));
            assert_eq!(begun.elapsed(), expected);
        }
        // Other hosts are nobody's business, and one that answers again is found to.
        let slow = async { sleep(Duration::from_secs(30)).await };
        assert_eq!(answer(&patience, "https://slow.example", slow).await, Ok(()));
        assert_eq!(answer(&patience, HOST, async {}).await, Ok(()));

        // Who leaves gives the place back.
        waits.iter().for_each(|wait| wait.abort());
        sleep(Duration::from_secs(1)).await;
        assert!(timeout(MINUTE, patience.wait(HOST, pending::<()>())).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_has_one_place_whatever_it_asks() {
        let patience = Patience::new(1);
        let slow = || answer(&patience, HOST, sleep(Duration::from_secs(12)));
        let begun = Instant::now();
        as_one(async {
            assert_eq!(slow().await, Ok(()));
            let (one, other) = tokio::join!(slow(), slow());
            assert_eq!((one, other), (Ok(()), Ok(())));
            let (_, mut turn) = patience.wait(HOST, async {}).await.unwrap();
            turn.wait(sleep(Duration::from_secs(12))).await.unwrap();
            // Nobody else has one meanwhile.
            let other = as_one(slow()).await;
            assert_eq!(other, Err(OutOfPatience));
        })
        .await;
        assert_eq!(begun.elapsed(), Duration::from_secs(36) + HURRIED);
        assert_eq!(as_one(slow()).await, Ok(()));
        assert_eq!(slow().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_is_slow_with_some_things_is_asked_for_others() {
        let patience = Arc::new(Patience::new(2));
        let waits: Vec<_> = (0..2)
            .map(|_| {
                let patience = Arc::clone(&patience);
                tokio::spawn(async move { patience.wait(HOST, pending::<()>()).await })
            })
            .collect();
        sleep(Duration::from_secs(20)).await;
        for _ in 0..3 {
            assert_eq!(answer(&patience, HOST, async {}).await, Ok(()));
            // Not even after one more that it does not answer.
            assert_eq!(answer(&patience, HOST, pending::<()>()).await, Err(OutOfPatience));
        }
        waits.iter().for_each(|wait| wait.abort());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_drip_wait_as_those_that_do_not_begin() {
        let patience = Patience::new(1);
        let mut turns = Vec::new();
        for _ in 0..2 {
            turns.push(patience.wait(HOST, async {}).await.unwrap().1);
        }
        let [first, second] = &mut turns[..] else { panic!("two") };
        // One that streams may take all the time it needs.
        for _ in 0..10 {
            first.wait(sleep(Duration::from_secs(6))).await.unwrap();
            first.receive(1 << 20);
            assert!(first.place.is_none());
        }
        first.wait(sleep(Duration::from_secs(9))).await.unwrap();
        assert!(first.place.is_some());
        // The other one has sent nothing for as long.
        assert_eq!(second.wait(sleep(Duration::from_millis(1))).await, Err(OutOfPatience));
        turns.remove(0);
        turns[0].wait(sleep(Duration::from_secs(30))).await.unwrap();
        assert!(turns[0].place.is_some());
    }
}
