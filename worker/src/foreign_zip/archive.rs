//! Archive: a zip file as Go's reader sees it, and nothing that readers may see differently.
//!
//! Readers disagree about zips that contradict themselves: names in local headers, names
//! in extra fields, entries that share a name, junk between or around the parts. Sums are
//! computed and rules applied here over exactly the entries that the go command will find
//! in the central directory; a file in which other readers could find others is refused.

use std::{
    io::{self, BufRead, Read, Seek, SeekFrom, Write},
    sync::Arc,
};

use super::content::Unpacker;

/// Bytes of the records' fixed parts.
const END: usize = 22;
const END_64: u64 = 56;
const LOCATOR_64: u64 = 20;
const CENTRAL: usize = 46;
const LOCAL: usize = 30;

const END_SIGNATURE: u32 = 0x0605_4b50;
const END_64_SIGNATURE: u32 = 0x0606_4b50;
const LOCATOR_64_SIGNATURE: u32 = 0x0706_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;

/// Most bytes of the central directory, which is kept in memory: hundreds of thousands of
/// files with long names.
const DIRECTORY_BYTES: u64 = 64 << 20;
/// An opened zip.
pub(crate) struct Archive<R> {
    reader: R,
    /// Where the reader is: to ask it takes a system call.
    position: u64,
    entries: Arc<[Entry]>,
    unpacker: Unpacker,
}

/// What the central directory says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it is written, a directory's with its final slash.
    pub(crate) name: String,
    /// Bytes of the content, as declared.
    pub(crate) size: u64,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed_size: u64,
    offset: u64,
}

