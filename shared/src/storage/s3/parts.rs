//! Cutting a stream of unknown length into the parts of an upload.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};

/// The least that S3 takes for a part that is not the last.
const LEAST: usize = 5 * 1024 * 1024;

/// After so many parts their size doubles: 10,000 parts are all that S3 takes, and so
/// 8 MiB suffice for more than the 5 TiB that an object may have.
const DOUBLED_AFTER: u32 = 1000;

/// A part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) is_last: bool,
}

/// What is left of a body.
pub(super) struct Parts {
    stream: BoxStream<'static, io::Result<Bytes>>,
    part_size: usize,
    taken: u32,
    /// What came with the last part's bytes and did not fit into it.
    rest: Bytes,
}

impl Parts {
    pub(super) fn new(stream: BoxStream<'static, io::Result<Bytes>>, part_size: usize) -> Self {
        Self { stream, part_size: part_size.max(LEAST), taken: 0, rest: Bytes::new() }
    }

    /// The next part. The last one may be of any size, and is empty only if the body is;
    /// it must not be asked for another after it.
    pub(super) async fn next(&mut self) -> io::Result<Part> {
        let size = size(self.part_size, self.taken);
        self.taken += 1;
        let mut bytes = BytesMut::from(self.rest.split_to(self.rest.len().min(size)));
        // One byte more than fits tells that this part is not the last.
        while self.rest.is_empty() {
            let Some(chunk) = self.stream.next().await else {
                return Ok(Part { bytes: bytes.freeze(), is_last: true });
            };
            self.rest = chunk?;
            let fitting = self.rest.len().min(size - bytes.len());
            bytes.extend_from_slice(&self.rest.split_to(fitting));
        }
        Ok(Part { bytes: bytes.freeze(), is_last: false })
    }
}

fn size(part_size: usize, taken: u32) -> usize {
    part_size.saturating_mul(1 << (taken / DOUBLED_AFTER).min(9))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn cut(chunks: &[usize]) -> Vec<usize> {
        let chunks: Vec<io::Result<Bytes>> =
            chunks.iter().map(|size| Ok(vec![7; *size].into())).collect();
        let mut parts = Parts::new(stream::iter(chunks).boxed(), 0);
        let mut sizes = Vec::new();
        loop {
            let part = parts.next().await.unwrap();
            assert!(part.bytes.iter().all(|byte| *byte == 7));
            sizes.push(part.bytes.len());
            if part.is_last {
                return sizes;
            }
        }
    }

    #[tokio::test]
    async fn every_part_but_the_last_is_full_and_only_an_empty_body_ends_with_an_empty_part() {
        assert_eq!(cut(&[]).await, [0]);
        assert_eq!(cut(&[0, 0]).await, [0]);
        assert_eq!(cut(&[1, 0, 2]).await, [3]);
        assert_eq!(cut(&[LEAST]).await, [LEAST]);
        assert_eq!(cut(&[LEAST, 0]).await, [LEAST]);
        assert_eq!(cut(&[LEAST, 0, 1]).await, [LEAST, 1]);
        assert_eq!(cut(&[1, LEAST]).await, [LEAST, 1]);
        assert_eq!(cut(&[3 * LEAST]).await, [LEAST; 3]);
        assert_eq!(cut(&[2 * LEAST + 1, LEAST]).await, [LEAST, LEAST, LEAST, 1]);
    }

    #[tokio::test]
    async fn an_error_of_the_body_ends_it() {
        let chunks = [Ok(Bytes::from("x")), Err(io::Error::other("the origin hung up"))];
        let mut parts = Parts::new(stream::iter(chunks).boxed(), LEAST);
        assert_eq!(parts.next().await.unwrap_err().to_string(), "the origin hung up");
    }

    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        let whole: u64 = (0..10_000).map(|taken| size(8 * 1024 * 1024, taken) as u64).sum();
        assert!(whole > 5 * 1024_u64.pow(4));
        // The largest part that S3 takes.
        assert!(size(8 * 1024 * 1024, 9_999) <= 5 * 1024_usize.pow(3));
    }
}
