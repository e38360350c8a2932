//! Which versions are visible here, remembered: a version never becomes invisible again
//! by itself, and its recorded entity tags say which bytes belong together. Only what is
//! final is remembered.

use std::sync::Arc;

use futures_util::join;
use moka::sync::Cache;
use stoa_shared::{
    answer::{Answer, Question},
    catalog::{CatalogEntry, StoredFile},
    module::{ModulePath, Version},
    storage::{
        GetOptions, Object, Storage, StorageError, StorageKey, head_if_present, if_present,
        read_small, unavailable,
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many versions are remembered, at a few hundred bytes each.
const REMEMBERED: u64 = 32_768;

/// Entries looked up aside at a time: under load most first reads go without.
const CONCURRENT_LOOKUPS: usize = 2;

/// One version of one module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ModuleVersion {
    pub(crate) module: ModulePath,
    pub(crate) version: Version,
}

/// Where a visible version's files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Info, mod and zip at the module's own path.
    Module,
    /// Info and mod only, aside: the zip cannot exist, or was not to be had so far.
    ModOnly,
}

/// What is known of a visible version.
#[derive(Debug, Clone)]
pub(crate) struct Visible {
    pub(crate) space: Space,
    /// `None` until it was looked up, and for what was copied in and not recorded yet.
    pub(crate) entry: Option<Arc<CatalogEntry>>,
}

impl Visible {
    /// Whether its files stay as they are. What lies aside only because there was no zip
    /// yet gives way to a fill that brings one: nothing has vouched for its go.mod.
    pub(crate) fn is_final(&self) -> bool {
        let can_have_no_zip = |entry: &Arc<CatalogEntry>| entry.zip_refusal.is_some();
        self.space == Space::Module || self.entry.as_ref().is_some_and(can_have_no_zip)
    }

    /// What was recorded of its go.mod.
    pub(crate) fn recorded_go_mod(&self) -> Option<&StoredFile> {
        let entry = self.entry.as_deref().filter(|entry| self.is_described_by(entry));
        entry.map(|entry| &entry.go_mod)
    }

    /// Whether an entry is of the files that are visible. What lies at the module's own path
    /// was recorded with its zip: one without is of what lies aside.
    fn is_described_by(&self, entry: &CatalogEntry) -> bool {
        entry.zip.is_some() == (self.space == Space::Module)
    }
}

/// Bounded memory of visible versions that are final, over storage.
pub(crate) struct Versions {
    storage: Arc<dyn Storage>,
    visible: Cache<ModuleVersion, Visible>,
    lookups: Arc<Semaphore>,
}

impl ModuleVersion {
    /// The question whose stored answer says why it could not be filled.
    pub(crate) fn question(&self) -> Question {
        Question::Fill(self.version.clone())
    }

    pub(crate) fn info_key(&self, space: Space) -> StorageKey {
        match space {
            Space::Module => StorageKey::info(&self.module, &self.version),
            Space::ModOnly => StorageKey::mod_only_info(&self.module, &self.version),
        }
    }

    pub(crate) fn go_mod_key(&self, space: Space) -> StorageKey {
        match space {
            Space::Module => StorageKey::go_mod(&self.module, &self.version),
            Space::ModOnly => StorageKey::mod_only_go_mod(&self.module, &self.version),
        }
    }

    pub(crate) fn zip_key(&self) -> StorageKey {
        StorageKey::zip(&self.module, &self.version)
    }
}

