//! The supervisor: keeps one link to the broker, for ever.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::{Shared, collector, hand::Hand, link::Link, topology::LANES};

/// The first and the longest wait between two attempts to connect. Processes that lost
/// the same broker must not come back in the same instant: a part of it is random.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A link that was lost earlier than this after its opening proves nothing: a broker may
/// let us in and then refuse what we ask of it.
const PROVEN: Duration = Duration::from_secs(5);

/// The waits between attempts to connect, longer each time.
struct Backoff {
    next: Duration,
}

/// Connects, serves, and connects again, until told to stop.
pub(super) async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut backoff = Backoff { next: FIRST_WAIT };
    let mut last_told = String::new();
    loop {
        let opened = tokio::select! {
            opened = open(&shared) => opened,
            () = stop.cancelled() => return,
        };
        let since = Instant::now();
        let mut lived = Duration::ZERO;
        match opened {
            Ok(link) => {
                last_told = String::new();
                tracing::info!(broker = %shared.dialer.address(), "connected to the broker");
                let link = Arc::new(link);
                let reason = serve(&shared, &link, &stop).await;
                shared.link.send_replace(None);
                shared.hands().into_iter().for_each(Hand::clear);
                let Some(reason) = reason else {
                    return link.close().await;
                };
                tracing::warn!(broker = %shared.dialer.address(), reason, "connection to the broker lost");
                lived = since.elapsed();
            }
            // The same failure again and again is told once.
            Err(reason) if reason != last_told => {
                tracing::warn!(broker = %shared.dialer.address(), reason, "no connection to the broker, will try for ever");
                last_told = reason;
            }
            Err(_) => {}
        }
        let wait = backoff.after(lived);
        tokio::select! {
            () = time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Backoff {
    /// The wait after a link that lived for so long, or not at all.
    fn after(&mut self, lived: Duration) -> Duration {
        if lived >= PROVEN {
            self.next = FIRST_WAIT;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST_WAIT);
        wait
    }
}

async fn open(shared: &Shared) -> Result<Link, String> {
    let timeout = shared.connect_timeout;
    match time::timeout(timeout, Link::open(&shared.dialer, shared.collectors)).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not connected within {} ms", timeout.as_millis())),
    }
}

/// Works with the link until it is lost, and tells why; `None` when told to stop.
async fn serve(shared: &Shared, link: &Arc<Link>, stop: &CancellationToken) -> Option<String> {
    let collecting = async {
        match link.collectors() {
            Some((any, interactive)) => tokio::select! {
                error = collector::collect(any, &shared.hand, &LANES) => error,
                error = collector::collect(interactive, &shared.urgent, &LANES[..1]) => error,
            },
            None => pending().await,
        }
    };
    shared.link.send_replace(Some(Arc::clone(link)));
    tokio::select! {
        reason = link.lost() => Some(reason),
        error = collecting => Some(error.to_string()),
        error = shared.completions.relay(link) => Some(error.to_string()),
        () = stop.cancelled() => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_a_link_has_lived_for_a_while() {
        let mut backoff = Backoff { next: FIRST_WAIT };
        let lives = [0, 0, 4_999, 0, 0, 0, 0, 0, 5_000, 0];
        let waits = lives.map(|lived| backoff.after(Duration::from_millis(lived)).as_millis());
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 100, 200]);
    }
}
