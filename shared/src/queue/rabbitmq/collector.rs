//! Collecting jobs for the receivers that wait, interactive ones first.
//!
//! AMQP pushes: a consumer with prefetch on every queue would take background jobs while
//! interactive ones wait, and would keep jobs from idle processes while this one is busy.
//! So a job is taken from the broker only for a receiver that waits for it:
//!
//! 1. A receiver waits: the interactive queues are asked for one message, then the
//!    background queues. A few collectors do that side by side, for one receiver each.
//! 2. All are empty: one of the collectors has consumers, for one message each, wait on
//!    all of them. The first message ends that; what the others brought meanwhile goes to
//!    further receivers.
//!
//! A message for which no receiver is left goes back to the broker, a background one at
//! once. That needs several queues that fill in the same instant, and costs the message
//! one of its deliveries, of which the broker counts a hundred.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::{StreamExt, future::try_join_all, stream::select_all};
use lapin::{
    Channel, Consumer,
    options::{
        BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions,
    },
    types::FieldTable,
};
use tokio::sync::Mutex;

use super::{
    hand::{Claim, Hand, InHand},
    topology::LaneQueue,
};
use crate::queue::Lane;

/// Collectors of one process: what a broker does not answer at once would else be the
/// pace of all its slots.
pub(super) const COLLECTORS: usize = 4;

/// Collects the jobs of some lanes, the first of them first, for `hand` until a channel
/// fails; each collector has a channel of its own.
pub(super) async fn collect(
    channels: &[Channel],
    hand: &Hand,
    lanes: &'static [[LaneQueue; 2]],
) -> lapin::Error {
    let (watching, turn) = (Mutex::default(), AtomicUsize::default());
    let collector =
        |channel| Collector { channel, hand, lanes, watching: &watching, turn: &turn }.run();
    let failed = tokio::select! {
        failed = try_join_all(channels.iter().map(collector)) => failed.err(),
        failed = give_back_spares(hand) => failed.err(),
    };
    failed.unwrap_or_else(|| io::Error::other("there is nothing to collect on").into())
}

/// Gives a message back to the broker, its attempt not counted.
pub(super) async fn give_back(message: &InHand) -> Result<bool, lapin::Error> {
    message.acker.nack(BasicNackOptions { requeue: true, multiple: false }).await
}

async fn give_back_spares(hand: &Hand) -> Result<Infallible, lapin::Error> {
    loop {
        for message in &hand.spare().await {
            give_back(message).await?;
        }
    }
}

struct Collector<'a> {
    channel: &'a Channel,
    hand: &'a Hand,
    lanes: &'static [[LaneQueue; 2]],
    /// Held by the one collector that has consumers.
    watching: &'a Mutex<()>,
    /// Counts fetches: the kinds take turns, so that none starves behind the other.
    turn: &'a AtomicUsize,
}

impl Collector<'_> {
    async fn run(self) -> Result<Infallible, lapin::Error> {
        // For each consumer on the channel, not for them together.
        self.channel.basic_qos(1, BasicQosOptions::default()).await?;
        loop {
            let claim = self.hand.claim().await;
            if self.fetch().await? {
                continue;
            }
            drop(claim);
            let _alone = self.watching.lock().await;
            let claim = self.hand.claim().await;
            if !self.fetch().await? {
                self.watch(claim).await?;
            }
        }
    }

    /// Offers the first message of the first queue that has one.
    async fn fetch(&self) -> Result<bool, lapin::Error> {
        let starts_with = self.turn.fetch_add(1, Ordering::Relaxed) % 2;
        for queues in self.lanes {
            let (later, first) = queues.split_at(starts_with);
            for queue in first.iter().chain(later) {
                let options = BasicGetOptions { no_ack: false };
                if let Some(got) = self.channel.basic_get(queue.name.into(), options).await? {
                    self.hand.offer(InHand::new(queue, got.delivery));
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Waits on all queues, which were empty, until one has a message.
    async fn watch(&self, claim: Claim<'_>) -> Result<(), lapin::Error> {
        let queues = self.lanes.iter().flatten();
        let mut consumers = try_join_all(queues.map(|queue| self.consume(queue))).await?;
        let first = {
            let pushed = consumers.iter_mut().map(|(queue, consumer)| {
                let queue: &'static LaneQueue = queue;
                // The end of a consumer is the broker's doing: its queue is gone.
                let ended = futures_util::stream::once(async {
                    Err(lapin::Error::from(io::Error::other("the broker ended a consumer")))
                });
                let read = move |delivery: Result<_, _>| delivery.map(|it| InHand::new(queue, it));
                consumer.chain(ended).map(read).boxed()
            });
            let mut pushed = select_all(pushed);
            tokio::select! {
                first = pushed.next() => first.transpose()?,
                () = self.hand.satisfied() => None,
            }
        };
        let mut taken = VecDeque::new();
        match first {
            // It cannot come too early.
            Some(message) if message.queue.lane == Lane::Interactive => self.hand.offer(message),
            first => taken.extend(first),
        }
        let cancel = |(_, consumer): &(_, Consumer)| {
            self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())
        };
        try_join_all(consumers.iter().map(cancel)).await?;
        for (queue, mut consumer) in consumers {
            while let Some(delivery) = consumer.next().await {
                taken.push_back(InHand::new(queue, delivery?));
            }
        }
        drop(claim);
        taken.make_contiguous().sort_by_key(|message| message.queue.lane);
        for message in taken {
            if message.queue.lane == Lane::Interactive || self.hand.is_short() {
                self.hand.offer(message);
            } else {
                give_back(&message).await?;
            }
        }
        Ok(())
    }

    async fn consume(
        &self,
        queue: &'static LaneQueue,
    ) -> Result<(&'static LaneQueue, Consumer), lapin::Error> {
        let options = BasicConsumeOptions::default();
        let arguments = FieldTable::default();
        let consumer =
            self.channel.basic_consume(queue.name.into(), "".into(), options, arguments).await?;
        Ok((queue, consumer))
    }
}
