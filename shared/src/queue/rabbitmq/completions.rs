//! Completions: who is done, told to every process that wants to know.

use std::{io, time::Duration};

use futures_util::StreamExt;
use lapin::{
    BasicProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{
    sync::{broadcast, watch},
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    link::Link,
    topology::{COMPLETIONS, transient},
    trouble::Trouble,
};
use crate::queue::{Completion, JobKey};

/// Completions kept for a subscriber that is slow to take them.
const KEPT: usize = 1024;

/// How long an announcement may take: a broker short of memory stops reading.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the way from the exchange is declared again. An exchange that an operator
/// deleted takes it along, and the next one knows nothing of it.
const BINDING: Duration = Duration::from_secs(5);

/// The subscribers of this process. Nothing is asked of the broker before the first.
pub(super) struct Completions {
    subscribers: broadcast::Sender<Completion>,
    are_wanted: watch::Sender<bool>,
}

impl Default for Completions {
    fn default() -> Self {
        Self { subscribers: broadcast::channel(KEPT).0, are_wanted: watch::Sender::default() }
    }
}

impl Completions {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Completion> {
        // Subscribed first, so that it hears that the broker listens for it.
        let subscriber = self.subscribers.subscribe();
        self.are_wanted.send_replace(true);
        subscriber
    }

    /// Hands on what the broker tells, until the link fails.
    pub(super) async fn relay(&self, link: &Link) -> lapin::Error {
        self.try_relay(link).await.err().unwrap_or_else(|| {
            io::Error::other("the broker ended the subscription to completions").into()
        })
    }

    async fn try_relay(&self, link: &Link) -> Result<(), lapin::Error> {
        let mut are_wanted = self.are_wanted.subscribe();
        are_wanted.wait_for(|are_wanted| *are_wanted).await.expect("the sender is in self");
        let channel = link.channel().await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        // Of our own names, so that a user of the broker needs rights on no others.
        let name = format!("{COMPLETIONS}.{:016x}", rand::random::<u64>());
        let queue = channel.queue_declare(name.into(), options, transient()).await?;
        let queue = queue.name().clone();
        let bind = || {
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(queue.clone(), COMPLETIONS.into(), "#".into(), options, arguments)
        };
        bind().await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        let mut told =
            channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;
        self.tell(Completion::MaybeMissed);
        let mut rounds = time::interval_at(Instant::now() + BINDING, BINDING);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let delivery = tokio::select! {
                delivery = told.next() => delivery,
                _ = rounds.tick() => {
                    bind().await?;
                    continue;
                }
            };
            let Some(delivery) = delivery else { return Ok(()) };
            // A newer program may say what we do not understand; then it was not for us.
            if let Ok(key) = serde_json::from_slice(&delivery?.data) {
                self.tell(Completion::Of(key));
            }
        }
    }

    fn tell(&self, completion: Completion) {
        // An error says that nobody listens, which is nobody's loss.
        let _ = self.subscribers.send(completion);
    }
}

/// Tells all processes; nobody confirms it. Where the exchange is gone the broker ends
/// the channel: the next link declares it again.
pub(super) async fn announce(link: &Link, completed: &JobKey) -> Result<(), Trouble> {
    let body = serde_json::to_vec(completed).expect("a text always serialises");
    // The kind: a key is too long for where it goes.
    let text = completed.to_string();
    let kind = text.split(' ').next().unwrap_or_default();
    let publish = link.announcing.basic_publish(
        COMPLETIONS.into(),
        kind.into(),
        BasicPublishOptions::default(),
        &body,
        BasicProperties::default().with_content_type("application/json".into()),
    );
    let published = time::timeout(PATIENCE, publish).await;
    let published = published.map_err(|_| Trouble::Late(PATIENCE))?;
    published.inspect_err(|_| link.fail())?;
    Ok(())
}
