//! Content: the bytes of one entry, unpacked and checked against what is declared of them.

use std::io::{self, BufRead, Write};

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;

use super::archive::{ArchiveError, Entry};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A content of up to this size is unpacked at once, which takes half the time. Nearly all
/// files of modules are smaller.
const AT_ONCE: u64 = 1 << 20;
/// Anything else is unpacked in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Unpacks one content after the other. What it needs for that is kept: most contents are
/// smaller than it, and a zip has thousands.
pub(super) struct Unpacker {
    /// The packed bytes, where they do not lie together already.
    gathered: Vec<u8>,
    inflaters: Inflaters,
}

struct Inflaters {
    whole: Decompressor,
    content: Vec<u8>,
    pieces: Decompress,
    piece: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        let inflaters = Inflaters {
            whole: Decompressor::new(),
            content: Vec::new(),
            pieces: Decompress::new(false),
            piece: vec![0; PIECE],
        };
        Self { gathered: Vec::new(), inflaters }
    }

    /// Writes an entry's content to `output`: all of the declared size and no more, with
    /// the declared checksum. `packed` is what the zip has of it.
    pub(super) fn unpack(
        &mut self,
        entry: &Entry,
        packed: &mut impl BufRead,
        output: &mut impl Write,
    ) -> Result<(), ArchiveError> {
        let Self { gathered, inflaters } = self;
        if entry.method != DEFLATED || entry.size.max(entry.compressed_size) > AT_ONCE {
            return inflaters.unpack_pieces(entry, packed, output);
        }
        let ready = packed.fill_buf()?;
        if ready.len() as u64 == entry.compressed_size {
            inflaters.unpack_whole(entry, ready, output)?;
            packed.consume(entry.compressed_size as usize);
            return Ok(());
        }
        gathered.clear();
        gathered.reserve(entry.compressed_size as usize);
        packed.read_to_end(gathered)?;
        inflaters.unpack_whole(entry, gathered, output)
    }
}

impl Inflaters {
    fn unpack_whole(
        &mut self,
        entry: &Entry,
        packed: &[u8],
        output: &mut impl Write,
    ) -> Result<(), ArchiveError> {
        match self.inflate_whole(entry, packed) {
            Some(content) => Ok(output.write_all(content)?),
            // What is wrong with it is for the one to say that knows.
            None => self.unpack_pieces(entry, &mut &*packed, output),
        }
    }

    /// The content, if it is as declared.
    fn inflate_whole(&mut self, entry: &Entry, packed: &[u8]) -> Option<&[u8]> {
        let size = entry.size as usize;
        if self.content.len() < size {
            self.content.resize(size, 0);
        }
        let content = &mut self.content[..size];
        let inflated = self.whole.deflate_decompress(packed, content).ok()?;
        (inflated == size && crc32fast::hash(content) == entry.crc32).then_some(content)
    }

    fn unpack_pieces(
        &mut self,
        entry: &Entry,
        packed: &mut impl BufRead,
        output: &mut impl Write,
    ) -> Result<(), ArchiveError> {
        let Self { pieces, piece, .. } = self;
        let broken = |problem| ArchiveError::Entry { name: entry.name.clone(), problem };
        pieces.reset(false);
        let mut checksum = crc32fast::Hasher::new();
        let mut size: u64 = 0;
        loop {
            let read = match entry.method {
                STORED => packed.read(piece)?,
                DEFLATED => match inflate(pieces, packed, piece)? {
                    Some(read) => read,
                    None => return Err(broken("its compressed content is damaged")),
                },
                _ => return Err(broken("compressed in a way that the go command does not know")),
            };
            if read == 0 {
                break;
            }
            size += read as u64;
            if size > entry.size {
                return Err(broken("larger than declared"));
            }
            checksum.update(&piece[..read]);
            output.write_all(&piece[..read])?;
        }
        if size < entry.size {
            return Err(broken("smaller than declared"));
        }
        if checksum.finalize() != entry.crc32 {
            return Err(broken("its checksum is wrong"));
        }
        Ok(())
    }
}

/// Unpacks the next piece of a deflated content: none of it at its end, `None` if it is
/// damaged or cut short.
fn inflate(
    inflater: &mut Decompress,
    packed: &mut impl BufRead,
    piece: &mut [u8],
) -> io::Result<Option<usize>> {
    loop {
        let input = packed.fill_buf()?;
        let is_last = input.is_empty();
        let (consumed, produced) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(input, piece, FlushDecompress::None);
        packed.consume((inflater.total_in() - consumed) as usize);
        let produced = (inflater.total_out() - produced) as usize;
        match status {
            Ok(Status::StreamEnd) => return Ok(Some(produced)),
            Ok(_) if produced > 0 => return Ok(Some(produced)),
            Ok(_) if !is_last => {}
            Ok(_) | Err(_) => return Ok(None),
        }
    }
}
