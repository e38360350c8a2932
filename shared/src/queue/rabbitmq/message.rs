//! Message: a job's bytes and what travels with them.
//!
//! | property or header | meaning |
//! | --- | --- |
//! | `message_id` | random, given when the message was published |
//! | `stoa-attempt` | the number of this delivery, from 1; of a dead letter, the last one's |
//! | `stoa-reason` | why the last attempt failed, or why the letter was buried |
//! | `stoa-queue` | of a dead letter: where the job waited |
//! | `stoa-buried-at` | of a dead letter: when it was buried, RFC 3339 |

use jiff::Timestamp;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use sha2::{Digest, Sha256};

use super::topology::{INTERACTIVE, LaneQueue};
use crate::queue::{DeadLetter, Job};

const ATTEMPT: &str = "stoa-attempt";
const REASON: &str = "stoa-reason";
const QUEUE: &str = "stoa-queue";
const BURIED_AT: &str = "stoa-buried-at";
/// Where a broker notes what it dead-lettered itself.
const DEATHS: &str = "x-death";

/// Longest reason in a header, in bytes: all headers together have to fit one frame.
const MAX_REASON: usize = 4096;

/// Written to disk by the broker.
const PERSISTENT: u8 = 2;

/// A job's bytes and what travels with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    pub(super) attempt: u32,
    reason: Option<String>,
    grave: Option<Grave>,
}

/// What is known of a dead letter only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grave {
    queue: &'static str,
    buried_at: Option<Timestamp>,
}

impl Message {
    /// A job that was never tried.
    pub(super) fn new(job: &Job) -> Self {
        Self::fresh(job.to_message().into_bytes())
    }

    fn fresh(body: Vec<u8>) -> Self {
        Self { id: random_id(), body, attempt: 1, reason: None, grave: None }
    }

    /// The message, its next attempt being counted.
    pub(super) fn failed(self, reason: &str) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            reason: Some(shortened(reason)),
            grave: None,
            ..self
        }
    }

    /// The message as a dead letter, of an id that no other letter has.
    pub(super) fn buried(self, queue: &'static LaneQueue, reason: &str) -> Self {
        let grave = Grave { queue: queue.name, buried_at: Some(Timestamp::now()) };
        let reason = Some(shortened(reason));
        Self { id: random_id(), reason, grave: Some(grave), ..self }
    }

    /// The dead letter as a job that was never tried, and where it waits.
    pub(super) fn exhumed(self) -> (Self, &'static LaneQueue) {
        (Self::fresh(self.body.clone()), self.home())
    }

    /// Reads a delivery; what is missing or odd is as in a message that was just
    /// published by somebody else.
    pub(super) fn read(properties: &BasicProperties, body: Vec<u8>) -> Self {
        let headers = properties.headers().as_ref();
        let header = |name: &str| headers.and_then(|headers| headers.inner().get(name));
        let text = |name: &str| header(name).and_then(as_text);
        let attempt = header(ATTEMPT).and_then(as_number);
        let id = properties.message_id().as_ref().map_or("", |id| id.as_str());
        let id = if is_plain(id) { id.to_owned() } else { substitute(id, &body) };
        let ours = text(QUEUE).and_then(|name| LaneQueue::named(&name)).map(|queue| Grave {
            queue: queue.name,
            buried_at: text(BURIED_AT).and_then(|time| time.parse().ok()),
        });
        let grave = ours.or_else(|| header(DEATHS).and_then(broker_grave));
        let attempt = attempt.and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1);
        Self { id, body, attempt: attempt.max(1), reason: text(REASON), grave }
    }

    pub(super) fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut set = |name: &str, value| {
            headers.insert(name.into(), value);
        };
        set(ATTEMPT, AMQPValue::LongLongInt(self.attempt.into()));
        let text = |text: &str| AMQPValue::LongString(text.into());
        if let Some(reason) = &self.reason {
            set(REASON, text(reason));
        }
        if let Some(Grave { queue, buried_at }) = &self.grave {
            set(QUEUE, text(queue));
            if let Some(time) = buried_at {
                set(BURIED_AT, text(&time.to_string()));
            }
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_headers(headers);
        match ShortString::try_new(self.id.as_str()) {
            Ok(id) => properties.with_message_id(id),
            Err(_) => properties,
        }
    }

    /// The message as the dead letter that it is.
    pub(super) fn dead_letter(&self) -> DeadLetter {
        let reason = match (&self.grave, &self.reason) {
            (Some(Grave { buried_at: Some(_), .. }), Some(reason)) => reason.as_str(),
            (Some(_), _) => "given up by the broker: it was delivered too often and never settled",
            (None, _) => "put here by somebody else: it was never a job on our queues",
        };
        DeadLetter {
            id: self.id.clone(),
            message: String::from_utf8_lossy(&self.body).into_owned(),
            attempts: self.attempt,
            reason: reason.to_owned(),
            lane: self.home().lane,
            buried_at: self.grave.as_ref().and_then(|grave| grave.buried_at),
        }
    }

    /// Where the job waited, or has to wait now that nobody knows.
    fn home(&self) -> &'static LaneQueue {
        let named = self.grave.as_ref().and_then(|grave| LaneQueue::named(grave.queue));
        named.unwrap_or(&INTERACTIVE[0])
    }
}

