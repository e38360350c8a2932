//! Inflater: one entry's compressed bytes, from the arriving pack to a sink.

use flate2::{Decompress, FlushDecompress, Status};

use super::{PackError, input::PackInput};

/// Bytes handed to the sink at once; fits the second-level cache with its input.
const BUFFER_BYTES: usize = 64 << 10;

/// Reused for every entry, so that reading a pack allocates once.
pub(super) struct Inflater {
    state: Decompress,
    buffer: Box<[u8]>,
    /// What may still be inflated of the whole pack.
    remaining: u64,
    maximum: u64,
}

impl Inflater {
    /// Stops after `maximum` bytes over all entries.
    pub(super) fn new(maximum: u64) -> Self {
        Self {
            state: Decompress::new(true),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            remaining: maximum,
            maximum,
        }
    }

    /// What may still be inflated of the whole pack.
    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Inflates the entry at `start`, which must come to exactly `size` bytes. Returns
    /// how many bytes of pack it took.
    pub(super) fn run(
        &mut self,
        input: &mut PackInput,
        start: u64,
        size: u64,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<u64, PackError> {
        let corrupt = |reason| PackError::Corrupt { offset: start, reason };
        if size > self.remaining {
            return Err(PackError::LimitExceeded {
                what: "bytes of content",
                maximum: self.maximum,
            });
        }
        self.state.reset(true);
        loop {
            let bytes = input.fill();
            let at_end = bytes.is_empty();
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(bytes, &mut self.buffer, FlushDecompress::None)
                .map_err(|_| corrupt("its compressed bytes are damaged"))?;
            let consumed = (self.state.total_in() - before_in) as usize;
            let produced = (self.state.total_out() - before_out) as usize;
            input.consume(consumed);
            if self.state.total_out() > size {
                return Err(corrupt("it inflates to more than its declared size"));
            }
            sink(&self.buffer[..produced]);
            if status == Status::StreamEnd {
                break;
            }
            if consumed == 0 && produced == 0 {
                if at_end {
                    return Err(PackError::Truncated { offset: input.offset() });
                }
                return Err(corrupt("its compressed bytes are damaged"));
            }
        }
        if self.state.total_out() != size {
            return Err(corrupt("it inflates to less than its declared size"));
        }
        self.remaining -= size;
        Ok(self.state.total_in())
    }
}
