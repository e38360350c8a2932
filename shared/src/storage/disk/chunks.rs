//! The bytes of an open file as a stream of chunks, read on the calling thread as
//! long as the page cache has them.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task;

/// Bytes in one chunk. Large enough that the system call and the socket's wake-up no
/// longer count beside the copy, equal to the kernel's usual read-ahead, and small
/// enough that 256 readers with one chunk each hold 32 MiB.
const CHUNK: usize = 128 * 1024;

/// Reads up to this size get a buffer of their own of exactly that size: a cache that
/// keeps such a chunk then keeps no more than its bytes.
const OWN_BUFFER: usize = 64 * 1024;

/// Buffers kept between reads, 4 MiB in all.
const IDLE_BUFFERS: usize = 32;

/// Buffers of [`CHUNK`] bytes for the next reads: taking one from here saves clearing
/// fresh memory, and the last one given back is still in the processor's cache.
#[derive(Debug, Default)]
pub(super) struct BufferPool(Mutex<Vec<Vec<u8>>>);

/// A buffer that goes back to its pool when the last reader of its chunk is done.
struct PooledChunk {
    buffer: Vec<u8>,
    length: usize,
    pool: Arc<BufferPool>,
}

/// The bytes of `range`, which lies within the file. A file that became shorter
/// since yields [`io::ErrorKind::UnexpectedEof`], never a short body.
pub(super) fn chunks(
    file: Arc<File>,
    range: Range<u64>,
    pool: Arc<BufferPool>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((file, range, pool), async |(file, range, pool)| {
        if range.is_empty() {
            return Ok(None);
        }
        let length = usize::try_from(range.end - range.start).map_or(CHUNK, |left| left.min(CHUNK));
        let buffer = if length > OWN_BUFFER { pool.take() } else { vec![0; length] };
        let buffer = fill(&file, buffer, length, range.start).await?;
        let chunk = if length > OWN_BUFFER {
            Bytes::from_owner(PooledChunk { buffer, length, pool: Arc::clone(&pool) })
        } else {
            Bytes::from(buffer)
        };
        let rest = range.start + length as u64..range.end;
        Ok(Some((chunk, (file, rest, pool))))
    })
}

/// Reads `length` bytes at `offset` into the beginning of `buffer`.
async fn fill(
    file: &Arc<File>,
    mut buffer: Vec<u8>,
    length: usize,
    offset: u64,
) -> io::Result<Vec<u8>> {
    let cached = read_cached(file, &mut buffer[..length], offset);
    if cached == length {
        return Ok(buffer);
    }
    let file = Arc::clone(file);
    task::spawn_blocking(move || {
        file.read_exact_at(&mut buffer[cached..length], offset + cached as u64)?;
        Ok(buffer)
    })
    .await?
}

/// Reads what is in memory, and tells how many bytes that were: 0 also where the file
/// system or the kernel cannot tell, because the blocking read then finds out.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut buffers = [io::IoSliceMut::new(buffer)];
    preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> usize {
    0
}

impl BufferPool {
    fn take(&self) -> Vec<u8> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| vec![0; CHUNK])
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_BUFFERS {
            idle.push(buffer);
        }
    }
}

impl AsRef<[u8]> for PooledChunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for PooledChunk {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use futures_util::{StreamExt, TryStreamExt};

    use super::*;

    fn file_of(size: usize) -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        (Arc::new(file), bytes)
    }

    #[tokio::test]
    async fn every_range_reads_its_bytes_in_bounded_chunks() {
        let (file, bytes) = file_of(3 * CHUNK + 7);
        let pool = Arc::new(BufferPool::default());
        let size = bytes.len();
        for range in [0..0, 0..1, 5..OWN_BUFFER, 0..CHUNK, 1..CHUNK + 1, CHUNK..size, 0..size] {
            let wanted = range.start as u64..range.end as u64;
            let read: Vec<Bytes> =
                chunks(Arc::clone(&file), wanted, Arc::clone(&pool)).try_collect().await.unwrap();
            assert!(read.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
            assert_eq!(read.len(), range.len().div_ceil(CHUNK), "{range:?}");
            assert!(read.concat() == bytes[range.clone()], "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_buffer_is_used_again_once_its_chunk_is_dropped_and_not_before() {
        let (file, bytes) = file_of(2 * CHUNK);
        let pool = Arc::new(BufferPool::default());
        let mut stream = chunks(file, 0..bytes.len() as u64, Arc::clone(&pool)).boxed();
        let first = stream.next().await.unwrap().unwrap();
        let second = stream.next().await.unwrap().unwrap();
        assert!(first == bytes[..CHUNK] && second == bytes[CHUNK..]);
        let part = first.slice(1..2);
        drop((first, second));
        assert_eq!(pool.0.lock().unwrap().len(), 1, "a slice keeps its chunk");
        drop(part);
        assert_eq!(pool.0.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error_not_a_short_body() {
        let (file, bytes) = file_of(2 * CHUNK);
        let mut stream = chunks(Arc::clone(&file), 0..bytes.len() as u64, Arc::default()).boxed();
        assert_eq!(stream.next().await.unwrap().unwrap().len(), CHUNK);
        file.set_len(CHUNK as u64 + 10).unwrap();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
