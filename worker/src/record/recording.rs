//! One version on its way into storage.
//!
//! Every write is conditional on what lay there while the claim was known to hold. A
//! write that was on its way for so long that another worker took over meanwhile then
//! changes nothing any more, however late it arrives.

use bytes::Bytes;
use jiff::Timestamp;
use stoa_shared::{
    catalog::{CatalogEntry, Status, StoredFile},
    module::{ModuleHash, ModulePath, VersionInfo, hash_go_mod},
    storage::{
        Body, ETag, ObjectMeta, Storage, StorageError, StorageKey, head_if_present, read_small,
    },
};

use crate::{
    claim::{Claim, ClaimError},
    failure::Failure,
    foreign_zip::ForeignZip,
    jobs::Worker,
    pack::{Packed, Plan},
};

/// Where the zip's bytes come from.
pub(super) enum Zip {
    /// A tree that is packed while it is written.
    Planned(Plan),
    /// A server's, checked.
    Foreign(ForeignZip),
}

impl Zip {
    async fn write(
        self,
        storage: &dyn Storage,
        key: &StorageKey,
        replaced: Option<&ETag>,
    ) -> Result<(Packed, ObjectMeta), Failure> {
        match self {
            Self::Planned(plan) => plan.write(storage, key, replaced).await,
            Self::Foreign(zip) => zip.write(storage, key, replaced).await,
        }
    }

    async fn sum(self) -> Result<ModuleHash, Failure> {
        match self {
            Self::Planned(plan) => plan.sum().await,
            Self::Foreign(zip) => Ok(zip.sum()),
        }
    }
}

/// The entity tags of what lies under a version's names before anything is written.
#[derive(Default)]
struct Found {
    zip: Option<ObjectMeta>,
    go_mod: Option<ETag>,
    entry: Option<ETag>,
}

/// One version on its way into storage.
pub(super) struct Recording<'a> {
    pub(super) worker: &'a Worker,
    pub(super) claim: &'a Claim,
    pub(super) module: &'a ModulePath,
    pub(super) info: VersionInfo,
    pub(super) go_mod: Bytes,
}

