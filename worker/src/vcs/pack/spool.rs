//! The spooling thread: takes the pack from the network, keeps a copy on disk, checks
//! the trailer.
//!
//! A thread of its own, because the transfer and the checksum of the whole would
//! otherwise wait for inflating and hashing of the parts: with two they overlap.

use std::{
    fs::File,
    io::{self, Read, Write},
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use super::{PackError, hash::Hasher, input::PackInput};
use crate::vcs::ObjectFormat;

/// Bytes of one read; below the size from which allocators ask the system each time.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks in flight: 1 MiB lets the network run ahead of a large file being hashed.
const CHUNKS: usize = 16;

/// Starts the thread. Its result is the whole pack; the input yields the bytes as
/// they arrive. Dropping the input ends the thread after its current read.
pub(super) fn start(
    reader: impl Read + Send + 'static,
    format: ObjectFormat,
    pack_bytes: u64,
) -> Result<(PackInput, JoinHandle<Result<File, PackError>>), PackError> {
    let file = tempfile::tempfile().map_err(PackError::Spool)?;
    let (sender, receiver) = sync_channel(CHUNKS);
    let thread = thread::Builder::new()
        .name("pack-spool".into())
        .spawn(move || run(reader, file, Trailer::new(format), pack_bytes, sender))
        .map_err(PackError::Spool)?;
    Ok((PackInput::new(receiver), thread))
}

fn run(
    mut reader: impl Read,
    mut file: File,
    mut trailer: Trailer,
    pack_bytes: u64,
    sender: SyncSender<Vec<u8>>,
) -> Result<File, PackError> {
    let mut length = 0;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PackError::Transfer(error)),
        };
        chunk.truncate(count);
        length += count as u64;
        if length > pack_bytes {
            return Err(PackError::LimitExceeded { what: "bytes of pack", maximum: pack_bytes });
        }
        file.write_all(&chunk).map_err(PackError::Spool)?;
        trailer.update(&chunk);
        // The parser has hung up: it met an error and says so itself.
        if sender.send(chunk).is_err() {
            break;
        }
    }
    if !trailer.matches() {
        return Err(PackError::ChecksumMismatch);
    }
    Ok(file)
}

/// The checksum over everything but the last bytes, which are the checksum.
struct Trailer {
    hasher: Hasher,
    length: usize,
    tail: Vec<u8>,
}

impl Trailer {
    fn new(format: ObjectFormat) -> Self {
        Self { hasher: Hasher::checksum(format), length: format.id_length(), tail: Vec::new() }
    }

    fn update(&mut self, chunk: &[u8]) {
        let settled = (self.tail.len() + chunk.len()).saturating_sub(self.length);
        let from_tail = settled.min(self.tail.len());
        self.hasher.update(&self.tail[..from_tail]);
        self.tail.drain(..from_tail);
        let (hashed, kept) = chunk.split_at(settled - from_tail);
        self.hasher.update(hashed);
        self.tail.extend_from_slice(kept);
    }

    fn matches(self) -> bool {
        self.hasher.finish().is_ok_and(|sum| sum.as_bytes() == self.tail)
    }
}
