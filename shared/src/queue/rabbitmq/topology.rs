//! What the broker holds for us: every name, every argument.
//!
//! Arguments are constants, because a broker refuses to declare a queue again with
//! others: whoever changes one raises the version in the name, and the fleet drains the
//! old queues before it is upgraded. Everything is a durable quorum queue, but for the
//! queues on which completions are heard.
//!
//! ```text
//! stoa.fill.interactive.v1   stoa.refresh.interactive.v1   someone waits
//! stoa.fill.background.v1    stoa.refresh.background.v1    nobody waits
//! stoa.delay.1s.v1 … 3600s   exchange and queue of one name: waits, then goes to the
//!                            queue that is the message's routing key
//! stoa.dead.v1               given up
//! stoa.completions.v1        exchange: which jobs are done
//! stoa.completions.v1.<hex>  exclusive: on which one process hears of them
//! stoa.declaring.v1          exclusive, while a process declares the others
//! stoa.reading.v1            exclusive, while a process reads the dead letters
//! ```

use std::time::Duration;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::queue::{Lane, Task};

/// The exchange on which completions are announced.
pub(super) const COMPLETIONS: &str = "stoa.completions.v1";

/// The queue of the dead letters.
pub(super) const DEAD: &str = "stoa.dead.v1";

/// Held by the connection that declares.
pub(super) const DECLARING: &str = "stoa.declaring.v1";

/// Held by the connection that reads the dead letters: the others would not see them.
pub(super) const READING: &str = "stoa.reading.v1";

/// The exchange that is always there, and routes to the queue that the key names.
pub(super) const DEFAULT_EXCHANGE: &str = "";

/// Deliveries after which the broker buries a message itself. Attempts are counted by
/// ourselves; this only ends a message that kills every consumer.
const DELIVERY_LIMIT: i32 = 100;

/// Reading the dead letters costs each of them a delivery. RabbitMQ 4 has a limit where
/// none is given, RabbitMQ 3 knows no word for "none": so it is a number that nobody
/// reaches.
const DEAD_DELIVERY_LIMIT: i32 = i32::MAX;

/// A queue in which jobs of some kinds wait, in one lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LaneQueue {
    pub(super) name: &'static str,
    pub(super) lane: Lane,
}

/// A wait before the next attempt.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) delay: Duration,
    /// Of the exchange, and of the queue behind it.
    pub(super) name: &'static str,
}

/// The interactive queues.
pub(super) const INTERACTIVE: [LaneQueue; 2] = [
    LaneQueue { name: "stoa.fill.interactive.v1", lane: Lane::Interactive },
    LaneQueue { name: "stoa.refresh.interactive.v1", lane: Lane::Interactive },
];

/// The background queues, kinds in the same order.
pub(super) const BACKGROUND: [LaneQueue; 2] = [
    LaneQueue { name: "stoa.fill.background.v1", lane: Lane::Background },
    LaneQueue { name: "stoa.refresh.background.v1", lane: Lane::Background },
];

/// All of them, those that go first first.
pub(super) static LANES: [[LaneQueue; 2]; 2] = [INTERACTIVE, BACKGROUND];

/// The waits, shortest first. Messages leave a queue in order, so each wait has its own.
pub(super) const STEPS: [Step; 8] = [
    Step { delay: Duration::from_secs(1), name: "stoa.delay.1s.v1" },
    Step { delay: Duration::from_secs(2), name: "stoa.delay.2s.v1" },
    Step { delay: Duration::from_secs(5), name: "stoa.delay.5s.v1" },
    Step { delay: Duration::from_secs(30), name: "stoa.delay.30s.v1" },
    Step { delay: Duration::from_secs(60), name: "stoa.delay.60s.v1" },
    Step { delay: Duration::from_secs(120), name: "stoa.delay.120s.v1" },
    Step { delay: Duration::from_secs(600), name: "stoa.delay.600s.v1" },
    Step { delay: Duration::from_secs(3600), name: "stoa.delay.3600s.v1" },
];

