//! The one write order: zip, go.mod, catalog entry, `.info`. What has no `.info` does
//! not exist, so a crash anywhere leaves orphans that the next fill replaces.

use bytes::Bytes;
use jiff::Timestamp;
use stoa_shared::{
    catalog::{CatalogEntry, Status, StoredFile},
    module::{ModuleHash, ModulePath, Origin, Version, VersionInfo, hash_go_mod},
    storage::{
        Body, ETag, ObjectMeta, Storage, StorageError, StorageKey, head_if_present, read_small,
        unavailable,
    },
};

use crate::{
    claim::Claim,
    failure::Failure,
    foreign_zip::ForeignZip,
    jobs::{Opened, Worker},
    pack::{Packed, Plan},
    resolve::Resolved,
};

impl Worker {
    /// Whether everything of the version is in place, recorded as it lies there. What
    /// only lacks its record (a version that was copied in, objects that were moved to
    /// another disk) is recorded anew from the stored files, without asking the origin.
    pub(crate) async fn is_complete(
        &self,
        module: &ModulePath,
        version: &Version,
    ) -> Result<bool, Failure> {
        let entry = self.entry(module, version).await?;
        // A zip that could not be had, but can exist, is asked for again.
        let cannot_have_zip =
            |entry: &CatalogEntry| entry.zip.is_none() && entry.zip_refusal.is_some();
        if entry.as_ref().is_some_and(cannot_have_zip) {
            let info = self.etag(&StorageKey::mod_only_info(module, version)).await?;
            let go_mod = self.etag(&StorageKey::mod_only_go_mod(module, version)).await?;
            return Ok(info.is_some() && go_mod.is_some());
        }
        let keys = (StorageKey::go_mod(module, version), StorageKey::zip(module, version));
        let (Some(_), Some(go_mod), Some(zip)) = (
            self.etag(&StorageKey::info(module, version)).await?,
            self.etag(&keys.0).await?,
            self.etag(&keys.1).await?,
        ) else {
            return Ok(false);
        };
        let fits = |entry: &CatalogEntry| {
            entry.go_mod.etag == go_mod
                && entry.zip.as_ref().is_some_and(|recorded| recorded.etag == zip)
        };
        if !entry.as_ref().is_some_and(fits) {
            self.adopt(module, version, entry).await?;
        }
        Ok(true)
    }

    /// Makes the catalog entry of a visible version from its stored files. Sums that an
    /// earlier entry recorded must still hold.
    async fn adopt(
        &self,
        module: &ModulePath,
        version: &Version,
        recorded: Option<CatalogEntry>,
    ) -> Result<(), Failure> {
        let storage = &*self.storage;
        let info = self.stored_info(module, version).await?;
        let keys = (StorageKey::go_mod(module, version), StorageKey::zip(module, version));
        let (go_mod, go_mod_meta) = self.stored(&keys.0).await?;
        let zip_meta = storage.head(&keys.1).await?;
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
        storage.put(&key, Body::from(bytes)).await?;
        Ok(())
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
    ) -> Result<Option<CatalogEntry>, Failure> {
        let key = StorageKey::catalog_entry(module, version);
        let Some((bytes, _)) = read_small(&*self.storage, &key).await? else { return Ok(None) };
        // An entry that a newer program wrote must not be taken for none and replaced.
        let entry = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Internal(format!("{key}: unreadable: {error}")))?;
        Ok(Some(entry))
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

/// Where the zip's bytes come from.
enum Zip {
    /// A tree that is packed while it is written.
    Planned(Plan),
    /// A server's, checked.
    Foreign(ForeignZip),
}

impl Zip {
    async fn write(
        &self,
        storage: &dyn Storage,
        key: &StorageKey,
        replaced: Option<&ETag>,
    ) -> Result<(Packed, ObjectMeta), Failure> {
        match self {
            Self::Planned(plan) => plan.write(storage, key, replaced).await,
            Self::Foreign(zip) => zip.write(storage, key, replaced).await,
        }
    }

