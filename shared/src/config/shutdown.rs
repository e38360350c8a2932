//! ShutdownSettings: how a process ends.

use std::time::Duration;

use super::{reader::Reader, settings};

/// The two waits of a process that was told to stop, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// Not ready, but accepting ([`settings::DRAIN`]).
    pub drain: Duration,
    /// Finishing what was begun ([`settings::SHUTDOWN_GRACE`]).
    pub grace: Duration,
}

impl ShutdownSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let drain = reader.read_duration(&settings::DRAIN);
        let grace = reader.read_duration(&settings::SHUTDOWN_GRACE);
        Some(Self { drain: drain?, grace: grace? })
    }
}
