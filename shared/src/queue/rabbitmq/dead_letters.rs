//! Reading, replaying and dropping dead letters.
//!
//! A queue cannot be looked into: its messages are taken without being acknowledged, and
//! given back. While one process looks, another sees fewer letters.

use std::{future::Future, time::Duration};

use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
};
use tokio::time;

use super::{link::Link, message::Message, publisher::Route, topology::DEAD, trouble::Trouble};
use crate::queue::DeadLetter;

/// Letters that are read at most: they are held in memory, and unsettled.
const MOST: usize = 5000;

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
    channel: Channel,
    taken: usize,
    last: Option<u64>,
    /// For each question to the broker.
    timeout: Duration,
}

impl Reading {
    async fn begin(link: &Link, timeout: Duration) -> Result<Self, Trouble> {
        let channel = in_time(timeout, link.channel()).await?;
        Ok(Self { channel, taken: 0, last: None, timeout })
    }

    async fn next(&mut self) -> Result<Option<(u64, Message)>, Trouble> {
        if self.taken == MOST {
            return Ok(None);
        }
        let got = self.channel.basic_get(DEAD.into(), BasicGetOptions { no_ack: false });
        let got = in_time(self.timeout, got).await?;
        let Some(BasicGetMessage { delivery, .. }) = got else { return Ok(None) };
        self.taken += 1;
        self.last = Some(delivery.delivery_tag);
        let message = Message::read(&delivery.properties, delivery.data);
        Ok(Some((delivery.delivery_tag, message)))
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
        // Found ones are the last ones, and a tag can be settled once.
        self.last = tag.checked_sub(1).filter(|tag| *tag > 0);
        Ok(())
    }

    /// Gives the rest back, in its order.
    async fn end(self) -> Result<(), Trouble> {
        if let Some(tag) = self.last {
            let options = BasicNackOptions { multiple: true, requeue: true };
            in_time(self.timeout, self.channel.basic_nack(tag, options)).await?;
        }
        in_time(self.timeout, self.channel.close(200, "read".into())).await
    }
}

async fn in_time<T, E: Into<Trouble>>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    let answered = time::timeout(timeout, answer).await;
    answered.map_err(|_| Trouble::Late(timeout))?.map_err(Into::into)
}