    async fn sum(&self) -> Result<ModuleHash, Failure> {
        match self {
            Self::Planned(plan) => plan.sum().await,
            Self::Foreign(zip) => Ok(zip.sum()),
        }
    }
}

/// One version on its way into storage.
struct Recording<'a> {
    worker: &'a Worker,
    claim: &'a Claim,
    module: &'a ModulePath,
    info: VersionInfo,
    go_mod: Bytes,
}

impl Recording<'_> {
    async fn store(self, zip: Zip) -> Result<VersionInfo, Failure> {
        let (module, version) = (self.module, &self.info.version);
        let info_key = StorageKey::info(module, version);
        let is_visible = self.is_visible().await?;
        self.claim.check().await?;
        // Neither is seen before the entry and `.info`: they may be written side by side.
        let go_mod_key = StorageKey::go_mod(module, version);
        let (zip, go_mod) = tokio::try_join!(
            self.store_zip(zip, is_visible),
            self.store_go_mod(&go_mod_key, is_visible)
        )?;
        self.store_entry(self.entry(go_mod, Some(zip), None)).await?;
        self.store_info(&info_key).await
    }

    /// Stores what there is without a zip, which cannot exist if there is a `refusal`.
    async fn store_mod_only(self, refusal: Option<String>) -> Result<VersionInfo, Failure> {
        let (module, version) = (self.module, &self.info.version);
        let is_visible = self.is_visible().await?;
        self.claim.check().await?;
        if is_visible {
            // Readers look beside the `.info` that was copied in.
            self.store_go_mod(&StorageKey::go_mod(module, version), true).await?;
            if refusal.is_none() {
                return self.worker.stored_info(module, version).await;
            }
        }
        let info_key = StorageKey::mod_only_info(module, version);
        let is_mod_only = self.worker.etag(&info_key).await?.is_some();
        let go_mod_key = StorageKey::mod_only_go_mod(module, version);
        let go_mod = self.store_go_mod(&go_mod_key, is_mod_only).await?;
        self.store_entry(self.entry(go_mod, None, refusal)).await?;
        self.store_info(&info_key).await
    }

    /// Whether the version is visible at the module's own path. What clients have seen of
    /// it, there or aside, must be what we have: a version of which only a part is here is
    /// completed from the commit that its `.info` is of, or not at all, because what a
    /// reader gets belongs together.
    async fn is_visible(&self) -> Result<bool, Failure> {
        let (module, version) = (self.module, &self.info.version);
        let own = (StorageKey::info(module, version), StorageKey::go_mod(module, version));
        let aside = (
            StorageKey::mod_only_info(module, version),
            StorageKey::mod_only_go_mod(module, version),
        );
        let mut is_visible = false;
        for (info_key, go_mod_key) in [&own, &aside] {
            let storage = &*self.worker.storage;
            let Some((info, _)) = read_small(storage, info_key).await? else { continue };
            is_visible |= *info_key == own.0;
            let info: VersionInfo = serde_json::from_slice(&info)
                .map_err(|error| Failure::Internal(format!("{info_key}: {error}")))?;
            if !is_of_one_commit(&info, &self.info) {
                return Err(self.conflict(".info"));
            }
            let go_mod = read_small(storage, go_mod_key).await?;
            if go_mod.is_some_and(|(go_mod, _)| go_mod != self.go_mod) {
                return Err(self.conflict("go.mod"));
            }
        }
        Ok(is_visible)
    }

    /// Writes the zip. An orphan is replaced; the zip of a visible version, which only
    /// lacks its entry, is kept if it is the same and never replaced.
    async fn store_zip(&self, zip: Zip, is_visible: bool) -> Result<StoredFile, Failure> {
        let key = StorageKey::zip(self.module, &self.info.version);
        let storage = &*self.worker.storage;
        let lying_there = head_if_present(storage, &key).await?;
        let stored = |packed: Packed, meta: ObjectMeta| StoredFile {
            sum: packed.sum,
            size: packed.size,
            etag: meta.etag,
        };
        match lying_there {
            None => {
                let (packed, meta) = zip.write(storage, &key, None).await?;
                Ok(stored(packed, meta))
            }
            Some(meta) if is_visible => {
                let ours = zip.sum().await?;
                let theirs = crate::stored_zip::sum(storage, &key).await?;
                self.agree("zip", &ours, &theirs)?;
                Ok(StoredFile { sum: theirs, size: meta.size, etag: meta.etag })
            }
            Some(orphan) => {
                let (packed, meta) = zip.write(storage, &key, Some(&orphan.etag)).await?;
                Ok(stored(packed, meta))
            }
        }
    }

    async fn store_go_mod(
        &self,
        key: &StorageKey,
        is_visible: bool,
    ) -> Result<StoredFile, Failure> {
        let go_mod = &self.go_mod;
        let sum = hash_go_mod(go_mod);
        let meta = self.create_or_replace(key, go_mod, is_visible, "go.mod").await?;
        Ok(StoredFile { sum, size: go_mod.len() as u64, etag: meta.etag })
    }

    async fn store_entry(&self, entry: CatalogEntry) -> Result<(), Failure> {
        let key = StorageKey::catalog_entry(self.module, &self.info.version);
        let bytes = Bytes::from(serde_json::to_vec(&entry).expect("an entry always serialises"));
        self.claim.check().await?;
        self.create_or_replace(&key, &bytes, false, "catalog entry").await?;
        Ok(())
    }

    /// The last write: from here on the version exists.
    async fn store_info(self, key: &StorageKey) -> Result<VersionInfo, Failure> {
        self.claim.check().await?;
        let bytes = serde_json::to_vec(&self.info).expect("an info always serialises");
        match self.worker.storage.create(key, Body::from(bytes)).await {
            Ok(_) => {
                self.worker.metrics.stored_versions().inc();
                Ok(self.info)
            }
            Err(StorageError::AlreadyExists { .. }) => {
                self.worker.stored_info(self.module, &self.info.version).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a small object, or replaces what a fill that died left there. What
    /// belongs to a visible version must be the same and is kept.
    async fn create_or_replace(
        &self,
        key: &StorageKey,
        bytes: &Bytes,
        is_visible: bool,
        what: &str,
    ) -> Result<ObjectMeta, Failure> {
        let storage = &*self.worker.storage;
        match storage.create(key, bytes.clone().into()).await {
            Err(StorageError::AlreadyExists { .. }) => {}
            outcome => return Ok(outcome?),
        }
        let (theirs, meta) = self.worker.stored(key).await?;
        if is_visible {
            if theirs != *bytes {
                return Err(self.conflict(what));
            }
            return Ok(meta);
        }
        Ok(storage.swap(key, &meta.etag, bytes.clone().into()).await?)
    }

    fn entry(
        &self,
        go_mod: StoredFile,
        zip: Option<StoredFile>,
        zip_refusal: Option<String>,
    ) -> CatalogEntry {
        CatalogEntry {
            status: Status::Live,
            go_mod,
            zip,
            zip_refusal,
            time: self.info.time,
            origin: self.info.origin.clone(),
            recorded_at: Timestamp::now(),
        }
    }

    fn agree(&self, what: &str, ours: &ModuleHash, theirs: &ModuleHash) -> Result<(), Failure> {
        if ours == theirs { Ok(()) } else { Err(self.conflict(what)) }
    }

    /// What clients have seen stays; that the origin says otherwise now is an alarm.
    fn conflict(&self, what: &str) -> Failure {
        let (module, version) = (self.module, &self.info.version);
        tracing::error!(module.path = %module, module.version = %version, what, "origin differs from what is stored");
        Failure::Conflict(format!(
            "{module}@{version}: the stored {what} differs from the origin's"
        ))
    }
}

/// Whether two `.info` may be of the same commit, as far as both say. One that was copied
/// in, or a server's, need not name its commit.
fn is_of_one_commit(theirs: &VersionInfo, ours: &VersionInfo) -> bool {
    fn hash(info: &VersionInfo) -> Option<&str> {
        let hash = info.origin.as_ref().map(|origin| &*origin.hash);
        hash.filter(|hash| !hash.is_empty())
    }
    match (hash(theirs), hash(ours)) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => match (theirs.time, ours.time) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => true,
        },
    }
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
