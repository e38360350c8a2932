//! Trouble: what a broker, or its absence, did to a call.

use std::time::Duration;

use crate::queue::QueueError;

/// What a broker, or its absence, did to a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("there is no connection to the broker")]
    NotConnected,
    #[error("the broker did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("the broker knows no queue {queue}")]
    Unroutable { queue: String },
    #[error("the broker refused the message for {queue}")]
    Refused { queue: String },
    #[error("the broker's connection failed: {0}")]
    Failed(lapin::Error),
}

impl From<lapin::Error> for Trouble {
    fn from(error: lapin::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Trouble> for QueueError {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable { source: Box::new(trouble) }
    }
}
