//! Publishing one message, and knowing what became of it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::Semaphore;

use super::{
    link::Link,
    message::Message,
    topology::{DEAD, DEFAULT_EXCHANGE, LaneQueue, Step},
    trouble::Trouble,
};

/// Publishes under way at once on one connection.
const PUBLISHERS: usize = 16;

/// Channels with confirms, each for one message at a time.
///
/// A broker returns a message that it cannot route, and confirms it all the same. The
/// client library lays the return to whatever confirmation comes next on the channel:
/// with two messages under way, the lost one could be taken for the accepted one.
pub(super) struct Publishers {
    idle: Mutex<Vec<Channel>>,
    turns: Semaphore,
}

impl Default for Publishers {
    fn default() -> Self {
        Self { idle: Mutex::default(), turns: Semaphore::new(PUBLISHERS) }
    }
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    exchange: &'static str,
    queue: &'static str,
}

impl Route {
    /// To wait for a consumer.
    pub(super) fn job(queue: &LaneQueue) -> Self {
        Self { exchange: DEFAULT_EXCHANGE, queue: queue.name }
    }

    /// To wait for a consumer after a delay, if there is one.
    pub(super) fn job_after(delay: Duration, queue: &LaneQueue) -> Self {
        let delayed = |step: &Step| Self { exchange: step.name, queue: queue.name };
        Step::for_delay(delay).map_or_else(|| Self::job(queue), delayed)
    }

    /// To wait for an operator.
    pub(super) fn dead() -> Self {
        Self { exchange: DEFAULT_EXCHANGE, queue: DEAD }
    }
}

impl Link {
    /// Returns `Ok` when the broker has the message durably. Dropped before that, the
    /// message may have arrived or not.
    ///
    /// Where it cannot go to what was declared, or the connection fails, the link is of
    /// no use any longer: the next one declares everything again.
    pub(super) async fn publish(&self, route: Route, message: &Message) -> Result<(), Trouble> {
        let published = self.try_publish(route, message).await;
        if matches!(published, Err(Trouble::Failed(_) | Trouble::Unroutable { .. })) {
            self.fail();
        }
        published
    }

    async fn try_publish(&self, route: Route, message: &Message) -> Result<(), Trouble> {
        let _turn = self.publishers.turns.acquire().await.expect("it is never closed");
        let channel = match self.publishers.take() {
            Some(channel) => channel,
            None => {
                let channel = self.channel().await?;
                channel.confirm_select(ConfirmSelectOptions::default()).await?;
                channel
            }
        };
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let Route { exchange, queue } = route;
        let confirmation = channel
            .basic_publish(
                exchange.into(),
                queue.into(),
                options,
                &message.body,
                message.properties(),
            )
            .await?
            .await?;
        self.publishers.give_back(channel);
        let queue = || queue.to_owned();
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                Err(Trouble::Unroutable { queue: queue() })
            }
            Confirmation::Nack(None) | Confirmation::NotRequested => {
                Err(Trouble::Refused { queue: queue() })
            }
        }
    }
}

impl Publishers {
    fn take(&self) -> Option<Channel> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, channel: Channel) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }
}
