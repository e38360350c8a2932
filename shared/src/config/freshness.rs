//! Freshness: how long mutable knowledge is taken for true.

use std::time::Duration;

use super::{reader::Reader, settings};

/// Ages up to which answers are served without asking again (design §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Of version lists and `@latest` ([`settings::FRESHNESS_LIST`]).
    pub list: Duration,
    /// Of a repository's listing of refs ([`settings::FRESHNESS_REFS`]).
    pub refs: Duration,
    /// Of failures ([`settings::FRESHNESS_NEGATIVE`]).
    pub negative: Duration,
}

impl Freshness {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let list = reader.read_duration(&settings::FRESHNESS_LIST);
        let refs = reader.read_duration(&settings::FRESHNESS_REFS);
        let negative = reader.read_duration(&settings::FRESHNESS_NEGATIVE);
        Some(Self { list: list?, refs: refs?, negative: negative? })
    }
}
