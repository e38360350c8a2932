//! The queue of a fleet, over RabbitMQ 3.10 or later.
//!
//! **Publishing** is mandatory and confirmed by the broker. What is accepted lies on the
//! disks of a majority of its nodes.
//!
//! **Someone waiting goes first.** A job is taken from the broker only for a receiver
//! that waits, so that this process has at most as many in hand as it has receivers
//! (`RabbitConfig::prefetch` bounds it once more) and keeps none from an idle process. A
//! receiver gets a background job only after every interactive queue was found empty
//! while it waited; an interactive job published within the round trip since may come
//! second. In each queue the oldest goes first; fills and refreshes take turns. Receivers of
//! interactive jobs alone have a hand and a channel of their own.
//!
//! **Failing.** A retry is published to the queue of its delay, a dead letter to the dead
//! letters, and both are confirmed before the message they replace is acknowledged: a
//! crash in between yields a job twice, never none. Attempts are counted in a header of
//! ours. Delays are rounded up to the steps of [`topology`].
//!
//! **Losing the connection.** It is made again for ever, everything is declared again,
//! and the broker delivers again what was in hand. Settling that is
//! [`QueueError::UnknownDelivery`]. Publishing meanwhile waits, for as long as
//! `RabbitConfig::publish_timeout` says.
//!
//! Equal jobs do not collapse: each message is delivered.

mod address;
mod collector;
mod completions;
mod config;
mod dead_letters;
mod depth;
mod hand;
mod link;
mod lock;
mod message;
mod publisher;
mod settle;
mod socket;
mod supervisor;
#[cfg(test)]
mod tests;
mod topology;
mod trouble;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::{Mutex, broadcast, watch},
    task, time,
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use config::{RabbitConfig, RabbitConfigError};

use super::{Completion, DeadLetter, Delivery, Depth, Job, JobKey, Lane, Lanes, Queue, QueueError};
use collector::COLLECTORS;
use completions::Completions;
use hand::Hand;
use link::Link;
use message::Message;
use publisher::Route;
use settle::Verdict;
use socket::Dialer;
use topology::LaneQueue;
use trouble::Trouble;

/// A durable queue shared by all processes of a fleet.
pub struct RabbitQueue {
    shared: Arc<Shared>,
    publish_timeout: Duration,
    /// Held by whoever of this process reads the dead letters, who holds them back from
    /// others: so that they stand in line here and not at the broker.
    reading: Mutex<()>,
    _supervisor: DropGuard,
}

/// What the supervisor and the calls share.
struct Shared {
    dialer: Dialer,
    connect_timeout: Duration,
    /// How many collectors there are; none in a process that only publishes.
    collectors: usize,
    hand: Hand,
    /// What is taken for receivers of interactive jobs alone.
    urgent: Hand,
    completions: Completions,
    /// The link, while there is one.
    link: watch::Sender<Option<Arc<Link>>>,
}

impl RabbitQueue {
    /// Starts to connect in the background and returns at once: only what no broker
    /// could mend is an error. Needs a tokio runtime around it; the connection ends when
    /// the queue is dropped.
    pub fn start(config: RabbitConfig) -> Result<Self, RabbitConfigError> {
        let shared = Arc::new(Shared {
            dialer: Dialer::new(&config)?,
            connect_timeout: config.connect_timeout,
            collectors: config.prefetch.min(COLLECTORS),
            hand: Hand::new(config.prefetch),
            urgent: Hand::new(config.prefetch),
            completions: Completions::default(),
            link: watch::Sender::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(supervisor::supervise(Arc::clone(&shared), stop.clone()));
        Ok(Self {
            shared,
            publish_timeout: config.publish_timeout,
            reading: Mutex::default(),
            _supervisor: stop.drop_guard(),
        })
    }

    async fn publish_to(&self, route: Route, message: &Message) -> Result<(), QueueError> {
        let published = self.shared.publish(route, message);
        Ok(self.in_time(published).await?)
    }

    /// Asks the broker on the link of now, or the next. Where it knows nothing of what was
    /// declared, the next link declares it again.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Link) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let link = self.in_time(async { Ok(self.shared.link().await) }).await?;
        let answer = question(&link).await;
        // A queue may have been deleted: the next link declares it again.
        if matches!(answer, Err(Trouble::Failed(_))) {
            link.fail();
        }
        answer
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let timeout = self.publish_timeout;
        let answered = time::timeout(timeout, answer).await;
        answered.unwrap_or_else(|_| {
            Err(if self.is_connected() { Trouble::Late(timeout) } else { Trouble::NotConnected })
        })
    }

    /// Carries a verdict out, to its end also when the caller is dropped.
    async fn settle(&self, delivery: Delivery, verdict: Verdict) -> Result<(), QueueError> {
        let receipt = delivery.receipt;
        let [hand, urgent] = self.shared.hands();
        let in_hand = hand.take_back(&receipt).or_else(|_| urgent.take_back(&receipt))?;
        let (shared, timeout) = (Arc::clone(&self.shared), self.publish_timeout);
        let settling = async move { shared.settle(in_hand, verdict, timeout).await };
        match task::spawn(settling).await {
            Ok(Ok(true)) => Ok(()),
            // The connection is gone, and with it our hand on the message.
            Ok(Ok(false) | Err(Trouble::Failed(_))) => Err(QueueError::UnknownDelivery { receipt }),
            Ok(Err(trouble)) => Err(trouble.into()),
            Err(error) => Err(QueueError::Unavailable { source: Box::new(error) }),
        }
    }
}

impl Shared {
    /// Everything that this process has in hand.
    fn hands(&self) -> [&Hand; 2] {
        [&self.hand, &self.urgent]
    }

