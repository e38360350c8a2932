//! PackStream: the bytes of a pack, taken out of their side bands.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::WireError;
use super::pkt_line::{Packet, PacketReader};

/// The pack of an answer as a reader that ends where the pack ends.
#[derive(Debug)]
pub(super) struct PackStream<R> {
    framing: Framing<R>,
    fault: Fault,
}

/// Why a [`PackStream`] failed: an I/O error on its way through a pack's parser keeps
/// no type.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<WireError>>>);

#[derive(Debug)]
enum Framing<R> {
    Banded { packets: PacketReader<R>, pending: Cursor<Vec<u8>>, is_over: bool },
    Bare(io::Chain<Cursor<[u8; 4]>, R>),
}

impl<R: Read> PackStream<R> {
    /// Bands begin with the next packet.
    pub(super) fn banded(packets: PacketReader<R>) -> Self {
        let framing = Framing::Banded { packets, pending: Cursor::new(Vec::new()), is_over: false };
        Self { framing, fault: Fault::default() }
    }

    /// The first packet has been read already.
    pub(super) fn banded_after(
        first: Vec<u8>,
        packets: PacketReader<R>,
    ) -> Result<Self, WireError> {
        let mut stream = Self::banded(packets);
        if let Framing::Banded { pending, .. } = &mut stream.framing {
            *pending = Cursor::new(content(&first)?.to_vec());
        }
        Ok(stream)
    }

    /// No bands; the first bytes have been read already.
    pub(super) fn bare(start: [u8; 4], reader: R) -> Self {
        let framing = Framing::Bare(Cursor::new(start).chain(reader));
        Self { framing, fault: Fault::default() }
    }

    /// Where to look when a parser of this stream fails.
    pub(super) fn fault(&self) -> Fault {
        self.fault.clone()
    }
}

impl Fault {
    /// What went wrong on the wire, if it was that.
    pub(super) fn take(&self) -> Option<WireError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: WireError) -> io::Error {
        let message = error.to_string();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::other(message)
    }
}

impl<R: Read> Read for PackStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (packets, pending, is_over) = match &mut self.framing {
            Framing::Bare(reader) => return reader.read(buffer),
            Framing::Banded { packets, pending, is_over } => (packets, pending, is_over),
        };
        loop {
            let count = pending.read(buffer)?;
            if count > 0 || buffer.is_empty() || *is_over {
                return Ok(count);
            }
            match packets.packet().and_then(next_content) {
                Ok(Some(bytes)) => {
                    let mut reused = std::mem::take(pending).into_inner();
                    reused.clear();
                    reused.extend_from_slice(bytes);
                    *pending = Cursor::new(reused);
                }
                Ok(None) => *is_over = true,
                Err(error) => return Err(self.fault.set(error)),
            }
        }
    }
}

fn next_content(packet: Packet<'_>) -> Result<Option<&[u8]>, WireError> {
    match packet {
        Packet::Data(data) => content(data).map(Some),
        Packet::Flush | Packet::Delimiter | Packet::ResponseEnd => Ok(None),
    }
}

/// What a packet adds to the pack.
fn content(data: &[u8]) -> Result<&[u8], WireError> {
    match data.split_first() {
        Some((1, bytes)) => Ok(bytes),
        // Progress, which we asked to leave out.
        Some((2, _)) => Ok(b""),
        Some((3, message)) => Err(WireError::remote(message)),
        _ => Err(WireError::malformed("an unknown side band", data)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Packets with these bands and contents, and the flush after them.
    pub(in super::super) fn banded(packets: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (band, content) in packets {
            bytes.extend_from_slice(format!("{:04x}", content.len() + 5).as_bytes());
            bytes.push(*band);
            bytes.extend_from_slice(content);
        }
        bytes.extend_from_slice(b"0000");
        bytes
    }

    fn fault(bytes: &[u8]) -> String {
        let mut stream = PackStream::banded(PacketReader::new(bytes));
        let fault = stream.fault();
        assert!(stream.read_to_end(&mut Vec::new()).is_err());
        fault.take().unwrap().to_string()
    }

    #[test]
    fn faults_within_a_pack_keep_their_meaning() {
        let remote = banded(&[(1, b"PACK"), (3, b"out of memory\n")]);
        assert_eq!(fault(&remote), "the server says: out of memory");
        let cut = banded(&[(1, b"PACK")]);
        assert_eq!(fault(&cut[..cut.len() - 4]), "the answer ends too early");
        assert!(fault(&banded(&[(7, b"x")])).starts_with("an unknown side band"));
    }
}
