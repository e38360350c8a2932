//! Carrying out what a consumer makes of a message.

use std::time::Duration;

use lapin::options::BasicAckOptions;
use tokio::time;

use super::{Shared, collector, hand::InHand, publisher::Route, trouble::Trouble};

/// What becomes of a message in hand.
pub(super) enum Verdict {
    Done,
    Retry { delay: Duration, reason: String },
    Dead { reason: String },
    Release { delay: Duration },
}

impl Shared {
    /// Publishes what replaces the message, if anything does, and acknowledges it only
    /// then; tells whether the message was still in hand.
    pub(super) async fn settle(
        &self,
        in_hand: InHand,
        verdict: Verdict,
        timeout: Duration,
    ) -> Result<bool, Trouble> {
        let InHand { queue, message, acker } = &in_hand;
        let (route, replacement) = match verdict {
            Verdict::Release { delay } if delay.is_zero() => {
                return Ok(collector::give_back(&in_hand).await?);
            }
            Verdict::Release { delay } => (Route::job_after(delay, queue), message.clone()),
            Verdict::Done => return Ok(acker.ack(BasicAckOptions::default()).await?),
            Verdict::Retry { delay, reason } => {
                (Route::job_after(delay, queue), message.clone().failed(&reason))
            }
            Verdict::Dead { reason } => (Route::dead(), message.clone().buried(queue, &reason)),
        };
        // On the link of now only: with another one, the message is not in hand.
        let link = self.link.borrow().clone();
        let Some(link) = link.filter(|_| acker.usable()) else { return Ok(false) };
        let published = time::timeout(timeout, link.publish(route, &replacement)).await;
        if let Err(trouble) = published.unwrap_or(Err(Trouble::Late(timeout))) {
            // Whatever comes of that: it is delivered again, now or when the link ends.
            let _ = collector::give_back(&in_hand).await;
            return Err(trouble);
        }
        Ok(acker.ack(BasicAckOptions::default()).await?)
    }
}
