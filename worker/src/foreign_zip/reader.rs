//! Readers of one file that do not move each other.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

/// A file is read by this many bytes.
const PIECE: usize = 256 * 1024;

/// A reader with a place of its own: several may read the file at once.
pub(crate) struct Reader<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    pub(crate) fn buffered(file: &'a File) -> BufReader<Self> {
        BufReader::with_capacity(PIECE, Self { file, position: 0 })
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let moved = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.position = moved.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
