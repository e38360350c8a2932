//! Deadline: when something must be over, and how long it had.

use std::time::Duration;

use tokio::time::Instant;

/// A point in time that remembers how far away it was, for the error text.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
    /// From now on.
    pub fn after(total: Duration) -> Self {
        Self { at: Instant::now() + total, total }
    }

    /// When it is over.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// How long there was in all.
    pub fn total(&self) -> Duration {
        self.total
    }
}
