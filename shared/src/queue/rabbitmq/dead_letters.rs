//! Reading, replaying and dropping dead letters.
//!
//! A queue cannot be looked into: its messages are taken without being acknowledged, and
//! given back. While one process looks, another would see fewer letters: so one at a time
//! does, and is quick. The first letters are asked for one by one, because whoever deals
//! with all of them always finds the next one there; if there are more, the broker pushes
//! them.

use std::{future::Future, io, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions,
        BasicNackOptions, BasicQosOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::time::{self, Instant};

use super::{
    link::Link,
    lock::Lock,
    message::Message,
    publisher::Route,
    topology::{DEAD, READING},
    trouble::Trouble,
};
use crate::queue::DeadLetter;

/// Letters that are read at most: they are held in memory, and unsettled.
const MOST: usize = 5000;

/// Letters that are asked for one by one.
const SINGLY: usize = 8;

/// After so long without a letter it is asked whether there is one.
const QUIET: Duration = Duration::from_millis(250);

/// Longest wait for those who read at other processes.
const TURN: Duration = Duration::from_secs(30);

/// Longest wait for letters to be back on their queue, and the time between two looks.
const RETURN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// The dead letters, the first thousands of them, oldest first.
pub(super) async fn list(link: &Link, timeout: Duration) -> Result<Vec<DeadLetter>, Trouble> {
    let mut reading = Reading::begin(link, timeout).await?;
    let mut letters = Vec::new();
    while let Some((_, message)) = reading.next().await? {
        letters.push(message.dead_letter());
    }
    reading.end().await?;
    letters.sort_by_key(|letter| letter.buried_at);
    Ok(letters)
}

/// The letter, if it is there.
pub(super) async fn find(
    link: &Link,
    id: &str,
    timeout: Duration,
) -> Result<Option<DeadLetter>, Trouble> {
    let mut reading = Reading::begin(link, timeout).await?;
    let found = reading.find(id).await?;
    reading.end().await?;
    Ok(found.map(|(_, message)| message.dead_letter()))
}

/// Makes the letter a job again; tells whether there is such a letter.
pub(super) async fn replay(link: &Link, id: &str, timeout: Duration) -> Result<bool, Trouble> {
    let mut reading = Reading::begin(link, timeout).await?;
    let found = reading.find(id).await?;
    let is_there = found.is_some();
    if let Some((tag, letter)) = found {
        let (message, queue) = letter.exhumed();
        in_time(timeout, link.publish(Route::job(queue), &message)).await?;
        reading.settle(tag).await?;
    }
    reading.end().await?;
    Ok(is_there)
}

/// Throws the letter away; tells whether there was such a letter.
pub(super) async fn discard(link: &Link, id: &str, timeout: Duration) -> Result<bool, Trouble> {
    let mut reading = Reading::begin(link, timeout).await?;
    let found = reading.find(id).await?;
    let is_there = found.is_some();
    if let Some((tag, _)) = found {
        reading.settle(tag).await?;
    }
    reading.end().await?;
    Ok(is_there)
}

/// Letters taken on a channel of their own: whatever happens, its end gives them back.
struct Reading {
    /// Held until they are back.
    lock: Lock,
    channel: Channel,
    /// Letters that were there at the beginning.
    total: usize,
    taken: usize,
    settled: usize,
    /// Of the last letter that was asked for.
    last_single: u64,
    pushed: Option<Consumer>,
    /// For each question to the broker.
    timeout: Duration,
}

impl Reading {
    async fn begin(link: &Link, timeout: Duration) -> Result<Self, Trouble> {
        let lock = in_time(TURN, link.lock(READING)).await?;
        let channel = in_time(timeout, link.channel()).await?;
        let (taken, settled, last_single, pushed) = (0, 0, 0, None);
        let mut reading =
            Self { lock, channel, total: 0, taken, settled, last_single, pushed, timeout };
        reading.total = reading.waiting().await?;
        Ok(reading)
    }

    /// How many letters nobody has taken.
    async fn waiting(&self) -> Result<usize, Trouble> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let asked = self.channel.queue_declare(DEAD.into(), options, FieldTable::default());
        Ok(in_time(self.timeout, asked).await?.message_count() as usize)
    }

    /// Letters that are read at most.
    fn most(&self) -> usize {
        self.total.min(MOST)
    }

    async fn next(&mut self) -> Result<Option<(u64, Message)>, Trouble> {
        if self.taken >= self.most() {
            return Ok(None);
        }
        let delivery = match self.taken < SINGLY {
            true => self.single().await?,
            false => self.pushed().await?,
        };
        let Some(delivery) = delivery else { return Ok(None) };
        self.taken += 1;
        let message = Message::read(&delivery.properties, delivery.data);
        Ok(Some((delivery.delivery_tag, message)))
    }

    async fn single(&mut self) -> Result<Option<Delivery>, Trouble> {
        let got = self.channel.basic_get(DEAD.into(), BasicGetOptions { no_ack: false });
        let delivery = in_time(self.timeout, got).await?.map(|got| got.delivery);
        self.last_single = delivery.as_ref().map_or(self.last_single, |it| it.delivery_tag);
        Ok(delivery)
    }

    async fn pushed(&mut self) -> Result<Option<Delivery>, Trouble> {
        let begun = Instant::now();
        let mut letters = match self.pushed.take() {
            Some(letters) => letters,
            None => self.consume().await?,
        };
        let next = loop {
            match time::timeout(QUIET, letters.next()).await {
                Ok(Some(delivery)) => break Some(delivery?),
                Ok(None) => return Err(lapin::Error::from(io::Error::other("it ended")).into()),
                // Somebody else took what was there at the beginning.
                Err(_) if self.waiting().await? == 0 => break None,
                Err(_) if begun.elapsed() > self.timeout => {
                    return Err(Trouble::Late(self.timeout));
                }
                Err(_) => {}
            }
        };
        self.pushed = Some(letters);
        Ok(next)
    }

    async fn consume(&self) -> Result<Consumer, Trouble> {
        let letters = u16::try_from(self.most() - self.taken).unwrap_or(u16::MAX);
        let limited = self.channel.basic_qos(letters, BasicQosOptions::default());
        in_time(self.timeout, limited).await?;
        let options = BasicConsumeOptions::default();
        let consumed =
            self.channel.basic_consume(DEAD.into(), "".into(), options, FieldTable::default());
        in_time(self.timeout, consumed).await
    }

    async fn find(&mut self, id: &str) -> Result<Option<(u64, Message)>, Trouble> {
        while let Some((tag, message)) = self.next().await? {
            if message.id == id {
                return Ok(Some((tag, message)));
            }
        }
        Ok(None)
    }

    async fn settle(&mut self, tag: u64) -> Result<(), Trouble> {
        in_time(self.timeout, self.channel.basic_ack(tag, BasicAckOptions::default())).await?;
        self.settled += 1;
        Ok(())
    }

    /// Gives back what was taken and not settled, and waits until it lies there again. The
    /// broker puts it before the rest, in the order in which it is given back.
    async fn end(mut self) -> Result<(), Trouble> {
        if let Some(letters) = self.pushed.take() {
            let cancelled = self.channel.basic_cancel(letters.tag(), BasicCancelOptions::default());
            in_time(self.timeout, cancelled).await?;
            // None of these was settled: the one that was looked for was pushed.
            self.give_back(self.last_single).await?;
        }
        const ALL: u64 = 0;
        self.give_back(ALL).await?;
        let begun = Instant::now();
        while self.waiting().await? < self.total - self.settled && begun.elapsed() < RETURN {
            time::sleep(LOOK).await;
        }
        in_time(self.timeout, self.channel.close(200, "read".into())).await?;
        in_time(self.timeout, self.lock.release()).await
    }

    /// Gives back all up to the letter of this tag.
    async fn give_back(&self, tag: u64) -> Result<(), Trouble> {
        let options = BasicNackOptions { multiple: true, requeue: true };
        in_time(self.timeout, self.channel.basic_nack(tag, options)).await
    }
}

async fn in_time<T, E: Into<Trouble>>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    let answered = time::timeout(timeout, answer).await;
    answered.map_err(|_| Trouble::Late(timeout))?.map_err(Into::into)
}
