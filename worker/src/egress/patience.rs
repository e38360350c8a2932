//! Patience: how many requests may wait long for one silent host.
//!
//! A host that takes connections and never answers would otherwise hold every job slot
//! of the worker for as long as a request may take, and hold up all other hosts' jobs.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::sync::Semaphore;

/// A git server that packs a large repository says something within five seconds; a
/// host that is merely slow has answered long before.
const USUAL: Duration = Duration::from_secs(8);
/// While as many wait for the host as may, nobody else has to find out anew.
const HURRIED: Duration = Duration::from_secs(1);
/// How many hosts are kept in mind.
const HOSTS: u64 = 1000;

/// Counts who waits for which host.
#[derive(Debug)]
pub(super) struct Patience {
    places: usize,
    hosts: Cache<String, Arc<Semaphore>>,
}

/// The answer was not waited for any longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfPatience {
    /// How long it was waited for.
    pub(super) waited: Duration,
}

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
        let places = self.places;
        let host = self.hosts.get_with_by_ref(host, || Arc::new(Semaphore::new(places)));
        let waited = if host.available_permits() == 0 { HURRIED } else { USUAL };
        let mut answer = pin!(answer);
        if let Ok(answer) = tokio::time::timeout(waited, answer.as_mut()).await {
            return Ok(answer);
        }
        let _place = host.try_acquire().map_err(|_| OutOfPatience { waited })?;
        Ok(answer.await)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const HOST: &str = "silent.example:443";

    #[tokio::test(start_paused = true)]
    async fn two_wait_on_and_the_others_give_up() {
        let patience = Arc::new(Patience::new(2));
        let begun = Instant::now();
        let waits: Vec<_> = (0..4)
            .map(|_| {
                let patience = Arc::clone(&patience);
                tokio::spawn(async move { patience.wait(HOST, pending::<()>()).await })
            })
            .collect();
        sleep(Duration::from_secs(20)).await;
        let given_up = waits.iter().filter(|wait| wait.is_finished()).count();
        assert_eq!(given_up, 2);

        // Who comes now finds all places taken, but for other hosts.
        let late = patience.wait(HOST, pending::<()>()).await;
        assert_eq!(late, Err(OutOfPatience { waited: HURRIED }));
        let slow = async { sleep(Duration::from_secs(30)).await };
        assert_eq!(patience.wait("slow.example:443", slow).await, Ok(()));

        // Who leaves gives the place back.
        waits.iter().for_each(|wait| wait.abort());
        sleep(Duration::from_secs(1)).await;
        assert!(
            timeout(Duration::from_secs(60), patience.wait(HOST, pending::<()>())).await.is_err()
        );
        assert!(begun.elapsed() > Duration::from_secs(100));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_needs_no_place() {
        let patience = Patience::new(1);
        let _waiting = patience.hosts.get_with_by_ref(HOST, || Arc::new(Semaphore::new(0)));
        assert_eq!(patience.wait(HOST, async { 1 }).await, Ok(1));
    }
}
