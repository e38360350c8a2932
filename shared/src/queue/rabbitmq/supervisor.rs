//! The supervisor: keeps one link to the broker, for ever.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{Shared, collector, link::Link};

/// The first and the longest wait between two attempts to connect. Processes that lost
/// the same broker must not come back in the same instant: a part of it is random.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Connects, serves, and connects again, until told to stop.
pub(super) async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut wait = FIRST_WAIT;
    let mut last_told = String::new();
    loop {
        let opened = tokio::select! {
            opened = open(&shared) => opened,
            () = stop.cancelled() => return,
        };
        match opened {
            Ok(link) => {
                (wait, last_told) = (FIRST_WAIT, String::new());
                tracing::info!(broker = %shared.dialer.address(), "connected to the broker");
                let link = Arc::new(link);
                let reason = serve(&shared, &link, &stop).await;
                shared.link.send_replace(None);
                shared.hand.clear();
                let Some(reason) = reason else {
                    return link.close().await;
                };
                tracing::warn!(broker = %shared.dialer.address(), reason, "connection to the broker lost");
            }
            // The same failure again and again is told once.
            Err(reason) if reason != last_told => {
                tracing::warn!(broker = %shared.dialer.address(), reason, "no connection to the broker, will try for ever");
                last_told = reason;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => {}
            () = stop.cancelled() => return,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
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
            Some(channels) => collector::collect(channels, &shared.hand).await,
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
