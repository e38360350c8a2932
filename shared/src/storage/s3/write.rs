//! Writing under a condition, once: an answer that got lost is settled by looking.
//!
//! An attempt without an answer may have succeeded. It is repeated all the same, because
//! the condition keeps the repetition from doing harm; if the repetition is refused, the
//! lineage of the object that is there tells whether the refusal is due to ourselves.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use bytes::Bytes;
use tokio::time;

use super::{
    super::{Body, ETag, ObjectMeta, StorageError, StorageKey},
    bucket::{Bucket, unavailable},
    lineage::{self, Lineage, Outcome},
    meta::{self, quoted},
    parts::{Part, Parts},
    trouble::{Kind, Trouble},
};

/// What must hold of a key for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing.
    None,
    /// Nothing lies there.
    Absent,
    /// The object there still carries this entity tag.
    Unchanged(ETag),
}

/// One write, in as many attempts as it takes.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) key: StorageKey,
    pub(super) condition: Condition,
    lineage: Lineage,
    modified: SystemTime,
}

impl Bucket {
    pub(super) async fn write(
        self: &Arc<Self>,
        key: &StorageKey,
        condition: Condition,
        body: Body,
    ) -> Result<ObjectMeta, StorageError> {
        let stream = match body {
            Body::Bytes(bytes) => Err(bytes),
            Body::Stream(stream) => Ok(stream),
            Body::File(draft) => Ok(draft.into_stream().map_err(|error| at_body(key, error))?),
        };
        let (first, rest) = match stream {
            Err(whole) => (whole, None),
            Ok(stream) => {
                let mut parts = Parts::new(stream, self.part_size);
                let Part { bytes, is_last } =
                    parts.next().await.map_err(|error| at_body(key, error))?;
                (bytes, (!is_last).then_some(parts))
            }
        };
        let replaced = match &condition {
            Condition::Unchanged(expected) => self.lineage(key, expected).await?,
            Condition::Absent | Condition::None => Arc::default(),
        };
        let write = Write::new(key, condition, &replaced);
        match rest {
            None => self.write_whole(&write, first).await,
            Some(rest) => {
                self.refuse_early(&write).await?;
                self.write_parts(&write, first, rest).await
            }
        }
    }

    /// Writes a body in one request.
    pub(super) async fn write_whole(
        &self,
        write: &Write,
        body: Bytes,
    ) -> Result<ObjectMeta, StorageError> {
        let size = body.len() as u64;
        let (if_none_match, if_match) = write.condition.headers();
        let attempt = || async {
            let request = self
                .client
                .put_object()
                .bucket(&self.name)
                .key(self.object_name(write.key.as_str()))
                .set_metadata(Some(write.metadata()))
                .set_if_none_match(if_none_match.clone())
                .set_if_match(if_match.clone())
                .body(body.clone().into());
            meta::etag(self.patience.attempt(size, Box::pin(request.send())).await?.e_tag())
        };
        self.settled(write, size, attempt).await
    }

    /// Makes attempts until it is known what became of the write.
    pub(super) async fn settled<F>(
        &self,
        write: &Write,
        size: u64,
        mut attempt: impl FnMut() -> F,
    ) -> Result<ObjectMeta, StorageError>
    where
        F: Future<Output = Result<ETag, Trouble>>,
    {
        let mut pauses = self.patience.pauses();
        let mut is_unclear = false;
        loop {
            let trouble = match attempt().await {
                Ok(etag) => {
                    self.remember(&write.key, &etag, &write.lineage);
                    return Ok(write.meta(size, etag));
                }
                Err(trouble) => trouble,
            };
            is_unclear |= trouble.is_unclear();
            if trouble.may_pass()
                && let Some(pause) = pauses.next()
            {
                time::sleep(pause).await;
                continue;
            }
            let refusal = write.refusal(trouble);
            return if is_unclear { self.settle(write, size, refusal).await } else { Err(refusal) };
        }
    }

