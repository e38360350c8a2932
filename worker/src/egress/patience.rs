//! Patience: how many requests may wait long for one silent host.
//!
//! A host that takes connections and never answers would otherwise hold every job slot
//! of the worker for as long as a request may take, and hold up all other hosts' jobs.
//! Requests beyond are not failed but told to come back: their jobs wait in the queue,
//! and whoever waits for them goes on waiting.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tokio::{sync::Semaphore, time::Instant};

/// A git server that packs a large repository says something within five seconds; a
/// host that is merely slow has answered long before.
const USUAL: Duration = Duration::from_secs(8);
/// While as many wait for the host as may, one request after the other finds out whether
/// it answers again.
const HURRIED: Duration = Duration::from_secs(1);
/// For so long after such an attempt no other is made.
const PAUSE: Duration = Duration::from_secs(2);
/// How many hosts are kept in mind.
const HOSTS: u64 = 1000;

/// Counts who waits for which host.
#[derive(Debug)]
pub(super) struct Patience {
    places: usize,
    hosts: Cache<String, Arc<Host>>,
}

/// What is known of one host.
#[derive(Debug)]
struct Host {
    places: Semaphore,
    /// Nobody need try before, while all places are taken.
    silent_until: Mutex<Option<Instant>>,
}

/// The answer was not waited for any longer: as many as may wait for the host already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfPatience;

impl Patience {
    /// At most `places` requests to one host wait as long as they like.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), hosts: Cache::new(HOSTS) }
    }

    /// Waits for the first sign of an answer from `host`.
    pub(super) async fn wait<T>(
        &self,
        host: &str,
        answer: impl Future<Output = T>,
    ) -> Result<T, OutOfPatience> {
        let host = self.hosts.get_with_by_ref(host, || Arc::new(Host::new(self.places)));
        let is_crowded = host.places.available_permits() == 0;
        if is_crowded && host.is_silent() {
            return Err(OutOfPatience);
        }
        let usual = if is_crowded { HURRIED } else { USUAL };
        let mut answer = pin!(answer);
        if let Ok(answer) = tokio::time::timeout(usual, answer.as_mut()).await {
            host.note(None);
            return Ok(answer);
        }
        let Ok(_place) = host.places.try_acquire() else {
            host.note(Some(Instant::now() + PAUSE));
            return Err(OutOfPatience);
        };
        Ok(answer.await)
    }
}

impl Host {
    fn new(places: usize) -> Self {
        Self { places: Semaphore::new(places), silent_until: Mutex::default() }
    }

    fn is_silent(&self) -> bool {
        let until = *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, silent_until: Option<Instant>) {
        *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner) = silent_until;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{sleep, timeout};

    use super::*;

    const HOST: &str = "https://silent.example";
    const MINUTE: Duration = Duration::from_secs(60);

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
            assert_eq!(patience.wait(HOST, pending::<()>()).await, Err(OutOfPatience));
            assert_eq!(begun.elapsed(), expected);
        }
        // Other hosts are nobody's business, and one that answers again is found to.
        let slow = async { sleep(Duration::from_secs(30)).await };
        assert_eq!(patience.wait("https://slow.example", slow).await, Ok(()));
        assert_eq!(patience.wait(HOST, async {}).await, Ok(()));

        // Who leaves gives the place back.
        waits.iter().for_each(|wait| wait.abort());
        sleep(Duration::from_secs(1)).await;
        assert!(timeout(MINUTE, patience.wait(HOST, pending::<()>())).await.is_err());
    }
}
