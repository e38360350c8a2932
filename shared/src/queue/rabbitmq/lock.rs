//! Lock: what one process of the fleet at a time may do at the broker.
//!
//! An exclusive queue is the lock: one connection at a time can have it. It goes with its
//! only consumer, and that with its channel, so that whoever gives up half-way lets go.

use std::time::Duration;

use lapin::{
    Channel, Connection, Consumer, ErrorKind,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time;

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
            let options =
                QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
            let mut arguments = transient();
            arguments.insert("x-expires".into(), AMQPValue::LongInt(EXPIRY_MS));
            let taken = async {
                channel.queue_declare(name.into(), options, arguments).await?;
                let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
                channel.basic_consume(name.into(), "".into(), options, FieldTable::default()).await
            };
            match taken.await {
                Ok(consumer) => return Ok(Self { channel, _consumer: consumer }),
                Err(error) if is_held(&error) => {
                    time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it back, and waits until others can have it.
    pub(super) async fn release(self) -> Result<(), lapin::Error> {
        self.channel.close(200, "done".into()).await
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
