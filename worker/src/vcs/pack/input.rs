//! PackInput: the pack's bytes in order, as the spooling thread hands them over.

use std::sync::mpsc::Receiver;

use super::PackError;

/// The arriving bytes. An error of the transfer looks like an early end here; the
/// spooling thread knows better and is asked then.
pub(super) struct PackInput {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    offset: u64,
}

impl PackInput {
    pub(super) fn new(chunks: Receiver<Vec<u8>>) -> Self {
        Self { chunks, chunk: Vec::new(), position: 0, offset: 0 }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes, at least one; waits for them. Empty at the end.
    pub(super) fn fill(&mut self) -> &[u8] {
        while self.position == self.chunk.len() {
            let Ok(chunk) = self.chunks.recv() else {
                return &[];
            };
            self.chunk = chunk;
            self.position = 0;
        }
        &self.chunk[self.position..]
    }

    /// Goes past `count` bytes of what [`fill`](Self::fill) returned last.
    pub(super) fn consume(&mut self, count: usize) {
        self.position += count;
        self.offset += count as u64;
    }

    pub(super) fn byte(&mut self) -> Result<u8, PackError> {
        let Some(&byte) = self.fill().first() else {
            return Err(PackError::Truncated { offset: self.offset });
        };
        self.consume(1);
        Ok(byte)
    }

    pub(super) fn bytes(&mut self, target: &mut [u8]) -> Result<(), PackError> {
        for slot in target {
            *slot = self.byte()?;
        }
        Ok(())
    }
}
