//! Source: what reading a file needs, namely where it lies and what was recorded of it.

use stoa_shared::{
    catalog::StoredFile,
    storage::{ObjectMeta, StorageError, StorageKey},
};

use crate::versions::Visible;

/// One file of a visible version.
pub(super) struct Source {
    pub(super) key: StorageKey,
    pub(super) recorded: Option<StoredFile>,
    pub(super) lasts: Lasts,
}

/// For how long a file stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// For ever.
    Forever,
    /// Until a fill brings what is missing.
    UntilFilled,
    /// Nobody knows: it was copied in, is not recorded, and may still be on its way.
    Unrecorded,
}

impl Lasts {
    /// Of a version's file, where nothing else speaks against it.
    pub(super) fn of(visible: &Visible) -> Self {
        if visible.is_final() { Self::Forever } else { Self::UntilFilled }
    }
}

impl Source {
    /// One that lasts as the version does, if it was recorded.
    pub(super) fn of_record(
        key: StorageKey,
        recorded: Option<&StoredFile>,
        visible: &Visible,
    ) -> Self {
        let lasts = if recorded.is_some() { Lasts::of(visible) } else { Lasts::Unrecorded };
        Self { key, recorded: recorded.cloned(), lasts }
    }

    /// An object that is not the recorded one is as good as a failed condition.
    pub(super) fn check(&self, meta: &ObjectMeta) -> Result<(), StorageError> {
        match &self.recorded {
            Some(file) if file.size != meta.size || file.etag != meta.etag => {
                Err(StorageError::PreconditionFailed { key: self.key.to_string() })
            }
            _ => Ok(()),
        }
    }
}
