//! Reading what may be missing and what is small enough to be held whole.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{GetOptions, Object, ObjectMeta, Storage, StorageError, StorageKey};

/// What may be held whole, in bytes; a go.mod is the largest of it.
const LARGEST_SMALL: u64 = 64 << 20;

/// `None` where nothing lies under the key.
pub fn if_present<T>(outcome: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Size and tag of an object that may be missing.
pub async fn head_if_present(
    storage: &dyn Storage,
    key: &StorageKey,
) -> Result<Option<ObjectMeta>, StorageError> {
    if_present(storage.head(key).await)
}

/// Reads an object of at most 64 MiB whole; `None` if there is none. A larger one is
/// [`StorageError::Unavailable`]: it is not what the caller takes it for.
pub async fn read_small(
    storage: &dyn Storage,
    key: &StorageKey,
) -> Result<Option<(Bytes, ObjectMeta)>, StorageError> {
    let Some(object) = if_present(storage.get(key, GetOptions::default()).await)? else {
        return Ok(None);
    };
    if object.meta.size > LARGEST_SMALL {
        let large = format!("larger than {LARGEST_SMALL} bytes");
        return Err(unavailable(key, io::Error::other(large)));
    }
    let meta = object.meta.clone();
    Ok(Some((read_whole(key, object).await?, meta)))
}

/// Reads an opened object whole; the caller has seen that it is small.
pub async fn read_whole(key: &StorageKey, object: Object) -> Result<Bytes, StorageError> {
    let expected = object.range.end - object.range.start;
    let mut body = object.body;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|source| unavailable(key, source))?;
        // What came as one chunk is passed on without a copy.
        if bytes.is_empty() && chunk.len() as u64 == expected {
            return Ok(chunk);
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() as u64 != expected {
        let short = format!("{} bytes instead of {expected}", bytes.len());
        return Err(unavailable(key, io::Error::new(io::ErrorKind::UnexpectedEof, short)));
    }
    Ok(bytes.freeze())
}

/// Bytes that cannot be had, although the object is there.
pub fn unavailable(key: &StorageKey, source: io::Error) -> StorageError {
    StorageError::Unavailable { key: key.to_string(), source: Box::new(source) }
}
