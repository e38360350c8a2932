//! The sum of a zip's contents, computed by two threads where there is much to do: whoever
//! waits for a large module waits for this.

use std::{
    io::{self, BufRead, Seek, Write},
    ops::Range,
};

use sha2::{Digest, Sha256};
use stoa_shared::module::{H1Builder, ModuleHash};

use super::archive::{Archive, ArchiveError, Entry};
use crate::side_by_side::side_by_side;

/// What is smaller, unpacked, is done before a second thread is under way.
const SHARED: u64 = 4 << 20;

/// The `h1:` sum of all entries; `again` opens the zip another time.
pub(super) fn sum<R: BufRead + Seek + Send>(
    mut archive: Archive<R>,
    again: impl FnOnce() -> R,
) -> Result<ModuleHash, ArchiveError> {
    let count = archive.entries().len();
    let half = half(archive.entries());
    let digests = if half == count {
        digests(&mut archive, 0..count)?
    } else {
        let mut other = archive.reopened(again());
        let (second, first) =
            side_by_side(|| digests(&mut other, half..count), || digests(&mut archive, 0..half));
        let mut both = first?;
        both.extend(second?);
        both
    };
    let mut sum = H1Builder::with_capacity(count);
    for (entry, digest) in archive.entries().iter().zip(digests) {
        let added = sum.add(&entry.name, digest);
        added.map_err(|_| ArchiveError::Malformed("a file's name has a line break"))?;
    }
    Ok(sum.finish())
}

/// Where the second half of the work begins; at the end, if it is not to be shared.
fn half(entries: &[Entry]) -> usize {
    let all = entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
    if all < SHARED {
        return entries.len();
    }
    let mut before = 0_u64;
    let is_past = |entry: &Entry| {
        before = before.saturating_add(entry.size);
        before > all / 2
    };
    entries.iter().position(is_past).unwrap_or(0).max(1)
}

fn digests<R: BufRead + Seek>(
    archive: &mut Archive<R>,
    range: Range<usize>,
) -> Result<Vec<[u8; 32]>, ArchiveError> {
    let digest = |index| {
        let mut hashing = Hashing(Sha256::new());
        archive.read(index, &mut hashing)?;
        Ok(hashing.0.finalize().into())
    };
    range.map(digest).collect()
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
