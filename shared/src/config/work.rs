//! WorkSettings: how jobs are done and waited for.

use std::time::Duration;

use super::{reader::Reader, settings};

/// Jobs and those who wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkSettings {
    /// Longest wait of a client for a fill ([`settings::WAIT`]).
    pub wait: Duration,
    /// Jobs at once in one worker, at least one ([`settings::SLOTS`]).
    pub slots: usize,
}

impl WorkSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let wait = reader.read_positive_duration(&settings::WAIT);
        let slots = reader.read_count(&settings::SLOTS);
        Some(Self { wait: wait?, slots: slots? })
    }
}
