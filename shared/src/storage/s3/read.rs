//! Reading: a body that goes on where a connection broke, or fails; never a short one.

use std::{io, ops::Range, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyDataStream;
use hyper::{
    Method, Response,
    body::Incoming,
    header::{CONTENT_RANGE, IF_MATCH, RANGE},
};
use tokio::time;

use super::{
    super::{ETag, GetOptions, Object, StorageError, StorageKey},
    bucket::{Bucket, at_read, unavailable},
    meta::{Known, length, nonsense, quoted, text},
    trouble::{Kind, Trouble, chain},
};

/// Up to so many bytes are read before an object is handed out, so that a connection
/// that breaks costs another attempt, and no reader of a small object that is written
/// often is left with half of one.
const READ_AT_ONCE: u64 = 64 * 1024;

/// An answer that holds what was asked for.
struct Opened {
    known: Known,
    range: Range<u64>,
    body: Received,
}

/// A body, of which nothing was read or all.
enum Received {
    Whole(Bytes),
    Stream(BodyDataStream<Incoming>),
}

impl Bucket {
    pub(super) async fn get(
        self: &Arc<Self>,
        key: &StorageKey,
        options: GetOptions,
    ) -> Result<Object, StorageError> {
        if !self.can_hold(key) {
            return Err(StorageError::NotFound { key: key.to_string() });
        }
        if options.range.as_ref().is_some_and(Range::is_empty) {
            return self.get_nothing(key, options).await;
        }
        let opened = self.open(key, options.range.clone(), options.if_match.as_ref()).await;
        let Opened { known, range, body } = match opened {
            // Only some stores tell the size beside the refusal.
            Err(trouble) if trouble.kind == Kind::RangeNotSatisfiable => {
                return self.get_nothing(key, options).await;
            }
            opened => opened.map_err(|trouble| at_read(key, trouble))?,
        };
        self.remember(key, &known.meta.etag, &known.lineage);
        let body = match body {
            Received::Whole(bytes) => {
                stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed()
            }
            Received::Stream(body) => Reading {
                bucket: Arc::clone(self),
                key: key.clone(),
                etag: known.meta.etag.clone(),
                left: range.clone(),
                body: Some(body),
                resumptions: self.patience.resumptions,
            }
            .chunks()
            .boxed(),
        };
        Ok(Object { meta: known.meta, range, body })
    }

    /// Answers a range without bytes, or one past the end; the store has no words for the
    /// former.
    async fn get_nothing(
        &self,
        key: &StorageKey,
        options: GetOptions,
    ) -> Result<Object, StorageError> {
        let meta = self.head(key).await?.meta;
        if options.if_match.is_some_and(|expected| expected != meta.etag) {
            return Err(StorageError::PreconditionFailed { key: key.to_string() });
        }
        match options.range {
            Some(range) if range.start < meta.size && range.is_empty() => {
                let range = range.start..range.start;
                Ok(Object { meta, range, body: stream::empty().boxed() })
            }
            Some(range) if range.start < meta.size => {
                let changed = Trouble::new(Kind::Busy, "the object grew while it was asked for");
                Err(unavailable(key, changed))
            }
            _ => Err(StorageError::RangeNotSatisfiable { key: key.to_string(), size: meta.size }),
        }
    }

    async fn open(
        &self,
        key: &StorageKey,
        range: Option<Range<u64>>,
        if_match: Option<&ETag>,
    ) -> Result<Opened, Trouble> {
        let object_name = self.object_name(key.as_str());
        let (part, tag) = (range.as_ref().map(range_header), if_match.map(quoted));
        let part = part.as_deref().map(|part| (RANGE.as_str(), part));
        let tag = tag.as_deref().map(|tag| (IF_MATCH.as_str(), tag));
        let headers: Vec<_> = part.into_iter().chain(tag).collect();
        let asked = || async {
            let asked = self.reader.ask(Method::GET, &object_name, &headers);
            let answer = self.patience.within(Duration::ZERO, asked).await?;
            Opened::check(answer, range.clone(), if_match)?.read_small(self).await
        };
        self.patience.repeat(asked).await
    }
}

impl Opened {
    /// Makes sure that the answer is to the question.
    fn check(
        answer: Response<Incoming>,
        asked: Option<Range<u64>>,
        if_match: Option<&ETag>,
    ) -> Result<Self, Trouble> {
        let length = length(answer.headers())?;
        let (range, size) = match text(answer.headers(), CONTENT_RANGE.as_str()) {
            Some(text) => content_range(text).ok_or_else(|| nonsense("its range"))?,
            None => (0..length, length),
        };
        let asked = asked.unwrap_or(0..size);
        if range != (asked.start..asked.end.min(size)) || range.end - range.start != length {
            return Err(nonsense("not the range that was asked for"));
        }
        let known = Known::of(answer.headers(), size)?;
        if if_match.is_some_and(|expected| *expected != known.meta.etag) {
            return Err(nonsense("not the entity tag that was asked for"));
        }
        Ok(Self { known, range, body: Received::Stream(BodyDataStream::new(answer.into_body())) })
    }

    /// Reads a small body to its end.
    async fn read_small(mut self, bucket: &Bucket) -> Result<Self, Trouble> {
        let length = self.range.end - self.range.start;
        if let Received::Stream(body) = &mut self.body
            && length <= READ_AT_ONCE
        {
            let mut whole = BytesMut::new();
            while (whole.len() as u64) < length {
                let chunk = receive(body, bucket.patience.stall_timeout).await;
                whole.extend_from_slice(&chunk.map_err(|error| broken(&error))?);
            }
            if whole.len() as u64 > length {
                return Err(nonsense("more bytes than were told"));
            }
            self.body = Received::Whole(whole.freeze());
        }
        Ok(self)
    }
}

/// A body that is being read.
struct Reading {
    bucket: Arc<Bucket>,
    key: StorageKey,
    etag: ETag,
    /// What has not been yielded yet.
    left: Range<u64>,
    /// The connection, unless it broke.
    body: Option<BodyDataStream<Incoming>>,
    /// How often it may still be taken up again.
    resumptions: u32,
}

impl Reading {
    fn chunks(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::try_unfold(self, |mut reading| async {
            if reading.left.is_empty() {
                return Ok(None);
            }
            let chunk = reading.next().await?;
            Ok(Some((chunk, reading)))
        })
    }

    async fn next(&mut self) -> io::Result<Bytes> {
        loop {
            let broken = match self.body.as_mut() {
                Some(body) => match receive(body, self.bucket.patience.stall_timeout).await {
                    Ok(chunk) => return self.take(chunk),
                    Err(broken) => broken,
                },
                None => io::Error::from(io::ErrorKind::ConnectionAborted),
            };
            self.body = None;
            if self.resumptions == 0 {
                return Err(broken);
            }
            self.resumptions -= 1;
            tracing::debug!(
                storage.key = %self.key, error = %broken, left_bytes = self.left.end - self.left.start,
                "reading goes on over a new connection"
            );
            let range = Some(self.left.clone());
            match self.bucket.open(&self.key, range, Some(&self.etag)).await {
                Ok(Opened { body: Received::Stream(body), .. }) => self.body = Some(body),
                Ok(Opened { body: Received::Whole(bytes), .. }) => return self.take(bytes),
                Err(trouble) => return Err(io::Error::other(trouble)),
            }
        }
    }

    fn take(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        let length = chunk.len() as u64;
        if length > self.left.end - self.left.start {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes than were told"));
        }
        self.left.start += length;
        Ok(chunk)
    }
}

/// The next bytes, of which there must be some.
async fn receive(
    body: &mut BodyDataStream<Incoming>,
    stall_timeout: Duration,
) -> io::Result<Bytes> {
    match time::timeout(stall_timeout, body.next()).await {
        Ok(Some(Ok(chunk))) => Ok(chunk),
        Ok(Some(Err(error))) => Err(io::Error::other(chain(&error))),
        Ok(None) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "fewer bytes than were told")),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no bytes for too long")),
    }
}

