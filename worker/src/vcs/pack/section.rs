//! Section: a stretch of a spool file, read without moving anybody's position.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    sync::Arc,
};

use flate2::bufread::ZlibDecoder;

/// Bytes read at once; less for what is smaller.
const BUFFER_BYTES: u64 = 64 << 10;

/// A reader over `remaining` bytes from `offset` on; holds the file open.
#[derive(Debug)]
pub struct Section {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
}

impl Section {
    pub(crate) fn new(file: &Arc<File>, offset: u64, length: u64) -> Self {
        Self { file: Arc::clone(file), offset, remaining: length }
    }

    /// Through a buffer that fits.
    pub(super) fn buffered(self) -> BufReader<Self> {
        BufReader::with_capacity(self.remaining.min(BUFFER_BYTES) as usize, self)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.remaining.min(buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += count as u64;
        self.remaining -= count as u64;
        Ok(count)
    }
}

/// The content of a blob as a stream.
pub struct BlobReader(Content);

enum Content {
    Packed(Box<ZlibDecoder<BufReader<Section>>>),
    Resolved(Section),
}

impl BlobReader {
    pub(super) fn packed(section: Section) -> Self {
        Self(Content::Packed(Box::new(ZlibDecoder::new(section.buffered()))))
    }

    pub(super) fn resolved(section: Section) -> Self {
        Self(Content::Resolved(section))
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Content::Packed(decoder) => decoder.read(buffer),
            Content::Resolved(section) => section.read(buffer),
        }
    }
}