    /// The link, when there is one.
    async fn link(&self) -> Arc<Link> {
        let mut links = self.link.subscribe();
        let link = links.wait_for(Option::is_some).await.expect("the sender is in self");
        link.clone().expect("it was waited for")
    }

    /// Publishes, on the next link too if the first is lost: the message may then
    /// arrive twice.
    async fn publish(&self, route: Route, message: &Message) -> Result<(), Trouble> {
        loop {
            let link = self.link().await;
            let mut links = self.link.subscribe();
            let is_other = |other: &Option<Arc<Link>>| {
                !other.as_ref().is_some_and(|it| Arc::ptr_eq(it, &link))
            };
            let mut replaced = pin!(async {
                links.wait_for(is_other).await.map(drop).expect("the sender is in self")
            });
            tokio::select! {
                biased;
                published = link.publish(route, message) => match published {
                    Err(Trouble::Failed(_)) => replaced.await,
                    published => return published,
                },
                // A publish in the moment of a break was seen to go on waiting for its
                // confirmation.
                () = &mut replaced => {}
            }
        }
    }
}

#[async_trait]
impl Queue for RabbitQueue {
    async fn publish_later(
        &self,
        job: &Job,
        lane: Lane,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let route = Route::job_after(delay, LaneQueue::of(&job.task, lane));
        self.publish_to(route, &Message::new(job)).await
    }

    async fn receive(&self, lanes: Lanes) -> Result<Delivery, QueueError> {
        let hand = match lanes {
            Lanes::All => &self.shared.hand,
            Lanes::InteractiveOnly => &self.shared.urgent,
        };
        Ok(hand.receive().await)
    }

    async fn acknowledge(&self, delivery: Delivery) -> Result<(), QueueError> {
        self.settle(delivery, Verdict::Done).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        delay: Duration,
        reason: &str,
    ) -> Result<(), QueueError> {
        self.settle(delivery, Verdict::Retry { delay, reason: reason.to_owned() }).await
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<(), QueueError> {
        self.settle(delivery, Verdict::Dead { reason: reason.to_owned() }).await
    }

    async fn release(&self, delivery: Delivery, delay: Duration) -> Result<(), QueueError> {
        self.settle(delivery, Verdict::Release { delay }).await
    }

    async fn announce(&self, completed: &JobKey) -> Result<(), QueueError> {
        let link = self.shared.link.borrow().clone().ok_or(Trouble::NotConnected)?;
        Ok(completions::announce(&link, completed).await?)
    }

    fn completions(&self) -> broadcast::Receiver<Completion> {
        self.shared.completions.subscribe()
    }

    fn is_connected(&self) -> bool {
        self.shared.link.borrow().is_some()
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let (_alone, timeout) = (self.reading.lock().await, self.publish_timeout);
        Ok(self.ask(async |link| dead_letters::list(link, timeout).await).await?)
    }

    async fn find_dead_letter(&self, id: &str) -> Result<DeadLetter, QueueError> {
        let (_alone, timeout) = (self.reading.lock().await, self.publish_timeout);
        let found = self.ask(async |link| dead_letters::find(link, id, timeout).await).await?;
        found.ok_or_else(|| QueueError::UnknownDeadLetter { id: id.to_owned() })
    }

    async fn replay_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        let (_alone, timeout) = (self.reading.lock().await, self.publish_timeout);
        let is_done = self.ask(async |link| dead_letters::replay(link, id, timeout).await).await?;
        is_done.then_some(()).ok_or_else(|| QueueError::UnknownDeadLetter { id: id.to_owned() })
    }

    async fn drop_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        let (_alone, timeout) = (self.reading.lock().await, self.publish_timeout);
        let is_done = self.ask(async |link| dead_letters::discard(link, id, timeout).await).await?;
        is_done.then_some(()).ok_or_else(|| QueueError::UnknownDeadLetter { id: id.to_owned() })
    }

    /// Jobs that wait at the broker, and those that run in this process.
    async fn depth(&self) -> Result<Depth, QueueError> {
        let running = self.shared.hands().into_iter().map(Hand::len).sum();
        let counted = async {
            let _alone = self.reading.lock().await;
            self.ask(async |link| depth::count(link, running).await).await
        };
        Ok(self.in_time(counted).await?)
    }
}
