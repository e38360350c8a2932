//! EntryHeader: what stands before the compressed bytes of a pack entry.

use super::{Kind, PackError, input::PackInput};
use crate::vcs::{ObjectFormat, ObjectId};

/// A parsed entry header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    /// Where the entry starts in the pack.
    pub(super) start: u64,
    pub(super) form: Form,
    /// Declared bytes after inflating: of the object, or of the delta.
    pub(super) size: u64,
}

/// How an entry carries its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole(Kind),
    /// A delta on the entry that starts at this offset, always an earlier one.
    OffsetDelta(u64),
    /// A delta on the object of this name, anywhere in the pack.
    NameDelta(ObjectId),
}

impl EntryHeader {
    pub(super) fn read(input: &mut PackInput, format: ObjectFormat) -> Result<Self, PackError> {
        let start = input.offset();
        let corrupt = |reason| PackError::Corrupt { offset: start, reason };

        let mut byte = input.byte()?;
        let kind = byte >> 4 & 7;
        let mut size = u64::from(byte & 0x0f);
        let mut shift = 4;
        while byte & 0x80 != 0 {
            byte = input.byte()?;
            // Beyond 60 bits the next seven would be cut off.
            if shift > 57 {
                return Err(corrupt("its size has too many digits"));
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }

        let form = match kind {
            1 => Form::Whole(Kind::Commit),
            2 => Form::Whole(Kind::Tree),
            3 => Form::Whole(Kind::Blob),
            4 => Form::Whole(Kind::Tag),
            6 => {
                let base = read_distance(input)?.and_then(|distance| start.checked_sub(distance));
                match base {
                    Some(base) if base < start => Form::OffsetDelta(base),
                    _ => return Err(corrupt("its delta base lies outside the pack")),
                }
            }
            7 => {
                let mut bytes = [0; 32];
                let bytes = &mut bytes[..format.id_length()];
                input.bytes(bytes)?;
                Form::NameDelta(
                    ObjectId::from_bytes(bytes).ok_or(corrupt("its delta base has no name"))?,
                )
            }
            _ => return Err(corrupt("unknown kind of entry")),
        };
        Ok(Self { start, form, size })
    }
}

/// Big-endian digits of seven bits, where each continuation adds one so that no
/// number has two spellings. `None` if it does not fit.
fn read_distance(input: &mut PackInput) -> Result<Option<u64>, PackError> {
    let mut byte = input.byte()?;
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = input.byte()?;
        if distance >= 1 << 56 {
            return Ok(None);
        }
        distance = (distance + 1) << 7 | u64::from(byte & 0x7f);
    }
    Ok(Some(distance))
}
