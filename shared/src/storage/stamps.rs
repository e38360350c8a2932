//! Stamps: when files were written, never the same time twice.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// The kernel's own stamps are milliseconds apart, in which a key can change twice and come
/// back to the same inode.
#[derive(Debug)]
pub(super) struct Stamps(Mutex<SystemTime>);

impl Default for Stamps {
    fn default() -> Self {
        Self(Mutex::new(SystemTime::UNIX_EPOCH))
    }
}

impl Stamps {
    /// Now, or right after the last one.
    pub(super) fn next(&self) -> SystemTime {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = SystemTime::now().max(*last + Duration::from_nanos(1));
        *last
    }

    #[cfg(test)]
    pub(super) fn pretend_last(&self, stamp: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    }
}