impl LaneQueue {
    /// Where a task waits. Fills are fetches of a whole version; everything else
    /// refreshes what is already answered, and must not stand behind them.
    pub(super) fn of(task: &Task, lane: Lane) -> &'static Self {
        let [fill, refresh] = match lane {
            Lane::Interactive => &INTERACTIVE,
            Lane::Background => &BACKGROUND,
        };
        match task {
            Task::Fill { .. } => fill,
            Task::List { .. } | Task::Latest { .. } | Task::Query { .. } | Task::Refresh { .. } => {
                refresh
            }
        }
    }

    /// The queue of that name, if it is one of ours.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        INTERACTIVE.iter().chain(&BACKGROUND).find(|queue| queue.name == name)
    }
}

impl Step {
    /// The first step that is not shorter than `delay`, or the longest; none for no
    /// delay at all.
    pub(super) fn for_delay(delay: Duration) -> Option<&'static Self> {
        let longest = STEPS.last();
        let step = STEPS.iter().find(|step| step.delay >= delay).or(longest);
        step.filter(|_| !delay.is_zero())
    }
}

/// Declares everything. The dead letters come first: what is dead-lettered to a queue
/// that is missing would be kept, and counted, where it was.
pub(super) async fn declare(channel: &Channel) -> Result<(), lapin::Error> {
    let queue = async |name: &str, arguments| {
        channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await
    };
    let exchange = async |name: &str, kind| {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
    };
    queue(DEAD, dead_arguments()).await?;
    for LaneQueue { name, .. } in INTERACTIVE.iter().chain(&BACKGROUND) {
        queue(name, lane_arguments()).await?;
    }
    for Step { delay, name } in &STEPS {
        exchange(name, ExchangeKind::Fanout).await?;
        queue(name, step_arguments(*delay)).await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind((*name).into(), (*name).into(), "".into(), options, FieldTable::default())
            .await?;
    }
    exchange(COMPLETIONS, ExchangeKind::Topic).await
}

/// Not replicated, whatever a vhost's default: such a queue belongs to one connection.
pub(super) fn transient() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("classic"));
    arguments
}

/// A replicated queue, which forwards what it gives up without losing it.
fn quorum_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-dead-letter-exchange".into(), text(DEFAULT_EXCHANGE));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    // Dead-lettering at least once is refused with any other overflow.
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn lane_arguments() -> FieldTable {
    let mut arguments = quorum_arguments();
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    arguments.insert("x-dead-letter-routing-key".into(), text(DEAD));
    arguments
}

/// Without a routing key of its own for what is forwarded, which so keeps its first.
fn step_arguments(delay: Duration) -> FieldTable {
    let mut arguments = quorum_arguments();
    let milliseconds = i64::try_from(delay.as_millis()).expect("a step is an hour at most");
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(milliseconds));
    arguments
}

fn dead_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DEAD_DELIVERY_LIMIT));
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_a_step() {
        let table = [
            (0, None),
            (1, Some("stoa.delay.1s.v1")),
            (1_000, Some("stoa.delay.1s.v1")),
            (1_001, Some("stoa.delay.2s.v1")),
            (2_001, Some("stoa.delay.5s.v1")),
            (120_000, Some("stoa.delay.120s.v1")),
            (3_600_000, Some("stoa.delay.3600s.v1")),
            (86_400_000, Some("stoa.delay.3600s.v1")),
        ];
        for (milliseconds, expected) in table {
            let step = Step::for_delay(Duration::from_millis(milliseconds));
            assert_eq!(step.map(|step| step.name), expected, "{milliseconds} ms");
        }
    }

    #[test]
    fn every_task_has_its_queue_in_each_lane() {
        let module: crate::module::ModulePath = "example.com/m".parse().unwrap();
        let fill = Task::Fill { module: module.clone(), version: "v1.0.0".parse().unwrap() };
        let list = Task::List { module };
        assert_eq!(LaneQueue::of(&fill, Lane::Interactive).name, "stoa.fill.interactive.v1");
        assert_eq!(LaneQueue::of(&list, Lane::Background).name, "stoa.refresh.background.v1");
        let queue = LaneQueue::of(&list, Lane::Interactive);
        assert_eq!(LaneQueue::named(queue.name), Some(queue));
        assert_eq!(LaneQueue::named("stoa.dead.v1"), None);
    }
}
