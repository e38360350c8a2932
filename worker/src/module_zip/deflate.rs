//! Deflater: compresses what did not travel compressed, and measures it on the way.

use std::io::{self, Read, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use sha2::Digest as _;

/// Bytes of input and of output at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Reused for every file: its state is larger than most of them.
pub(super) struct Deflater {
    state: Compress,
    input: Box<[u8]>,
    output: Box<[u8]>,
}

/// What a zip and a sum need to know of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) size: u64,
    pub(super) compressed_size: u64,
    pub(super) crc32: u32,
    pub(super) sha256: [u8; 32],
}

/// Which side failed.
#[derive(Debug)]
pub(super) enum DeflateError {
    Read(io::Error),
    Write(io::Error),
}

impl Deflater {
    pub(super) fn new(level: Compression) -> Self {
        Self {
            state: Compress::new(level, false),
            input: vec![0; BUFFER_BYTES].into_boxed_slice(),
            output: vec![0; BUFFER_BYTES].into_boxed_slice(),
        }
    }

    /// Compresses all of `content` to `target` as one raw deflate stream.
    pub(super) fn run(
        &mut self,
        mut content: impl Read,
        target: &mut impl Write,
    ) -> Result<Measured, DeflateError> {
        self.state.reset();
        let mut crc32 = crc32fast::Hasher::new();
        let mut sha256 = sha2::Sha256::new();
        loop {
            let count = match content.read(&mut self.input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.map_err(DeflateError::Read)?,
            };
            crc32.update(&self.input[..count]);
            sha256.update(&self.input[..count]);
            self.compress(count, target).map_err(DeflateError::Write)?;
            if count == 0 {
                break;
            }
        }
        Ok(Measured {
            size: self.state.total_in(),
            compressed_size: self.state.total_out(),
            crc32: crc32.finalize(),
            sha256: sha256.finalize().into(),
        })
    }

    /// Takes in that many bytes of the input buffer; none of them ends the stream.
    fn compress(&mut self, count: usize, target: &mut impl Write) -> io::Result<()> {
        let flush = if count == 0 { FlushCompress::Finish } else { FlushCompress::None };
        let mut taken = 0;
        loop {
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let input = &self.input[taken..count];
            let status = self.state.compress(input, &mut self.output, flush)?;
            taken += (self.state.total_in() - before_in) as usize;
            let produced = (self.state.total_out() - before_out) as usize;
            target.write_all(&self.output[..produced])?;
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => taken == count,
            };
            if is_done {
                return Ok(());
            }
        }
    }
}
