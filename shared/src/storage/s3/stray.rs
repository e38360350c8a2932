//! Sweeping what killed processes left: uploads that nobody will complete, and probes.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::MultipartUpload;

use super::{
    super::{KeyPrefix, StorageError, StorageKey},
    bucket::Bucket,
    trouble::Trouble,
};

/// Where one page of uploads ends: an object's name and an upload's id.
type Place = (Option<String>, Option<String>);

impl Bucket {
    /// Aborts uploads below our prefix that began longer ago than `age`, and removes
    /// probes of that age; how many there were.
    pub(super) async fn discard_unfinished(&self, age: Duration) -> Result<usize, StorageError> {
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let uploads = self.abort_uploads(before).await.map_err(|trouble| {
            StorageError::Unavailable { key: self.prefix.clone(), source: Box::new(trouble) }
        })?;
        Ok(uploads + self.delete_probes(before).await?)
    }

    async fn abort_uploads(&self, before: SystemTime) -> Result<usize, Trouble> {
        let mut aborted = 0;
        let mut place = (None, None);
        loop {
            let (uploads, next) = self.uploads(place).await?;
            for upload in uploads {
                let (Some(name), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
                let began = upload.initiated().and_then(|time| SystemTime::try_from(*time).ok());
                let is_old = began.is_some_and(|began| began < before);
                if is_old && name.starts_with(&self.prefix) {
                    self.abort(name, id).await?;
                    aborted += 1;
                }
            }
            match next {
                Some(next) => place = next,
                None => return Ok(aborted),
            }
        }
    }

    /// A page of the bucket's uploads. They are not asked for by prefix, because to some
    /// stores that is the whole name of an object.
    pub(super) async fn uploads(
        &self,
        (name, id): Place,
    ) -> Result<(Vec<MultipartUpload>, Option<Place>), Trouble> {
        let asked = || async {
            let request = self
                .client
                .list_multipart_uploads()
                .bucket(&self.name)
                .set_key_marker(name.clone())
                .set_upload_id_marker(id.clone());
            self.patience.attempt(0, Box::pin(request.send())).await
        };
        let answer = self.patience.repeat(asked).await?;
        let has_more = answer.is_truncated() == Some(true) && answer.next_key_marker().is_some();
        let next = has_more.then_some((answer.next_key_marker, answer.next_upload_id_marker));
        Ok((answer.uploads.unwrap_or_default(), next))
    }

    async fn delete_probes(&self, before: SystemTime) -> Result<usize, StorageError> {
        let mut deleted = 0;
        // More than one page of them would be a wonder; the next sweep sees the rest.
        for key in self.list(&KeyPrefix::probes(), None, 1000).await?.keys {
            let key = StorageKey::listed(key);
            match self.head(&key).await {
                Ok(known) if known.meta.modified < before => {
                    self.delete(&key).await?;
                    deleted += 1;
                }
                Ok(_) | Err(StorageError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }
}
