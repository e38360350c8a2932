//! Writing a body of unknown length: part by part, visible at the end, or given up.

use std::{sync::Arc, time::Duration};

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::future;
use tokio::runtime::Handle;
use tracing::Instrument;

use super::{
    super::{ObjectMeta, StorageError},
    bucket::{Bucket, unavailable},
    meta::{self, nonsense},
    parts::{Part, Parts},
    trouble::{Kind, Trouble},
    write::{Write, at_body},
};

/// How long a store may take to put one part in its place.
const PLACING: Duration = Duration::from_millis(100);

impl Bucket {
    /// Writes `first` and what `rest` yields. Holds two parts at a time: one is sent
    /// while the next is filled.
    pub(super) async fn write_parts(
        self: &Arc<Self>,
        write: &Write,
        first: Bytes,
        mut rest: Parts,
    ) -> Result<ObjectMeta, StorageError> {
        let at_upload = |trouble| unavailable(&write.key, trouble);
        let mut upload = Upload::begin(self, write).await.map_err(at_upload)?;
        let mut part = Part { bytes: first, is_last: false };
        loop {
            let is_last = part.is_last;
            let sent = async { upload.send(part.bytes).await.map_err(at_upload) };
            if is_last {
                sent.await?;
                break;
            }
            let filled = async { rest.next().await.map_err(|error| at_body(&write.key, error)) };
            ((), part) = future::try_join(sent, filled).await?;
        }
        upload.complete(write).await
    }
}

/// An upload that has begun. Dropped before it is completed, it is aborted.
pub(super) struct Upload {
    bucket: Arc<Bucket>,
    object_name: String,
    id: String,
    parts: Vec<CompletedPart>,
    size: u64,
    has_ended: bool,
}

impl Upload {
    /// Begins an upload. One whose answer got lost stays behind until it is swept.
    pub(super) async fn begin(bucket: &Arc<Bucket>, write: &Write) -> Result<Self, Trouble> {
        let object_name = bucket.object_name(write.key.as_str());
        let asked = || async {
            let request = bucket
                .client
                .create_multipart_upload()
                .bucket(&bucket.name)
                .key(&object_name)
                .set_metadata(Some(write.metadata()));
            bucket.patience.attempt(0, Box::pin(request.send())).await
        };
        let answer = bucket.patience.repeat(asked).await?;
        let id = answer.upload_id().ok_or_else(|| nonsense("no upload id"))?.to_owned();
        let bucket = Arc::clone(bucket);
        Ok(Self { bucket, object_name, id, parts: Vec::new(), size: 0, has_ended: false })
    }

    /// Sends the next part. A part that is sent twice is there once.
    pub(super) async fn send(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        let size = bytes.len() as u64;
        let number = i32::try_from(self.parts.len() + 1)
            .map_err(|_| Trouble::new(Kind::Refused, "too many parts"))?;
        let asked = || async {
            let request = self
                .bucket
                .client
                .upload_part()
                .bucket(&self.bucket.name)
                .key(&self.object_name)
                .upload_id(&self.id)
                .part_number(number)
                .body(bytes.clone().into());
            let answer = self.bucket.patience.attempt(size, Box::pin(request.send())).await?;
            answer.e_tag.ok_or_else(|| nonsense("no entity tag"))
        };
        let etag = self.bucket.patience.repeat(asked).await?;
        self.parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
        self.size += size;
        Ok(())
    }

    /// Makes the object visible, if the condition still holds.
    pub(super) async fn complete(mut self, write: &Write) -> Result<ObjectMeta, StorageError> {
        let (if_none_match, if_match) = write.condition.headers();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        let placing = PLACING.saturating_mul(u32::try_from(self.parts.len()).unwrap_or(u32::MAX));
        let attempt = || async {
            let request = self
                .bucket
                .client
                .complete_multipart_upload()
                .bucket(&self.bucket.name)
                .key(&self.object_name)
                .upload_id(&self.id)
                .multipart_upload(parts.clone())
                .set_if_none_match(if_none_match.clone())
                .set_if_match(if_match.clone());
            meta::etag(
                self.bucket.patience.attempt_for(placing, Box::pin(request.send())).await?.e_tag(),
            )
        };
        let completed = self.bucket.settled(write, self.size, attempt).await;
        self.has_ended = completed.is_ok();
        completed
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Without a runtime the process is ending; what stays behind is swept.
        let (false, Ok(runtime)) = (self.has_ended, Handle::try_current()) else { return };
        let bucket = Arc::clone(&self.bucket);
        let (name, id) = (std::mem::take(&mut self.object_name), std::mem::take(&mut self.id));
        let aborting = async move {
            if let Err(trouble) = bucket.abort(&name, &id).await {
                tracing::warn!(
                    storage.object = name, error = %trouble,
                    "an upload could not be aborted, it stays until it is swept"
                );
            }
        };
        runtime.spawn(aborting.in_current_span());
    }
}

impl Bucket {
    /// Removes an upload and its parts; one that has ended is no error.
    pub(super) async fn abort(&self, object_name: &str, id: &str) -> Result<(), Trouble> {
        let asked = || async {
            let request = self
                .client
                .abort_multipart_upload()
                .bucket(&self.name)
                .key(object_name)
                .upload_id(id);
            self.patience.attempt(0, Box::pin(request.send())).await
        };
        match self.patience.repeat(asked).await {
            Err(trouble) if !matches!(trouble.kind, Kind::UploadGone | Kind::Missing) => {
                Err(trouble)
            }
            _ => Ok(()),
        }
    }
}