/// Why a zip cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// It is none, or cut short, or contradicts itself.
    #[error("not a zip file that all readers agree on: {0}")]
    Malformed(&'static str),
    /// More than we read.
    #[error("more than {limit} files")]
    TooManyFiles { limit: u64 },
    /// One entry is broken.
    #[error("{name:?}: {problem}")]
    Entry { name: String, problem: &'static str },
    /// The file, or what was to be written, is in trouble.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: BufRead + Seek> Archive<R> {
    /// Reads the central directory, of at most `max_files` entries.
    pub(crate) fn open(mut reader: R, max_files: u64) -> Result<Self, ArchiveError> {
        let directory = find_directory(&mut reader)?;
        if directory.count > max_files {
            return Err(ArchiveError::TooManyFiles { limit: max_files });
        }
        if directory.size > DIRECTORY_BYTES {
            return Err(ArchiveError::Malformed("its directory is too large"));
        }
        reader.seek(SeekFrom::Start(directory.start))?;
        let mut bytes = reader.by_ref().take(directory.size);
        // A count costs nothing to declare, so room is made for no more than fit in.
        let most = directory.count.min(directory.size / CENTRAL as u64);
        let mut entries = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        for _ in 0..directory.count {
            entries.push(read_entry(&mut bytes)?);
        }
        if bytes.read(&mut [0])? > 0 {
            return Err(ArchiveError::Malformed("its directory has more entries than declared"));
        }
        let position = reader.stream_position()?;
        Ok(Self { reader, position, entries: entries.into(), unpacker: Unpacker::new() })
    }

    /// The same zip, to be read beside this one by `reader`, which is at its beginning.
    pub(crate) fn reopened(&self, reader: R) -> Self {
        let entries = Arc::clone(&self.entries);
        Self { reader, position: 0, entries, unpacker: Unpacker::new() }
    }

    /// The entries, in the directory's order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes an entry's content to `output`: all of the declared size and no more, with
    /// the declared checksum.
    pub(crate) fn read(
        &mut self,
        index: usize,
        output: &mut impl Write,
    ) -> Result<(), ArchiveError> {
        let Self { reader, position, entries, unpacker } = self;
        let entry = &entries[index];
        let mut header = [0; LOCAL];
        reader.seek_relative(entry.offset.cast_signed() - position.cast_signed())?;
        reader.read_exact(&mut header).map_err(cut_short)?;
        if u32_at(&header, 0) != LOCAL_SIGNATURE {
            let problem = "no content where the directory says";
            return Err(ArchiveError::Entry { name: entry.name.clone(), problem });
        }
        let skipped = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        reader.seek_relative(skipped.cast_signed())?;
        let start = entry.offset + LOCAL as u64 + skipped;
        let mut packed = reader.take(entry.compressed_size);
        unpacker.unpack(entry, &mut packed, output)?;
        *position = start + entry.compressed_size - packed.limit();
        Ok(())
    }
}

/// Where the central directory is.
struct Directory {
    start: u64,
    size: u64,
    count: u64,
}

/// Finds the directory from the end of the file: the last end record, whose comment has to
/// reach the end of the file, right behind the directory.
fn find_directory(reader: &mut (impl Read + Seek)) -> Result<Directory, ArchiveError> {
    const NO_END: ArchiveError = ArchiveError::Malformed("it has no end record");
    let length = reader.seek(SeekFrom::End(0))?;
    let tail_length = length.min((END + usize::from(u16::MAX)) as u64);
    reader.seek(SeekFrom::Start(length - tail_length))?;
    let mut tail = Vec::new();
    reader.take(tail_length).read_to_end(&mut tail)?;
    let signature = END_SIGNATURE.to_le_bytes();
    let last = tail.windows(END).rposition(|window| window.starts_with(&signature));
    let position = last.ok_or(NO_END)?;
    let end = &tail[position..];
    if END + usize::from(u16_at(end, 20)) != end.len() {
        return Err(NO_END);
    }
    if u16_at(end, 4) != 0 || u16_at(end, 6) != 0 || u16_at(end, 8) != u16_at(end, 10) {
        return Err(ArchiveError::Malformed("it is one of several parts"));
    }
    let end_position = length - tail_length + position as u64;
    let plain = Directory {
        start: u32_at(end, 16).into(),
        size: u32_at(end, 12).into(),
        count: u16_at(end, 10).into(),
    };
    let is_saturated = plain.count == u64::from(u16::MAX)
        || plain.size == u64::from(u32::MAX)
        || plain.start == u64::from(u32::MAX);
    let (directory, follows) = match is_saturated {
        true => match find_directory_64(reader, end_position)? {
            Some(found) => found,
            None => (plain, end_position),
        },
        false => (plain, end_position),
    };
    if directory.start.checked_add(directory.size) != Some(follows) {
        return Err(ArchiveError::Malformed("its parts are not where they should be"));
    }
    Ok(directory)
}

/// The 64-bit end record and where it starts, if there is one right before the other.
fn find_directory_64(
    reader: &mut (impl Read + Seek),
    end_position: u64,
) -> Result<Option<(Directory, u64)>, ArchiveError> {
    let Some(locator_position) = end_position.checked_sub(LOCATOR_64) else { return Ok(None) };
    let mut locator = [0; LOCATOR_64 as usize];
    reader.seek(SeekFrom::Start(locator_position))?;
    reader.read_exact(&mut locator).map_err(cut_short)?;
    if u32_at(&locator, 0) != LOCATOR_64_SIGNATURE {
        return Ok(None);
    }
    let position = u64_at(&locator, 8);
    let mut end = [0; END_64 as usize];
    if position.checked_add(END_64) != Some(locator_position) {
        return Err(ArchiveError::Malformed("its 64-bit end record is not where it should be"));
    }
    reader.seek(SeekFrom::Start(position))?;
    reader.read_exact(&mut end).map_err(cut_short)?;
    if u32_at(&end, 0) != END_64_SIGNATURE {
        return Err(ArchiveError::Malformed("it has no 64-bit end record"));
    }
    let directory =
        Directory { start: u64_at(&end, 48), size: u64_at(&end, 40), count: u64_at(&end, 32) };
    Ok(Some((directory, position)))
}

fn read_entry(bytes: &mut impl Read) -> Result<Entry, ArchiveError> {
    let mut header = [0; CENTRAL];
    bytes.read_exact(&mut header).map_err(cut_short)?;
    if u32_at(&header, 0) != CENTRAL_SIGNATURE {
        return Err(ArchiveError::Malformed("its directory has fewer entries than declared"));
    }
    let mut name = vec![0; u16_at(&header, 28).into()];
    bytes.read_exact(&mut name).map_err(cut_short)?;
    let skipped = u64::from(u16_at(&header, 30)) + u64::from(u16_at(&header, 32));
    if io::copy(&mut bytes.take(skipped), &mut io::sink())? != skipped {
        return Err(ArchiveError::Malformed("it is cut short"));
    }
    let name = String::from_utf8(name)
        .map_err(|_| ArchiveError::Malformed("a file's name is not UTF-8"))?;
    let (compressed_size, size, offset) =
        (u32_at(&header, 20), u32_at(&header, 24), u32_at(&header, 42));
    if [compressed_size, size, offset].contains(&u32::MAX) {
        return Err(ArchiveError::Entry { name, problem: "too large" });
    }
    if name.ends_with('/') && size != 0 {
        return Err(ArchiveError::Entry { name, problem: "a directory with content" });
    }
    Ok(Entry {
        name,
        size: size.into(),
        method: u16_at(&header, 10),
        crc32: u32_at(&header, 16),
        compressed_size: compressed_size.into(),
        offset: offset.into(),
    })
}

fn cut_short(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Malformed("it is cut short"),
        _ => ArchiveError::Io(error),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
