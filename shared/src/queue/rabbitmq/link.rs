//! Link: what this process has of the broker while a connection lives.

use std::{pin::pin, slice, time::Duration};

use futures_util::{StreamExt, future::try_join_all};
use lapin::{Channel, Connection, Event};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{
    lock::Lock,
    publisher::Publishers,
    socket::{Dialed, Dialer},
    topology::{self, DECLARING},
};

/// A connection tells of its end; if that should get lost, it is looked at this often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long the farewell of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What this process has of the broker while a connection lives.
///
/// A process that consumes has two connections: a broker short of memory or disk no
/// longer reads from those that publish, and must still hear what is acknowledged.
pub(super) struct Link {
    publishing: Dialed,
    /// The last channel is for interactive jobs alone.
    consuming: Option<(Dialed, Vec<Channel>)>,
    /// Sends announcements, which nobody confirms.
    pub(super) announcing: Channel,
    pub(super) publishers: Publishers,
    failed: CancellationToken,
}

impl Link {
    /// Connects and declares what is missing at the broker.
    ///
    /// `collectors` is 0 in a process that only publishes.
    pub(super) async fn open(dialer: &Dialer, collectors: usize) -> Result<Self, lapin::Error> {
        let publishing = dialer.dial().await?;
        let announcing = publishing.connection.create_channel().await?;
        declare_alone(&publishing.connection, &announcing).await?;
        let consuming = match collectors {
            0 => None,
            collectors => {
                let dialed = dialer.dial().await?;
                let channel = || dialed.connection.create_channel();
                let channels = try_join_all((0..=collectors).map(|_| channel())).await?;
                Some((dialed, channels))
            }
        };
        Ok(Self {
            publishing,
            consuming,
            announcing,
            publishers: Publishers::default(),
            failed: CancellationToken::new(),
        })
    }

    /// A new channel, which ends when it is dropped.
    pub(super) async fn channel(&self) -> Result<Channel, lapin::Error> {
        self.publishing.connection.create_channel().await
    }

    /// The right to do what one process at a time may; it goes with the channel behind it.
    pub(super) async fn lock(&self, name: &str) -> Result<Lock, lapin::Error> {
        Lock::take(&self.publishing.connection, name).await
    }

    /// The channels that take any jobs, and those that take interactive ones, in a process
    /// that does.
    pub(super) fn collectors(&self) -> Option<(&[Channel], &[Channel])> {
        let (_, channels) = self.consuming.as_ref()?;
        let (interactive, any) = channels.split_last()?;
        Some((any, slice::from_ref(interactive)))
    }

    /// Declares the link useless: something at the broker is not as it was declared, or
    /// the connection behaves oddly. A new link declares everything again.
    pub(super) fn fail(&self) {
        self.failed.cancel();
    }

    /// Returns, with the reason, when a connection is lost or the link useless.
    pub(super) async fn lost(&self) -> String {
        let consuming = async {
            match &self.consuming {
                Some((dialed, _)) => ended(&dialed.connection).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            reason = ended(&self.publishing.connection) => reason,
            reason = consuming => reason,
            () = self.failed.cancelled() => "an operation on it failed".to_owned(),
        }
    }

    /// Takes leave of the broker, which then gives at once to others what was in hand.
    pub(super) async fn close(&self) {
        let consuming = self.consuming.as_ref().map(|(dialed, _)| dialed);
        for dialed in consuming.into_iter().chain([&self.publishing]) {
            let farewell = dialed.connection.close(200, "bye".into());
            // The socket is shut in any case.
            let _ = time::timeout(FAREWELL, farewell).await;
        }
    }
}

/// Declares what is missing while no other process does. A broker (3.10 was seen to) that
/// is asked for the same new quorum queue by two connections at once may be left with a
/// queue that has no process behind it, for good.
async fn declare_alone(connection: &Connection, channel: &Channel) -> Result<(), lapin::Error> {
    let lock = Lock::take(connection, DECLARING).await?;
    let declared = topology::declare(channel).await;
    declared.and(lock.release().await)
}

/// Returns when the connection has ended, with the reason.
async fn ended(connection: &Connection) -> String {
    let mut events = pin!(connection.events_listener());
    loop {
        let event = time::timeout(LOOK_INTERVAL, events.next()).await;
        // Errors of single channels are told here, too.
        match event {
            _ if connection.status().connected() => {}
            Ok(Some(Event::Error(error))) => return error.to_string(),
            _ => return "it ended".to_owned(),
        }
    }
}
