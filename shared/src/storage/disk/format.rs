//! `_stoa/format` in a directory.

use std::{fs, io, path::Path};

use super::{
    super::{
        StorageKey,
        format::{self, FORMAT, FormatRefusal},
    },
    DiskStorageError,
};
use crate::directory::{DirectoryError, Scratch};

/// Refuses a directory that a newer program wrote.
pub(super) fn check(directory: &Path) -> Result<(), DiskStorageError> {
    let content = match fs::read(directory.join(StorageKey::format().as_str())) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DirectoryError::unusable(directory)(error).into()),
    };
    format::check(&content).map_err(|refusal| {
        let directory = directory.to_owned();
        match refusal {
            FormatRefusal::Newer { found } => {
                DiskStorageError::NewerFormat { directory, found, supported: FORMAT }
            }
            FormatRefusal::Unreadable => DiskStorageError::UnreadableFormat { directory },
        }
    })
}

/// Names this program's layout in a directory that has no name of one yet.
pub(super) fn record(directory: &Path, scratch: &Scratch) -> io::Result<()> {
    let file = directory.join(StorageKey::format().as_str());
    if file.try_exists()? { Ok(()) } else { scratch.write(&file, &format::content()) }
}
