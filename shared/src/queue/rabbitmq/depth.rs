//! How many jobs lie at the broker.

use lapin::{options::QueueDeclareOptions, types::FieldTable};

use super::{
    link::Link,
    topology::{BACKGROUND, DEAD, INTERACTIVE, READING, STEPS},
    trouble::Trouble,
};
use crate::queue::Depth;

/// Counts what lies at the broker, beside the jobs that are `running` here.
pub(super) async fn count(link: &Link, running: usize) -> Result<Depth, Trouble> {
    let channel = link.channel().await?;
    let ready = async |name: &str| {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare(name.into(), options, FieldTable::default()).await?;
        Ok::<_, lapin::Error>(queue.message_count() as usize)
    };
    // What somebody reads lies in his hand, and would be missing.
    let lock = link.lock(READING).await?;
    let dead = ready(DEAD).await;
    lock.release().await?;
    let mut depth = Depth { running, dead: dead?, ..Depth::default() };
    for queue in &INTERACTIVE {
        depth.interactive += ready(queue.name).await?;
    }
    for queue in &BACKGROUND {
        depth.background += ready(queue.name).await?;
    }
    for step in &STEPS {
        depth.delayed += ready(step.name).await?;
    }
    Ok(depth)
}
