//! The one write order: zip, go.mod, catalog entry, `.info`. What has no `.info` does
//! not exist, so a crash anywhere leaves orphans that the next fill replaces.

mod recording;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use jiff::Timestamp;
use stoa_shared::{
    catalog::{CatalogEntry, Status, StoredFile},
    module::{ModulePath, Origin, Version, VersionInfo, hash_go_mod},
    storage::{
        Body, ETag, ObjectMeta, StorageError, StorageKey, head_if_present, read_small, unavailable,
    },
};

use crate::{
    claim::Claim,
    failure::Failure,
    foreign_zip::ForeignZip,
    jobs::{Opened, Worker},
    pack::Plan,
    resolve::Resolved,
};

use recording::{Recording, Zip};

impl Worker {
    /// Whether anything of the version is there. Mostly there is not, and then one look has
    /// shown all that there is to know.
    async fn has_any_of(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<bool, StorageError> {
        let keys = [
            StorageKey::info(module, version),
            StorageKey::go_mod(module, version),
            StorageKey::zip(module, version),
            StorageKey::catalog_entry(module, version),
            StorageKey::mod_only_info(module, version),
            StorageKey::mod_only_go_mod(module, version),
        ];
        self.storage.has_any(&keys).await
    }

    /// Whether everything of the version is in place, recorded as it lies there. What
    /// only lacks its record (a version that was copied in, objects that were moved to
    /// another disk) is recorded anew from the stored files, without asking the origin.
    pub(crate) async fn is_complete(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<bool, Failure> {
        if !self.has_any_of(module, version).await? {
            return Ok(false);
        }
        let found = self.entry(module, version).await?;
        let entry = found.as_ref().map(|(entry, _)| entry);
        // A zip that could not be had, but can exist, is asked for again.
        let cannot_have_zip =
            |entry: &CatalogEntry| entry.zip.is_none() && entry.zip_refusal.is_some();
        if entry.is_some_and(cannot_have_zip) {
            let info = self.etag(&StorageKey::mod_only_info(module, version)).await?;
            let go_mod = self.etag(&StorageKey::mod_only_go_mod(module, version)).await?;
            return Ok(info.is_some() && go_mod.is_some());
        }
        if self.etag(&StorageKey::info(module, version)).await?.is_none() {
            return Ok(false);
        }
        let keys = (StorageKey::go_mod(module, version), StorageKey::zip(module, version));
        let (Some(go_mod), Some(zip)) = (self.etag(&keys.0).await?, self.etag(&keys.1).await?)
        else {
            return Ok(false);
        };
        let fits = |entry: &CatalogEntry| {
            entry.go_mod.etag == go_mod
                && entry.zip.as_ref().is_some_and(|recorded| recorded.etag == zip)
        };
        if !entry.is_some_and(fits) {
            self.adopt(module, version, found).await?;
        }
        Ok(true)
    }

    /// Makes the catalog entry of a visible version from its stored files, and writes it
    /// unless another has done so meanwhile. Sums that an earlier entry recorded must
    /// still hold.
    async fn adopt(
        &self,
        module: &ModulePath,
        version: &Version,
        found: Option<(CatalogEntry, ETag)>,
    ) -> Result<(), Failure> {
        let storage = &*self.storage;
        let info = self.stored_info(module, version).await?;
        let keys = (StorageKey::go_mod(module, version), StorageKey::zip(module, version));
        let (go_mod, go_mod_meta) = self.stored(&keys.0).await?;
        let zip_meta = storage.head(&keys.1).await?;
        let (recorded, etag) = found.unzip();
        let status = recorded.as_ref().map_or(Status::Live, |recorded| recorded.status);
        let entry = CatalogEntry {
            status,
            go_mod: StoredFile {
                sum: hash_go_mod(&go_mod),
                size: go_mod_meta.size,
                etag: go_mod_meta.etag,
            },
            zip: Some(StoredFile {
                sum: crate::stored_zip::sum(storage, &keys.1).await?,
                size: zip_meta.size,
                etag: zip_meta.etag,
            }),
            zip_refusal: None,
            time: info.time,
            origin: info.origin,
            recorded_at: Timestamp::now(),
        };
        let sum_of_zip = |entry: &CatalogEntry| entry.zip.as_ref().map(|zip| zip.sum);
        if let Some(recorded) = recorded
            && (recorded.go_mod.sum != entry.go_mod.sum
                || sum_of_zip(&recorded) != sum_of_zip(&entry))
        {
            tracing::error!(module.path = %module, module.version = %version, "stored files differ from their recorded sums");
            return Err(Failure::Conflict(format!(
                "{module}@{version}: the stored files differ from their recorded sums"
            )));
        }
        let key = StorageKey::catalog_entry(module, version);
        let bytes = serde_json::to_vec(&entry).expect("an entry always serialises");
        let written = match &etag {
            None => storage.create(&key, Body::from(bytes)).await,
            Some(etag) => storage.swap(&key, etag, Body::from(bytes)).await,
        };
        match written {
            Ok(_)
            | Err(StorageError::AlreadyExists { .. } | StorageError::PreconditionFailed { .. }) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Packs and stores a resolved version, or completes what is there of it, and
    /// returns its `.info`.
    pub(crate) async fn record(
        &self,
        module: &ModulePath,
        opened: &Opened,
        resolved: &Resolved,
    ) -> Result<VersionInfo, Failure> {
        let claim = self.await_claim(module, &resolved.version).await?;
        if self.is_complete(module, &resolved.version).await? {
            return self.stored_info(module, &resolved.version).await;
        }
        self.record_claimed(&claim, module, opened, resolved).await
    }

    /// The same for a version that is claimed and was seen to be incomplete.
    pub(crate) async fn record_claimed(
        &self,
        claim: &Claim,
        module: &ModulePath,
        opened: &Opened,
        resolved: &Resolved,
    ) -> Result<VersionInfo, Failure> {
        let info = info(opened, resolved);
        let go_mod = resolved.go_mod.clone();
        let recording = Recording { worker: self, claim, module, info, go_mod };
        let plan = Plan::make(&opened.repository, module, resolved, self.max_files);
        match plan.await? {
            Ok(plan) => recording.store(Zip::Planned(plan)).await,
            Err(refusal) => recording.store_mod_only(Some(refusal.to_string())).await,
        }
    }

    /// Stores a claimed version that was seen to be incomplete from a server's files.
    pub(crate) async fn record_foreign(
        &self,
        claim: &Claim,
        module: &ModulePath,
        documents: Documents,
        zip: ForeignZip,
    ) -> Result<VersionInfo, Failure> {
        let Documents { info, go_mod } = documents;
        let recording = Recording { worker: self, claim, module, info, go_mod };
        recording.store(Zip::Foreign(zip)).await
    }

    /// Has storage make ready for a version whose files are still on their way.
    pub(crate) async fn expect(&self, module: &ModulePath, version: &Version) {
        // One for each directory.
        let keys = (StorageKey::info(module, version), StorageKey::catalog_entry(module, version));
        tokio::join!(self.storage.expect(&keys.0), self.storage.expect(&keys.1));
    }

    /// The same where the server has no zip: what is there is served, and the zip is asked
    /// for again by whoever needs it.
    pub(crate) async fn record_without_zip(
        &self,
        claim: &Claim,
        module: &ModulePath,
        documents: Documents,
    ) -> Result<VersionInfo, Failure> {
        let Documents { info, go_mod } = documents;
        let recording = Recording { worker: self, claim, module, info, go_mod };
        recording.store_mod_only(None).await
    }

    async fn entry(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<Option<(CatalogEntry, ETag)>, Failure> {
        let key = StorageKey::catalog_entry(module, version);
        let Some((bytes, meta)) = read_small(&*self.storage, &key).await? else {
            return Ok(None);
        };
        // An entry that a newer program wrote must not be taken for none and replaced.
        let entry = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Internal(format!("{key}: unreadable: {error}")))?;
        Ok(Some((entry, meta.etag)))
    }

    pub(crate) async fn stored_info(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<VersionInfo, Failure> {
        for key in [StorageKey::info(module, version), StorageKey::mod_only_info(module, version)] {
            if let Some((bytes, _)) = read_small(&*self.storage, &key).await? {
                return serde_json::from_slice(&bytes)
                    .map_err(|error| Failure::Internal(format!("{key}: {error}")));
            }
        }
        Err(Failure::Internal(format!("{module}@{version}: .info vanished")))
    }

    async fn etag(&self, key: &StorageKey) -> Result<Option<ETag>, StorageError> {
        Ok(head_if_present(&*self.storage, key).await?.map(|meta| meta.etag))
    }

    /// A small object that was there a moment ago.
    async fn stored(&self, key: &StorageKey) -> Result<(Bytes, ObjectMeta), StorageError> {
        let vanished = || unavailable(key, std::io::ErrorKind::NotFound.into());
        read_small(&*self.storage, key).await?.ok_or_else(vanished)
    }
}

/// What a server says of a version.
pub(crate) struct Documents {
    pub(crate) info: VersionInfo,
    /// The bytes of `.mod`.
    pub(crate) go_mod: Bytes,
}

fn info(opened: &Opened, resolved: &Resolved) -> VersionInfo {
    let reference = resolved.tag.as_ref().map(|tag| format!("refs/tags/{tag}"));
    VersionInfo {
        version: resolved.version.clone(),
        time: Some(resolved.time),
        origin: Some(Origin {
            vcs: "git".to_owned(),
            url: opened.url.clone(),
            subdir: opened.place.code_dir.clone(),
            hash: resolved.commit.to_string(),
            reference: reference.unwrap_or_default(),
        }),
    }
}