impl Recording<'_> {
    pub(super) async fn store(self, zip: Zip) -> Result<VersionInfo, Failure> {
        let (module, version) = (self.module, &self.info.version);
        let info_key = StorageKey::info(module, version);
        let go_mod_key = StorageKey::go_mod(module, version);
        // Looked at now, after the fetch: somebody may have copied files in meanwhile.
        let (is_visible, found) = match self.worker.has_any_of(module, version).await? {
            false => (false, Found::default()),
            true => tokio::try_join!(self.is_visible(true), self.look(&go_mod_key))?,
        };
        self.claim.check().await?;
        // Neither is seen before the entry and `.info`: they may be written side by side.
        let (zip, go_mod, info) = tokio::try_join!(
            self.store_zip(zip, found.zip, is_visible),
            self.store_go_mod(&go_mod_key, found.go_mod, is_visible),
            self.stage_info()
        )?;
        self.store_entry(self.entry(go_mod, Some(zip), None), found.entry).await?;
        self.store_info(&info_key, info).await
    }

    /// Stores what there is without a zip, which cannot exist if there is a `refusal`.
    pub(super) async fn store_mod_only(
        self,
        refusal: Option<String>,
    ) -> Result<VersionInfo, Failure> {
        let (module, version) = (self.module, &self.info.version);
        let is_visible = self.is_visible(false).await?;
        if is_visible {
            // Readers look beside the `.info` that was copied in.
            let go_mod_key = StorageKey::go_mod(module, version);
            let found = self.look(&go_mod_key).await?;
            self.claim.check().await?;
            self.store_go_mod(&go_mod_key, found.go_mod, true).await?;
            if refusal.is_none() {
                return self.worker.stored_info(module, version).await;
            }
        }
        let info_key = StorageKey::mod_only_info(module, version);
        let is_mod_only = self.worker.etag(&info_key).await?.is_some();
        let go_mod_key = StorageKey::mod_only_go_mod(module, version);
        let found = self.look(&go_mod_key).await?;
        self.claim.check().await?;
        let go_mod = self.store_go_mod(&go_mod_key, found.go_mod, is_mod_only).await?;
        self.store_entry(self.entry(go_mod, None, refusal), found.entry).await?;
        let info = self.stage_info().await?;
        self.store_info(&info_key, info).await
    }

    /// Whether the version is visible at the module's own path. What clients have seen of
    /// it, there or aside, must be what we have: a version of which only a part is here is
    /// completed from the commit that its `.info` is of, or not at all, because what a
    /// reader gets belongs together. But what lies aside only because there was no zip yet
    /// gives way to one that agrees with its own `.mod`: nothing has vouched for it.
    async fn is_visible(&self, has_zip: bool) -> Result<bool, Failure> {
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
            if *info_key == aside.0 && has_zip && self.is_provisional().await? {
                continue;
            }
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

    /// Whether what lies aside does so only because there was no zip yet.
    async fn is_provisional(&self) -> Result<bool, Failure> {
        let entry = self.worker.entry(self.module, &self.info.version).await?;
        Ok(entry.is_some_and(|(entry, _)| entry.zip.is_none() && entry.zip_refusal.is_none()))
    }

    /// What lies there. Looked at before the claim is checked: as long as that holds,
    /// nobody else has written since.
    async fn look(&self, go_mod_key: &StorageKey) -> Result<Found, Failure> {
        let (module, version) = (self.module, &self.info.version);
        let (zip, entry) =
            (StorageKey::zip(module, version), StorageKey::catalog_entry(module, version));
        let (zip, go_mod, entry) = tokio::try_join!(
            head_if_present(&*self.worker.storage, &zip),
            self.worker.etag(go_mod_key),
            self.worker.etag(&entry)
        )?;
        Ok(Found { zip, go_mod, entry })
    }

    /// Writes the zip. An orphan is replaced; the zip of a visible version, which only
    /// lacks its entry, is kept if it is the same and never replaced.
    async fn store_zip(
        &self,
        zip: Zip,
        found: Option<ObjectMeta>,
        is_visible: bool,
    ) -> Result<StoredFile, Failure> {
        let key = StorageKey::zip(self.module, &self.info.version);
        let storage = &*self.worker.storage;
        let stored = |packed: Packed, meta: ObjectMeta| StoredFile {
            sum: packed.sum,
            size: packed.size,
            etag: meta.etag,
        };
        match found {
            None => {
                let written = zip.write(storage, &key, None).await;
                let (packed, meta) = written.map_err(|failure| self.unless_overtaken(failure))?;
                Ok(stored(packed, meta))
            }
            Some(meta) if is_visible => {
                let ours = zip.sum().await?;
                let theirs = crate::stored_zip::sum(storage, &key).await?;
                self.agree("zip", &ours, &theirs)?;
                Ok(StoredFile { sum: theirs, size: meta.size, etag: meta.etag })
            }
            Some(orphan) => {
                let written = zip.write(storage, &key, Some(&orphan.etag)).await;
                let (packed, meta) = written.map_err(|failure| self.unless_overtaken(failure))?;
                Ok(stored(packed, meta))
            }
        }
    }

    async fn store_go_mod(
        &self,
        key: &StorageKey,
        found: Option<ETag>,
        is_visible: bool,
    ) -> Result<StoredFile, Failure> {
        let go_mod = &self.go_mod;
        let sum = hash_go_mod(go_mod);
        let meta = if is_visible && found.is_some() {
            let (theirs, meta) = self.worker.stored(key).await?;
            if theirs != *go_mod {
                return Err(self.conflict("go.mod"));
            }
            meta
        } else {
            self.write(key, go_mod, found).await?
        };
        Ok(StoredFile { sum, size: go_mod.len() as u64, etag: meta.etag })
    }

    async fn store_entry(&self, entry: CatalogEntry, found: Option<ETag>) -> Result<(), Failure> {
        let key = StorageKey::catalog_entry(self.module, &self.info.version);
        let bytes = Bytes::from(serde_json::to_vec(&entry).expect("an entry always serialises"));
        self.claim.check().await?;
        self.write(&key, &bytes, found).await?;
        Ok(())
    }

    async fn stage_info(&self) -> Result<Body, Failure> {
        let bytes = serde_json::to_vec(&self.info).expect("an info always serialises");
        Ok(self.worker.storage.stage(bytes.into()).await?)
    }

    /// The last write: from here on the version exists.
    async fn store_info(self, key: &StorageKey, info: Body) -> Result<VersionInfo, Failure> {
        self.claim.check().await?;
        match self.worker.storage.create(key, info).await {
            Ok(_) => {
                self.worker.metrics.stored_versions().inc();
                Ok(self.info)
            }
            Err(StorageError::AlreadyExists { .. }) => {
                let stored = self.worker.stored_info(self.module, &self.info.version).await?;
                match is_of_one_commit(&stored, &self.info) {
                    true => Ok(stored),
                    false => Err(self.conflict(".info")),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a small object, or replaces what a fill that died left there.
    async fn write(
        &self,
        key: &StorageKey,
        bytes: &Bytes,
        found: Option<ETag>,
    ) -> Result<ObjectMeta, Failure> {
        let storage = &*self.worker.storage;
        let written = match found {
            None => storage.create(key, bytes.clone().into()).await,
            Some(orphan) => storage.swap(key, &orphan, bytes.clone().into()).await,
        };
        written.map_err(|error| self.unless_overtaken(error.into()))
    }

    /// That something else lies there than was found says that another worker has taken
    /// over: what it stored stays, and this job looks again.
    fn unless_overtaken(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Storage(
                StorageError::AlreadyExists { .. }
                | StorageError::PreconditionFailed { .. }
                | StorageError::NotFound { .. },
            ) => {
                let subject = format!("{}@{}", self.module, self.info.version);
                Failure::Claim(ClaimError::Lost { subject })
            }
            failure => failure,
        }
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