    /// Looks what became of a write of which an answer was lost before it ended with
    /// `refusal`.
    async fn settle(
        &self,
        write: &Write,
        size: u64,
        refusal: StorageError,
    ) -> Result<ObjectMeta, StorageError> {
        let known = match self.head(&write.key).await {
            Ok(known) => known,
            // It was there when we were refused: somebody has deleted it since.
            Err(StorageError::NotFound { .. }) => return Err(refusal),
            Err(error) => return Err(error),
        };
        tracing::debug!(
            storage.key = %write.key, outcome = ?write.lineage.outcome(&known.lineage),
            "a write whose answer was lost is settled"
        );
        match write.lineage.outcome(&known.lineage) {
            Outcome::Stands => Ok(known.meta),
            // The entity tag came with the answer that was lost. Nothing carries this
            // one, as nothing carries the real one any more.
            Outcome::Overtaken => Ok(write.meta(size, ETag(format!("overtaken-{}", write.id())))),
            Outcome::Refused => Err(refusal),
            Outcome::Unknown => {
                let said = "an answer was lost, and too many writes have followed to tell";
                Err(unavailable(&write.key, Trouble::new(Kind::Unclear, said)))
            }
        }
    }

    /// Refuses what cannot succeed before its bytes are fetched and sent.
    async fn refuse_early(&self, write: &Write) -> Result<(), StorageError> {
        match (&write.condition, self.head(&write.key).await) {
            (Condition::None, _) => Ok(()),
            (Condition::Absent, Ok(_)) => Err(write.refused()),
            (Condition::Absent, Err(error)) if error.is_not_found() => Ok(()),
            (Condition::Unchanged(expected), Ok(known)) if *expected == known.meta.etag => Ok(()),
            (Condition::Unchanged(_), Ok(_)) => Err(write.refused()),
            (_, Err(error)) => Err(error),
        }
    }
}

impl Write {
    pub(super) fn new(key: &StorageKey, condition: Condition, replaced: &Lineage) -> Self {
        let lineage = Lineage::over(replaced);
        Self { key: key.clone(), condition, lineage, modified: meta::now() }
    }

    /// What the object will carry.
    pub(super) fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([
            (lineage::FIELD.to_owned(), self.lineage.text()),
            (meta::MODIFIED.to_owned(), meta::milliseconds(self.modified)),
        ])
    }

    fn id(&self) -> String {
        self.lineage.text().chars().take_while(|letter| *letter != ',').collect()
    }

    fn meta(&self, size: u64, etag: ETag) -> ObjectMeta {
        ObjectMeta { size, etag, modified: self.modified }
    }

    /// What an attempt's trouble means, if no attempt before it can have succeeded.
    fn refusal(&self, trouble: Trouble) -> StorageError {
        match (trouble.kind, &self.condition) {
            (Kind::PreconditionFailed, _) => self.refused(),
            (Kind::Missing, Condition::Unchanged(_)) => {
                StorageError::NotFound { key: self.key.to_string() }
            }
            _ => unavailable(&self.key, trouble),
        }
    }

    /// That the condition does not hold.
    fn refused(&self) -> StorageError {
        let key = self.key.to_string();
        match self.condition {
            Condition::Absent => StorageError::AlreadyExists { key },
            Condition::Unchanged(_) | Condition::None => StorageError::PreconditionFailed { key },
        }
    }
}

impl Condition {
    /// Values of `If-None-Match` and `If-Match`.
    pub(super) fn headers(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::None => (None, None),
            Self::Absent => (Some("*".to_owned()), None),
            Self::Unchanged(etag) => (None, Some(quoted(etag))),
        }
    }
}

/// That the body to be written failed.
pub(super) fn at_body(key: &StorageKey, source: std::io::Error) -> StorageError {
    StorageError::Body { key: key.to_string(), source }
}
