//! Hand: the messages that this process took from the broker and has not settled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lapin::{Acker, message};
use tokio::{
    sync::{Semaphore, watch},
    time,
};

use super::{message::Message, topology::LaneQueue};
use crate::queue::{Delivery, Job, JobError, Lane, QueueError};

/// How long a message whose receiver has gone stays for the next one before the broker
/// gets it back, which costs the message a delivery.
const SPARE: Duration = Duration::from_millis(200);

/// The messages that this process took from the broker and has not settled.
pub(super) struct Hand {
    state: Mutex<State>,
    /// One permit for each message on offer.
    offered: Semaphore,
    counts: watch::Sender<Counts>,
    limit: usize,
}

/// A message in hand.
pub(super) struct InHand {
    pub(super) queue: &'static LaneQueue,
    pub(super) message: Message,
    pub(super) acker: Acker,
}

#[derive(Default)]
struct State {
    waiting: usize,
    claimed: usize,
    /// For whoever waits or comes next: lane first, then age.
    offers: BTreeMap<(Lane, u64), InHand>,
    running: HashMap<String, InHand>,
    taken: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    /// Receivers that wait.
    waiting: usize,
    /// Messages that are being fetched.
    claimed: usize,
    offered: usize,
    running: usize,
}

impl InHand {
    pub(super) fn new(queue: &'static LaneQueue, delivery: message::Delivery) -> Self {
        let message::Delivery { properties, data, acker, .. } = delivery;
        Self { queue, message: Message::read(&properties, data), acker }
    }
}

impl Hand {
    /// An empty hand for `limit` messages at most.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            offered: Semaphore::new(0),
            counts: watch::Sender::default(),
            limit,
        }
    }

    /// The next message that is offered. Dropped before that, it took nothing.
    pub(super) async fn receive(&self) -> Delivery {
        let mut waiting = Waiting::begin(self);
        loop {
            self.offered.acquire().await.expect("the semaphore is never closed").forget();
            // A permit outlives its message when the connection is lost.
            if let Some(delivery) = self.change(|state| state.take()) {
                waiting.is_over = true;
                return delivery;
            }
        }
    }

    /// Returns when a receiver waits for whom nobody fetches yet, with the right to
    /// fetch one message for it.
    pub(super) async fn claim(&self) -> Claim<'_> {
        loop {
            self.until(|counts| counts.are_short(self.limit)).await;
            let claimed = self.change(|state| {
                let is_short = state.counts().are_short(self.limit);
                state.claimed += usize::from(is_short);
                is_short
            });
            if claimed {
                return Claim(self);
            }
        }
    }

    /// Whether a receiver waits for whom nobody fetches.
    pub(super) fn is_short(&self) -> bool {
        self.counts.borrow().are_short(self.limit)
    }

    /// Returns when there is something on offer for everyone who waits.
    pub(super) async fn satisfied(&self) {
        self.until(|counts| counts.waiting <= counts.offered).await;
    }

    /// Puts a message on offer.
    pub(super) fn offer(&self, message: InHand) {
        self.change(|state| {
            state.taken += 1;
            state.offers.insert((message.queue.lane, state.taken), message);
        });
        self.offered.add_permits(1);
    }

    /// Messages whose receivers have gone and not come again for a while.
    pub(super) async fn spare(&self) -> Vec<InHand> {
        loop {
            self.until(|counts| counts.offered > counts.waiting).await;
            let taken_up = self.until(|counts| counts.offered <= counts.waiting);
            if time::timeout(SPARE, taken_up).await.is_err() {
                return self.change(|state| {
                    let spare = state.offers.len().saturating_sub(state.waiting);
                    (0..spare).filter_map(|_| state.offers.pop_last()).map(|(_, it)| it).collect()
                });
            }
        }
    }

    /// Takes a message out of its consumer's hand, to be settled.
    pub(super) fn take_back(&self, receipt: &str) -> Result<InHand, QueueError> {
        let unknown = || QueueError::UnknownDelivery { receipt: receipt.to_owned() };
        self.change(|state| state.running.remove(receipt)).ok_or_else(unknown)
    }

    /// Forgets everything: with its connection, the broker took it all back.
    pub(super) fn clear(&self) {
        self.change(|state| {
            state.offers.clear();
            state.running.clear();
        });
    }

    /// How many messages are in hand.
    pub(super) fn len(&self) -> usize {
        let Counts { offered, running, .. } = *self.counts.borrow();
        offered + running
    }

    async fn until(&self, is_so: impl FnMut(&Counts) -> bool) {
        let mut counts = self.counts.subscribe();
        counts.wait_for(is_so).await.expect("the sender is in self");
    }

    /// No holder of this lock panics halfway through a change.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut state);
        self.counts.send_replace(state.counts());
        changed
    }
}

impl Counts {
    /// Whether one more message is to be fetched.
    fn are_short(&self, limit: usize) -> bool {
        let Self { waiting, claimed, offered, running } = *self;
        waiting > offered + claimed && offered + claimed + running < limit
    }
}

impl State {
    fn counts(&self) -> Counts {
        Counts {
            waiting: self.waiting,
            claimed: self.claimed,
            offered: self.offers.len(),
            running: self.running.len(),
        }
    }

    /// Hands the first offer to a receiver, who then waits no longer.
    fn take(&mut self) -> Option<Delivery> {
        let ((lane, number), in_hand) = self.offers.pop_first()?;
        self.waiting = self.waiting.saturating_sub(1);
        let receipt = format!("{number}-{}", in_hand.message.id);
        let delivery = Delivery {
            job: read_job(&in_hand.message.body),
            attempt: in_hand.message.attempt,
            lane,
            receipt: receipt.clone(),
        };
        self.running.insert(receipt, in_hand);
        Some(delivery)
    }
}

fn read_job(body: &[u8]) -> Result<Job, JobError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| JobError::Unreadable { reason: error.to_string() })?;
    Job::from_message(text)
}

/// The right to fetch one message, given up when it is dropped.
pub(super) struct Claim<'a>(&'a Hand);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.claimed = state.claimed.saturating_sub(1));
    }
}

/// A receiver in the line.
struct Waiting<'a> {
    hand: &'a Hand,
    is_over: bool,
}

impl<'a> Waiting<'a> {
    fn begin(hand: &'a Hand) -> Self {
        hand.change(|state| state.waiting += 1);
        Self { hand, is_over: false }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.hand.change(|state| state.waiting = state.waiting.saturating_sub(1));
        }
    }
}
