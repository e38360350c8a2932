//! Packet lines: the framing of git's wire protocol, four hex digits of length before
//! each packet (go-modules §3.10 says what we send in them).

use std::io::{self, Read};

use super::error::WireError;

/// Ends a message.
pub(super) const FLUSH: &[u8] = b"0000";
/// Ends a section of a message (version 2).
pub(super) const DELIMITER: &[u8] = b"0001";

/// The largest length that a packet may state.
const LARGEST: usize = 65520;

/// One packet; data borrows the reader's buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Data(&'a [u8]),
    Flush,
    Delimiter,
    ResponseEnd,
}

/// Appends a packet with a line of text; the line's end is added.
pub(super) fn push_line(out: &mut Vec<u8>, line: &str) {
    // Our own lines are ids and capabilities, far shorter than a packet.
    out.extend_from_slice(format!("{:04x}{line}\n", line.len() + 5).as_bytes());
}

/// Reads packets one by one; never past the packet asked for.
#[derive(Debug)]
pub(super) struct PacketReader<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: Read> PacketReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new() }
    }

    /// The next packet, whatever is in it. The end of the stream is an error: every
    /// message of the protocol ends with a packet of its own.
    pub(super) fn packet(&mut self) -> Result<Packet<'_>, WireError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        self.packet_after(length)
    }

    /// The packet whose length has been read already.
    pub(super) fn packet_after(&mut self, length: [u8; 4]) -> Result<Packet<'_>, WireError> {
        let malformed = || WireError::malformed("a packet without a length", &length);
        let length = str::from_utf8(&length)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .ok_or_else(malformed)?;
        match length {
            0 => return Ok(Packet::Flush),
            1 => return Ok(Packet::Delimiter),
            2 => return Ok(Packet::ResponseEnd),
            4..=LARGEST => {}
            _ => return Err(malformed()),
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(length - 4, 0);
        let filled = self.fill(&mut buffer);
        self.buffer = buffer;
        filled?;
        Ok(Packet::Data(&self.buffer))
    }

    /// The next packet as a line without its end; `None` for one without data. What the
    /// server reports as its error is one here.
    pub(super) fn line(&mut self) -> Result<Option<&[u8]>, WireError> {
        let Packet::Data(data) = self.packet()? else { return Ok(None) };
        if let Some(message) = data.strip_prefix(b"ERR ") {
            return Err(WireError::remote(message));
        }
        Ok(Some(data.strip_suffix(b"\n").unwrap_or(data)))
    }

    /// Exactly these bytes, outside of packets.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), WireError> {
        self.reader.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => WireError::Truncated,
            _ => WireError::Transfer(error),
        })
    }

    /// What follows the packets read so far.
    pub(super) fn into_inner(self) -> R {
        self.reader
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_framed_by_their_length() {
        let mut bytes = Vec::new();
        push_line(&mut bytes, "want it");
        assert_eq!(bytes, b"000cwant it\n");
        bytes.extend_from_slice(b"0004");
        bytes.extend_from_slice(DELIMITER);
        bytes.extend_from_slice(b"0002");
        bytes.extend_from_slice(FLUSH);
        bytes.extend_from_slice(b"rest");
        let mut reader = PacketReader::new(&bytes[..]);
        assert_eq!(reader.line().unwrap(), Some(&b"want it"[..]));
        let expected = [Packet::Data(b""), Packet::Delimiter, Packet::ResponseEnd, Packet::Flush];
        for packet in expected {
            assert_eq!(reader.packet().unwrap(), packet);
        }
        assert_eq!(reader.into_inner(), b"rest");
    }

    #[test]
    fn broken_framing_is_an_error_and_never_a_panic() {
        for bytes in ["", "00", "0003", "fff1", "zzzz", "+00a12345", "0009abc", "é12"] {
            assert!(PacketReader::new(bytes.as_bytes()).packet().is_err(), "{bytes}");
        }
        let mut remote = PacketReader::new(&b"000fERR no way\n"[..]);
        assert_eq!(remote.line().unwrap_err().to_string(), "the server says: no way");
    }
}
