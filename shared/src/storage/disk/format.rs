//! `_stoa/format`: which layout the directory has (design §3).

use std::{fs, io, path::Path};

use super::{super::StorageKey, DiskStorageError};
use crate::directory::{DirectoryError, Scratch};

/// The layout that this program writes.
const FORMAT: u32 = 1;

/// Refuses a directory that a newer program wrote.
pub(super) fn check(directory: &Path) -> Result<(), DiskStorageError> {
    let text = match fs::read_to_string(directory.join(StorageKey::format().as_str())) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(DirectoryError::unusable(directory)(error).into()),
    };
    let directory = directory.to_owned();
    match text.trim().parse() {
        Ok(found) if found > FORMAT => {
            Err(DiskStorageError::NewerFormat { directory, found, supported: FORMAT })
        }
        Ok(_) => Ok(()),
        Err(_) => Err(DiskStorageError::UnreadableFormat { directory }),
    }
}

/// Names this program's layout in a directory that has no name of one yet.
pub(super) fn record(directory: &Path, scratch: &Scratch) -> io::Result<()> {
    let file = directory.join(StorageKey::format().as_str());
    if file.try_exists()? { Ok(()) } else { scratch.write(&file, format!("{FORMAT}\n").as_bytes()) }
}