/// What the broker wrote down of a letter it buried itself: the latest death first.
fn broker_grave(deaths: &AMQPValue) -> Option<Grave> {
    let AMQPValue::FieldArray(deaths) = deaths else { return None };
    deaths.as_slice().iter().find_map(|death| {
        let AMQPValue::FieldTable(death) = death else { return None };
        let queue = death.inner().get("queue").and_then(as_text)?;
        Some(Grave { queue: LaneQueue::named(&queue)?.name, buried_at: None })
    })
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(LongString::to_string(text)),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn as_number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        _ => None,
    }
}

fn shortened(reason: &str) -> String {
    reason[..reason.floor_char_boundary(MAX_REASON)].to_owned()
}

fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether an id can stand in a URL and in a line as it is. Ours can.
fn is_plain(id: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !id.is_empty() && id.bytes().all(is_fine)
}

/// An id for what somebody else published without one, or with an odd one.
fn substitute(id: &str, body: &[u8]) -> String {
    let sum = Sha256::new().chain_update(id).chain_update(body).finalize();
    sum.iter().take(16).fold("nameless-".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;
    use crate::queue::{Lane, contract::job};

    fn travelled(message: &Message) -> Message {
        Message::read(&message.properties(), message.body.clone())
    }

    #[test]
    fn a_message_arrives_as_it_left() {
        let message = Message::new(&job(1));
        assert_eq!(travelled(&message), message);
        let failed = message.failed("the origin is down");
        assert_eq!(failed.attempt, 2);
        assert_eq!(travelled(&failed), failed);
        let queue = LaneQueue::named("stoa.refresh.background.v1").unwrap();
        let buried = travelled(&failed.clone().buried(queue, "no such repository"));
        let letter = buried.dead_letter();
        assert_eq!((letter.attempts, letter.reason.as_str()), (2, "no such repository"));
        assert_eq!((letter.lane, letter.buried_at.is_some()), (Lane::Background, true));
        assert_ne!(letter.id, failed.id);
        let (fresh, home) = buried.exhumed();
        assert_eq!((fresh.attempt, home), (1, queue));
        assert_eq!(fresh.body, failed.body);
    }

    #[test]
    fn a_foreign_message_is_a_first_attempt() {
        let mut headers = FieldTable::default();
        headers.insert(ATTEMPT.into(), AMQPValue::LongInt(-3));
        headers.insert(QUEUE.into(), AMQPValue::LongString("elsewhere".into()));
        for properties in
            [BasicProperties::default(), BasicProperties::default().with_headers(headers)]
        {
            let message = Message::read(&properties, b"\xff{".to_vec());
            assert_eq!((message.attempt, message.id.len()), (1, 41), "{message:?}");
            assert_eq!(message.id, Message::read(&properties, b"\xff{".to_vec()).id);
            let letter = message.dead_letter();
            assert_eq!(letter.message, "\u{fffd}{");
            assert!(letter.reason.starts_with("put here by somebody else"), "{}", letter.reason);
        }
    }

    #[test]
    fn an_odd_id_is_replaced_by_a_plain_one() {
        let id = |id: &str| {
            let properties = BasicProperties::default().with_message_id(id.into());
            Message::read(&properties, b"{}".to_vec()).id
        };
        assert_eq!(id("0af7-B_2"), "0af7-B_2");
        let odd = ["", "..", "a?b", "a/b", "two\nlines", "ä"].map(id);
        assert!(odd.iter().all(|id| is_plain(id)), "{odd:?}");
        assert_eq!(odd.iter().collect::<std::collections::BTreeSet<_>>().len(), odd.len());
    }

    #[test]
    fn a_letter_that_the_broker_buried_says_so() {
        let mut death = FieldTable::default();
        death.insert("queue".into(), AMQPValue::LongString("stoa.fill.background.v1".into()));
        let deaths = FieldArray::from(vec![AMQPValue::FieldTable(death)]);
        let mut headers = FieldTable::default();
        headers.insert(DEATHS.into(), AMQPValue::FieldArray(deaths));
        headers.insert(REASON.into(), AMQPValue::LongString("an older failure".into()));
        let properties = BasicProperties::default().with_headers(headers);
        let letter = Message::read(&properties, b"{}".to_vec()).dead_letter();
        assert_eq!(letter.lane, Lane::Background);
        assert!(letter.reason.starts_with("given up by the broker"), "{}", letter.reason);
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let reason = "ä".repeat(MAX_REASON);
        let failed = Message::new(&job(1)).failed(&format!("x{reason}"));
        assert_eq!(failed.reason.unwrap().len(), MAX_REASON - 1);
    }
}
