//! Making sure, before anything rests on it, that a bucket is there, open to us, and
//! keeps the promises of conditional writes.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::{
    super::{
        ETag, GetOptions, StorageError, StorageKey,
        format::{self, FORMAT, FormatRefusal},
    },
    bucket::Bucket,
    error::{Place, S3StorageError},
    lineage::Lineage,
    trouble::{Kind, Trouble},
    upload::Upload,
    write::{Condition, Write},
};

/// More than any format marker has.
const MARKER_LIMIT: u64 = 64;

/// Refuses a bucket that is not fit for storage. Reads come first, so that nothing is
/// written into a bucket of a newer program.
pub(super) async fn verify(bucket: &Arc<Bucket>, place: Place) -> Result<(), S3StorageError> {
    let probe = Probe { bucket, key: StorageKey::probe(rand::random()), place };
    probe.reads().await?;
    probe.format().await?;
    let kept = probe.writes().await;
    // A probe that stays is swept; what was found out before matters more.
    let removed = bucket.delete(&probe.key).await;
    kept?;
    removed.map_err(|error| probe.refusal("at deleting an object", error))?;
    probe.record_format().await
}

struct Probe<'a> {
    bucket: &'a Arc<Bucket>,
    key: StorageKey,
    place: Place,
}

impl Probe<'_> {
    /// Without the right to list, a store says 403 of what is not there, and nothing
    /// would ever be known to be absent.
    async fn reads(&self) -> Result<(), S3StorageError> {
        match self.bucket.get(&self.key, GetOptions::default()).await {
            Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.refusal("at reading an object that is not there", error)),
            Ok(_) => Err(self.broken("it has objects that nobody wrote")),
        }
    }

    async fn format(&self) -> Result<(), S3StorageError> {
        let options = GetOptions { range: Some(0..MARKER_LIMIT), if_match: None };
        let unreadable = |error| self.refusal("at reading _stoa/format", error);
        let content = match self.bucket.get(&StorageKey::format(), options).await {
            Ok(object) => object.body.try_collect::<Vec<Bytes>>().await.map_err(|source| {
                let key = StorageKey::format().to_string();
                unreadable(StorageError::Unavailable { key, source: source.into() })
            })?,
            Err(StorageError::NotFound { .. }) => return Ok(()),
            Err(StorageError::RangeNotSatisfiable { .. }) => Vec::new(),
            Err(error) => return Err(unreadable(error)),
        };
        format::check(&content.concat()).map_err(|refusal| {
            let place = self.place.clone();
            match refusal {
                FormatRefusal::Newer { found } => {
                    S3StorageError::NewerFormat { place, found, supported: FORMAT }
                }
                FormatRefusal::Unreadable => S3StorageError::UnreadableFormat { place },
            }
        })
    }

    /// Asks for what must be refused as well as for what must not.
    async fn writes(&self) -> Result<(), S3StorageError> {
        let never = || Condition::Unchanged(ETag("00000000000000000000000000000000".to_owned()));
        let first = match self.write(Condition::Absent).await {
            Ok(etag) => etag,
            // Whether it is due to the condition shows without one.
            Err(error) if is_refused(&error) && self.write(Condition::None).await.is_ok() => {
                return Err(self.unconditional(error));
            }
            Err(error) => return Err(self.refusal("at creating an object", error)),
        };
        let (again, wrong, in_parts) = futures_util::join!(
            self.write(Condition::Absent),
            self.write(never()),
            self.write_in_parts(),
        );
        self.expect_refusal(again, "it lets a key be created twice")?;
        self.expect_refusal(wrong, "it lets a key be swapped against a wrong entity tag")?;
        self.expect_refusal(in_parts, "it lets a key be created twice if that is done in parts")?;
        let second = self.write(Condition::Unchanged(first.clone())).await;
        second.map_err(|error| match is_refused(&error) {
            true => self.unconditional(error),
            false => self.refusal("at swapping an object", error),
        })?;
        let late = self.write(Condition::Unchanged(first)).await;
        self.expect_refusal(late, "it lets a key be swapped twice against one entity tag")
    }

    /// Bypasses what we would refuse without asking the store.
    async fn write(&self, condition: Condition) -> Result<ETag, StorageError> {
        let write = Write::new(&self.key, condition, &Lineage::default());
        let body = write.metadata().into_values().collect::<String>();
        Ok(self.bucket.write_whole(&write, body.into()).await?.etag)
    }

    async fn write_in_parts(&self) -> Result<ETag, StorageError> {
        let write = Write::new(&self.key, Condition::Absent, &Lineage::default());
        let unavailable = |trouble| super::bucket::unavailable(&self.key, trouble);
        let mut upload = Upload::begin(self.bucket, &write).await.map_err(unavailable)?;
        upload.send(Bytes::from_static(b"part")).await.map_err(unavailable)?;
        Ok(upload.complete(&write).await?.etag)
    }

    fn expect_refusal(
        &self,
        written: Result<ETag, StorageError>,
        broken: &'static str,
    ) -> Result<(), S3StorageError> {
        match written {
            Ok(_) => Err(self.broken(broken)),
            Err(
                StorageError::AlreadyExists { .. }
                | StorageError::PreconditionFailed { .. }
                | StorageError::NotFound { .. },
            ) => Ok(()),
            // An unconditional one would have succeeded, as the first one did.
            Err(error) if is_refused(&error) => Err(self.unconditional(error)),
            Err(error) => Err(self.refusal("at a conditional write", error)),
        }
    }

    async fn record_format(&self) -> Result<(), S3StorageError> {
        let key = StorageKey::format();
        let write = Write::new(&key, Condition::Absent, &Lineage::default());
        match self.bucket.write_whole(&write, format::content().into()).await {
            Ok(_) => Ok(()),
            // Somebody else's may be newer than what we looked for at first.
            Err(StorageError::AlreadyExists { .. }) => self.format().await,
            Err(error) => Err(self.refusal("at writing _stoa/format", error)),
        }
    }

    fn broken(&self, broken: &'static str) -> S3StorageError {
        S3StorageError::NoConditionalWrites { place: self.place.clone(), broken, source: None }
    }

    /// The store says that it knows no conditions.
    fn unconditional(&self, error: StorageError) -> S3StorageError {
        let (place, source) = (self.place.clone(), Some(source(error)));
        let broken = "it refuses to write under a condition";
        S3StorageError::NoConditionalWrites { place, broken, source }
    }

    /// What an error means for the bucket as a whole.
    fn refusal(&self, during: &'static str, error: StorageError) -> S3StorageError {
        let (place, source) = (self.place.clone(), source(error));
        match source.downcast_ref::<Trouble>().map(|trouble| trouble.kind) {
            Some(Kind::NoBucket) => S3StorageError::MissingBucket { place },
            Some(Kind::Denied) => S3StorageError::AccessDenied { place, during, source },
            Some(Kind::Unreachable | Kind::Unclear | Kind::Busy) => {
                S3StorageError::Unreachable { place, source }
            }
            _ => S3StorageError::Refused { place, during, source },
        }
    }
}

/// Whether the store understood and will never do it.
fn is_refused(error: &StorageError) -> bool {
    let StorageError::Unavailable { source, .. } = error else { return false };
    source.downcast_ref::<Trouble>().is_some_and(|trouble| trouble.kind == Kind::Refused)
}

/// What the store said, without the key.
fn source(error: StorageError) -> Box<dyn Error + Send + Sync> {
    match error {
        StorageError::Unavailable { source, .. } => source,
        error => error.into(),
    }
}
