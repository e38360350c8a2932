//! Source: what reading a file needs, namely where it lies and what was recorded of it.

use stoa_shared::{
    catalog::StoredFile,
    storage::{ObjectMeta, StorageError, StorageKey},
};

/// One file of a visible version.
pub(super) struct Source {
    pub(super) key: StorageKey,
    pub(super) recorded: Option<StoredFile>,
    /// Whether it stays as it is.
    pub(super) is_final: bool,
    /// Whether it belongs to a version that was recorded: one that was copied in may still
    /// be on its way.
    pub(super) is_of_record: bool,
}

impl Source {
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
