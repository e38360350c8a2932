//! Lock: what one process of the fleet at a time may do at the broker.
//!
//! An exclusive queue is the lock: one connection at a time can have it. It goes with its
//! only consumer, and that with its channel, so that whoever gives up half-way lets go.

use std::{io, time::Duration};

use lapin::{
    Channel, Connection, Consumer, ErrorKind,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{runtime::Handle, time};

use super::topology::transient;

/// The middle of the time between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// When the broker deletes a lock that was given up before it had a consumer. One that has
/// its consumer stays.
const EXPIRY_MS: i32 = 3000;

/// A lock that is held until it is dropped.
pub(super) struct Lock {
    channel: Channel,
    _consumer: Consumer,
}

impl Lock {
    /// Waits until nobody else has it.
    pub(super) async fn take(connection: &Connection, name: &str) -> Result<Self, lapin::Error> {
        loop {
            // A refusal ends the channel it was told on.
            let channel = connection.create_channel().await?;
            // To its end, also when the caller has gone: a channel that is dropped while the
            // broker answers stays open, and the lock with it.
            let taking = tokio::spawn(Self::take_on(channel, name.to_owned()));
            match taking.await.map_err(io::Error::from)? {
                Err(error) if is_held(&error) => {
                    time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
                }
                taken => return taken,
            }
        }
    }

    async fn take_on(channel: Channel, name: String) -> Result<Self, lapin::Error> {
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let mut arguments = transient();
        arguments.insert("x-expires".into(), AMQPValue::LongInt(EXPIRY_MS));
        channel.queue_declare(name.as_str().into(), options, arguments).await?;
        let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
        let consumer = channel
            .basic_consume(name.as_str().into(), "".into(), options, FieldTable::default())
            .await?;
        Ok(Self { channel, _consumer: consumer })
    }

    /// Gives it back, and waits until others can have it.
    pub(super) async fn release(self) -> Result<(), lapin::Error> {
        self.channel.close(200, "done".into()).await
    }
}

impl Drop for Lock {
    /// Who gives up gives it back, too, and does not wait for that.
    fn drop(&mut self) {
        if let Ok(runtime) = Handle::try_current()
            && self.channel.status().connected()
        {
            let channel = self.channel.clone();
            runtime.spawn(async move { channel.close(200, "given up".into()).await });
        }
    }
}

/// Whether another connection has the queue for itself, or a channel of ours has, or had it
/// until just now.
fn is_held(error: &lapin::Error) -> bool {
    const ACCESS_REFUSED: u16 = 403;
    const NOT_FOUND: u16 = 404;
    const RESOURCE_LOCKED: u16 = 405;
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    match error.get_id() {
        NOT_FOUND | RESOURCE_LOCKED => true,
        ACCESS_REFUSED => error.get_message().as_str().contains("in exclusive use"),
        _ => false,
    }
}