/// A body that broke off, as trouble that another attempt may not have.
fn broken(error: &io::Error) -> Trouble {
    Trouble::new(Kind::Unreachable, format!("the body broke off: {error}"))
}

/// A range as requests carry it (RFC 9110 §14.1.2): its end is inclusive. An end that
/// not every store can parse is left out.
fn range_header(range: &Range<u64>) -> String {
    if i64::try_from(range.end).is_ok() {
        format!("bytes={}-{}", range.start, range.end - 1)
    } else {
        format!("bytes={}-", range.start)
    }
}

/// Range and size of `bytes 0-4/10` (RFC 9110 §14.4).
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let range = start.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    Some((range, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_exclusive_inside_the_program_and_inclusive_outside() {
        assert_eq!(range_header(&(0..1)), "bytes=0-0");
        assert_eq!(range_header(&(5..200_000)), "bytes=5-199999");
        assert_eq!(range_header(&(7..u64::MAX)), "bytes=7-");
        assert_eq!(content_range("bytes 0-4/10"), Some((0..5, 10)));
        for nonsense in ["", "bytes */10", "0-4/10", "bytes 0-4", "bytes 4-/10", "bytes 0-4/*"] {
            assert_eq!(content_range(nonsense), None, "{nonsense}");
        }
    }
}