impl Versions {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            visible: Cache::new(REMEMBERED),
            lookups: Arc::new(Semaphore::new(CONCURRENT_LOOKUPS)),
        }
    }

    /// The version if it is visible: remembered, or by its `.info` in storage.
    pub(crate) async fn find(&self, id: &ModuleVersion) -> Result<Option<Visible>, StorageError> {
        if let Some(visible) = self.visible.get(id) {
            return Ok(Some(visible));
        }
        for space in [Space::Module, Space::ModOnly] {
            if head_if_present(&*self.storage, &id.info_key(space)).await?.is_some() {
                return self.saw(id, space).await.map(Some);
            }
        }
        Ok(None)
    }

    /// The same with its catalog entry, which is looked up beside `.info`: a read that is to
    /// be checked against it waits no longer for that.
    pub(crate) async fn find_recorded(
        &self,
        id: &ModuleVersion,
    ) -> Result<Option<Visible>, StorageError> {
        if let Some(visible) = self.visible.get(id) {
            return self.with_entry(id, visible).await.map(Some);
        }
        let (visible, entry) = join!(self.find(id), read_entry(&*self.storage, id));
        let Some(visible) = visible? else { return Ok(None) };
        let is_of_it = |entry: &CatalogEntry| visible.is_described_by(entry);
        match entry?.filter(is_of_it) {
            Some(entry) => Ok(Some(self.recorded(id, visible, Some(entry)))),
            // It may have become visible in between, after its entry.
            None => self.with_entry(id, visible).await.map(Some),
        }
    }

    /// Opens `.info`, which shows whether the version is visible.
    pub(crate) async fn open_info(
        &self,
        id: &ModuleVersion,
    ) -> Result<Option<(Object, Visible)>, StorageError> {
        for space in [Space::Module, Space::ModOnly] {
            let opened = self.storage.get(&id.info_key(space), GetOptions::default()).await;
            if let Some(object) = if_present(opened)? {
                return Ok(Some((object, self.saw(id, space).await?)));
            }
        }
        Ok(None)
    }

    /// Looks up the catalog entry of a visible version and remembers it if that is final.
    pub(crate) async fn with_entry(
        &self,
        id: &ModuleVersion,
        visible: Visible,
    ) -> Result<Visible, StorageError> {
        if visible.entry.is_some() {
            return Ok(visible);
        }
        let entry = read_entry(&*self.storage, id).await?;
        Ok(self.recorded(id, visible, entry))
    }

    /// A visible version with what was looked up of it, which is remembered if it is final.
    fn recorded(
        &self,
        id: &ModuleVersion,
        visible: Visible,
        entry: Option<CatalogEntry>,
    ) -> Visible {
        let is_of_it = entry.as_ref().is_none_or(|entry| visible.is_described_by(entry));
        let visible = Visible { entry: entry.map(Arc::new), ..visible };
        if is_of_it && visible.is_final() {
            self.visible.insert(id.clone(), visible.clone());
        }
        visible
    }

    /// Leave to look up an entry aside, unless enough others do; held while it lasts.
    pub(crate) fn lookup_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lookups).try_acquire_owned().ok()
    }

    /// What was remembered turned out wrong: look again next time.
    pub(crate) fn forget(&self, id: &ModuleVersion) {
        self.visible.invalidate(id);
    }

    /// Remembers that the version is visible, keeping the entry that is already known.
    /// Of what lies aside the entry says whether there is anything to remember.
    async fn saw(&self, id: &ModuleVersion, space: Space) -> Result<Visible, StorageError> {
        let seen = Visible { space, entry: None };
        match space {
            Space::Module => Ok(self.visible.entry_by_ref(id).or_insert(seen).into_value()),
            Space::ModOnly => self.with_entry(id, seen).await,
        }
    }
}

/// Whether the version can have no zip, as its catalog entry says.
pub(crate) async fn has_no_zip(
    storage: &dyn Storage,
    id: &ModuleVersion,
) -> Result<bool, StorageError> {
    let entry = read_entry(storage, id).await?;
    Ok(entry.is_some_and(|entry| entry.zip_refusal.is_some()))
}

async fn read_entry(
    storage: &dyn Storage,
    id: &ModuleVersion,
) -> Result<Option<CatalogEntry>, StorageError> {
    let key = StorageKey::catalog_entry(&id.module, &id.version);
    let Some((bytes, _)) = read_small(storage, &key).await? else { return Ok(None) };
    // Not to be taken for none: which bytes belong together is not known then.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| unavailable(&key, error.into()))
}

/// The stored answer to a question, empty if there is none. One that cannot be read, of a
/// newer program or damaged, is none either: it is asked anew and written over.
pub(crate) async fn read_answer(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
) -> Result<Answer, StorageError> {
    let read = read_small(storage, &StorageKey::answer(module, question)).await?;
    Ok(read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}
