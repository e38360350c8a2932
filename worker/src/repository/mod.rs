//! A remote repository as the resolver sees it: a short-lived ref listing, and
//! immutable facts about its commits, each fetched at most once.

mod history;
mod record;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use stoa_shared::storage::Storage;
use tokio::sync::Mutex;
use tracing::Instrument;

pub use history::{Abbreviation, History};
pub use record::{Listing, RepositoryRecord};

use crate::{
    failure::Failure,
    vcs::{
        Contents, FetchRequest, History as Depth, ObjectId, RefListing, Remote, Vcs, VcsError,
        git::ConvertedFiles,
        pack::{Mode, ObjectStore},
    },
};

/// How long and how much is remembered of repositories.
#[derive(Debug, Clone)]
pub struct RepositoryLimits {
    /// A ref listing this old is fetched again.
    pub refs_freshness: Duration,
    /// An exact version unknown to a listing older than this refreshes it first.
    pub refs_recheck: Duration,
    /// Fetched trees kept for the next job about the same commit, in bytes of pack.
    pub snapshot_bytes: u64,
}

/// All repositories this worker has to do with.
pub struct Repositories {
    vcs: Arc<dyn Vcs>,
    storage: Arc<dyn Storage>,
    limits: RepositoryLimits,
    open: moka::sync::Cache<Remote, Arc<State>>,
    conversion: Mutex<()>,
    histories: moka::sync::Cache<Remote, KnownHistory>,
    snapshots: moka::future::Cache<(Remote, ObjectId), ObjectStore>,
    /// Tops of trees, by the number of their levels.
    tops: moka::future::Cache<(Remote, ObjectId, u32), ObjectStore>,
}

/// How long an idle repository's listing and history stay in memory.
const IDLE: Duration = Duration::from_secs(120);
/// How long a fetched tree waits for another job about the same commit: modules of
/// one repository are often tagged together and asked for together.
const SNAPSHOT_IDLE: Duration = Duration::from_secs(20);
/// The levels of a tree that tell which names its root holds.
const ROOT_ALONE: u32 = 1;
/// How many commits of all repositories' histories are remembered, at some 150 bytes
/// each. A larger history is fetched again for each question.
const HISTORY_COMMITS: u64 = 1_000_000;
/// How many repositories are remembered in memory.
const OPEN_REPOSITORIES: u64 = 2000;

/// One repository's memory, shared by all jobs about it. Holding a lock while asking
/// the server makes equal questions of concurrent jobs one request.
#[derive(Default)]
struct State {
    record: Mutex<Option<RepositoryRecord>>,
    /// Held while history is fetched.
    history: Mutex<()>,
}

/// Ancestry that was fetched, as far as it goes.
#[derive(Clone, Default)]
struct KnownHistory {
    graph: Arc<History>,
    /// The listing whose every ref the graph holds.
    complete_for: Option<Arc<RefListing>>,
}

impl Repositories {
    /// Repositories reached through `vcs` and remembered in `storage`.
    pub fn new(vcs: Arc<dyn Vcs>, storage: Arc<dyn Storage>, limits: RepositoryLimits) -> Self {
        let kib = |bytes: u64| bytes.div_ceil(1024);
        let snapshots = moka::future::Cache::builder()
            .weigher(move |_, objects: &ObjectStore| {
                u32::try_from(kib(objects.pack_bytes())).unwrap_or(u32::MAX)
            })
            .max_capacity(kib(limits.snapshot_bytes))
            .time_to_idle(SNAPSHOT_IDLE)
            .build();
        let open =
            moka::sync::Cache::builder().max_capacity(OPEN_REPOSITORIES).time_to_idle(IDLE).build();
        let histories = moka::sync::Cache::builder()
            .weigher(|_, known: &KnownHistory| u32::try_from(known.graph.len()).unwrap_or(u32::MAX))
            .max_capacity(HISTORY_COMMITS)
            .time_to_idle(IDLE)
            .build();
        let tops = moka::future::Cache::builder()
            .weigher(move |_, objects: &ObjectStore| {
                u32::try_from(kib(objects.pack_bytes())).unwrap_or(u32::MAX)
            })
            .max_capacity(kib(limits.snapshot_bytes) / 8)
            .time_to_idle(IDLE)
            .build();
        let conversion = Mutex::default();
        Self { vcs, storage, limits, open, conversion, histories, snapshots, tops }
    }

    /// The repository at `remote`, which errors call `known_as`; nothing is asked yet.
    pub fn open(self: &Arc<Self>, known_as: String, remote: Remote) -> Repository {
        let state = self.open.get_with(remote.clone(), Arc::default);
        Repository { all: self.clone(), known_as, remote, state }
    }
}

/// One repository, for the length of one job.
pub struct Repository {
    all: Arc<Repositories>,
    known_as: String,
    remote: Remote,
    state: Arc<State>,
}

impl Repository {
    /// The refs, at most `refs_freshness` old.
    pub async fn refs(&self) -> Result<Listing, Failure> {
        self.refs_at_most(self.all.limits.refs_freshness).await
    }

    /// The refs, at most `refs_recheck` old: asked when `listing` does not know an
    /// exact version. `None` if `listing` is as young as that itself.
    pub async fn refs_after(&self, listing: &Listing) -> Result<Option<Listing>, Failure> {
        if listing.age(Timestamp::now()) <= self.all.limits.refs_recheck {
            return Ok(None);
        }
        self.refs_at_most(self.all.limits.refs_recheck).await.map(Some)
    }

    /// The refs as they are now.
    pub async fn new_refs(&self) -> Result<Listing, Failure> {
        self.refs_at_most(Duration::ZERO).await
    }

    async fn refs_at_most(&self, age: Duration) -> Result<Listing, Failure> {
        let is_fresh = |record: &RepositoryRecord| record.listing.age(Timestamp::now()) <= age;
        let mut remembered = self.state.record.lock().await;
        if let Some(record) = remembered.as_ref().filter(|record| is_fresh(record)) {
            return Ok(record.listing.clone());
        }
        let stored = RepositoryRecord::load(&*self.all.storage, &self.remote).await?;
        if let Some(record) = stored.as_ref().filter(|record| is_fresh(record)) {
            let listing = record.listing.clone();
            *remembered = stored;
            return Ok(listing);
        }
        let known = remembered.take().or(stored);
        let capabilities = known.as_ref().map(|record| &record.listing.refs.capabilities);
        let refs = self.all.vcs.list_refs(&self.remote, capabilities).await;
        let refs = refs.map_err(|error| self.named(error))?;
        let record = RepositoryRecord {
            listing: Listing { at: Timestamp::now(), refs: Arc::new(refs) },
            has_root_go_mod: known.map(|record| record.has_root_go_mod).unwrap_or_default(),
        };
        self.share(&record);
        let listing = record.listing.clone();
        *remembered = Some(record);
        Ok(listing)
    }

    /// Stores what was found out, for other workers and for later. Nobody waits for it:
    /// what is lost is asked again.
    fn share(&self, record: &RepositoryRecord) {
        let (storage, remote) = (self.all.storage.clone(), self.remote.clone());
        let record = record.clone();
        let saving = async move {
            if let Err(error) = record.save(&*storage, &remote).await {
                tracing::warn!(%error, "what was learnt of a repository could not be stored");
            }
        };
        tokio::spawn(saving.in_current_span());
    }

    /// The commit's tree and all it holds, at depth 1.
    pub async fn snapshot(
        &self,
        listing: &Listing,
        commit: &ObjectId,
    ) -> Result<ObjectStore, Failure> {
        let key = (self.remote.clone(), *commit);
        let fetched = self.all.snapshots.try_get_with(key, self.fetch_snapshot(listing, commit));
        fetched.await.map_err(|shared: Arc<VcsError>| self.named((*shared).clone()))
    }

    /// The commit's tree down to so many levels ([`Contents::Top`]), or more of it: for
    /// a file that is read of a version which nobody may ever want whole.
    pub async fn top(
        &self,
        listing: &Listing,
        commit: &ObjectId,
        levels: u32,
    ) -> Result<ObjectStore, Failure> {
        let whole = self.all.snapshots.get(&(self.remote.clone(), *commit)).await;
        if let Some(snapshot) = whole {
            return Ok(snapshot);
        }
        if !listing.refs.capabilities.can_filter {
            return self.snapshot(listing, commit).await;
        }
        let key = (self.remote.clone(), *commit, levels);
        let fetched = self.all.tops.try_get_with(key, self.fetch_top(listing, commit, levels));
        match fetched.await.map_err(|shared: Arc<VcsError>| (*shared).clone()) {
            Ok(top) => Ok(top),
            // Servers that filter may still refuse this filter, or hide the commit.
            Err(
                VcsError::Unavailable { .. }
                | VcsError::InvalidData { .. }
                | VcsError::ObjectNotFound { .. },
            ) => self.snapshot(listing, commit).await,
            Err(error) => Err(self.named(error)),
        }
    }

    async fn fetch_top(
        &self,
        listing: &Listing,
        commit: &ObjectId,
        levels: u32,
    ) -> Result<ObjectStore, VcsError> {
        let contents = Contents::Top(levels);
        let request = self.at_depth_one(listing, commit, contents);
        self.all.vcs.fetch(&self.remote, &listing.refs, &request).await
    }

    fn at_depth_one(
        &self,
        listing: &Listing,
        commit: &ObjectId,
        contents: Contents,
    ) -> FetchRequest {
        let refs = &listing.refs;
        let history = if refs.capabilities.can_be_shallow { Depth::Tip } else { Depth::Full };
        FetchRequest { wants: vec![wanted(refs, commit)], history, contents }
    }

    async fn fetch_snapshot(
        &self,
        listing: &Listing,
        commit: &ObjectId,
    ) -> Result<ObjectStore, VcsError> {
        let refs = &listing.refs;
        let contents = Contents::Everything;
        let request = self.at_depth_one(listing, commit, contents);
        match self.all.vcs.fetch(&self.remote, refs, &request).await {
            // A server that hands out advertised objects only: everything it
            // advertises, then, as the go command does.
            Err(VcsError::ObjectNotFound { .. }) if !is_advertised(refs, commit) => {
                let request = FetchRequest { wants: tips(refs), history: Depth::Full, contents };
                self.all.vcs.fetch(&self.remote, refs, &request).await
            }
            outcome => outcome,
        }
    }

    /// Whether the repository's root holds a go.mod at the commit: a fact that is
    /// kept for good, because version lists need it of old tags (go-modules §3.4).
    pub async fn has_root_go_mod(
        &self,
        listing: &Listing,
        commit: &ObjectId,
    ) -> Result<bool, Failure> {
        let known = |record: &RepositoryRecord| record.has_root_go_mod.get(commit).copied();
        if let Some(fact) = self.state.record.lock().await.as_ref().and_then(known) {
            return Ok(fact);
        }
        let objects = self.top(listing, commit, ROOT_ALONE).await?;
        let id = *commit;
        let fact = off_the_runtime(move || {
            let tree = objects.commit(&id)?.tree;
            let found = objects.find(&tree, b"go.mod")?;
            Ok(found.is_some_and(|entry| matches!(entry.mode, Mode::File | Mode::Symlink)))
        })
        .await?;
        let mut remembered = self.state.record.lock().await;
        if let Some(record) = remembered.as_mut() {
            record.has_root_go_mod.insert(*commit, fact);
            self.share(record);
        }
        Ok(fact)
    }

    /// A history that holds the commit.
    pub async fn history_of(
        &self,
        listing: &Listing,
        commit: &ObjectId,
    ) -> Result<Arc<History>, Failure> {
        let _alone = self.state.history.lock().await;
        let known = self.all.histories.get(&self.remote).unwrap_or_default();
        if known.graph.contains(commit) {
            return Ok(known.graph);
        }
        // What was complete once stays complete: somebody asks for any commit of it.
        let (wants, complete_for) = match known.complete_for {
            Some(_) => (tips(&listing.refs), Some(listing.refs.clone())),
            None => (vec![wanted(&listing.refs, commit)], None),
        };
        let graph = self.fetch_history(listing, wants).await?;
        self.remember(KnownHistory { graph: graph.clone(), complete_for });
        Ok(graph)
    }

    /// Files as the git program writes them into an archive (go-modules §4.1).
    pub async fn convert(
        &self,
        objects: &ObjectStore,
        commit: &ObjectId,
        paths: &[Vec<u8>],
    ) -> Result<ConvertedFiles, Failure> {
        // The pack's file has one position, and snapshots are shared among jobs.
        let _alone = self.all.conversion.lock().await;
        let converted = self.all.vcs.convert(&self.remote, objects, commit, paths).await;
        converted.map_err(|error| self.named(error))
    }

    /// The history of everything that is advertised.
    pub async fn full_history(&self, listing: &Listing) -> Result<Arc<History>, Failure> {
        let _alone = self.state.history.lock().await;
        let known = self.all.histories.get(&self.remote).unwrap_or_default();
        if known.complete_for.as_ref().is_some_and(|refs| same_tips(refs, &listing.refs)) {
            return Ok(known.graph);
        }
        let wants = tips(&listing.refs);
        let graph = match wants.is_empty() {
            true => Arc::default(),
            false => self.fetch_history(listing, wants).await?,
        };
        let complete_for = Some(listing.refs.clone());
        self.remember(KnownHistory { graph: graph.clone(), complete_for });
        Ok(graph)
    }

    fn remember(&self, history: KnownHistory) {
        self.all.histories.insert(self.remote.clone(), history);
    }

    fn named(&self, error: VcsError) -> Failure {
        error.of(&self.known_as).into()
    }

    async fn fetch_history(
        &self,
        listing: &Listing,
        wants: Vec<ObjectId>,
    ) -> Result<Arc<History>, Failure> {
        let request = FetchRequest { wants, history: Depth::Full, contents: Contents::Commits };
        let objects = self.all.vcs.fetch(&self.remote, &listing.refs, &request).await;
        let objects = objects.map_err(|error| self.named(error))?;
        off_the_runtime(move || Ok(Arc::new(History::from_objects(&objects)))).await
    }
}

/// The blob at `path`, also of a symbolic link (go-modules §3.6); `None` if there is
/// none. More than `limit` bytes are an error.
pub(crate) async fn read_file(
    objects: ObjectStore,
    commit: ObjectId,
    path: String,
    limit: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    off_the_runtime(move || {
        let tree = objects.commit(&commit)?.tree;
        let found = objects.find(&tree, path.as_bytes())?;
        let Some(entry) = found.filter(|entry| matches!(entry.mode, Mode::File | Mode::Symlink))
        else {
            return Ok(None);
        };
        if objects.blob_size(&entry.id)? > limit {
            return Err(Failure::Invalid(format!("{path} is larger than {limit} bytes")));
        }
        Ok(Some(objects.blob(&entry.id, limit)?))
    })
    .await
}

/// Runs reading, inflating and hashing where they may take their time.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Failure::Internal(format!("a task failed: {error}"))),
    }
}

/// What to ask for to get the commit: servers of the old protocol hand out nothing
/// but what they advertise, and an annotated tag is advertised as itself.
fn wanted(refs: &RefListing, commit: &ObjectId) -> ObjectId {
    if refs.head.as_ref() == Some(commit) || refs.heads.values().any(|id| id == commit) {
        return *commit;
    }
    let mut tags = refs.tags.values().filter(|tag| tag.peeled == *commit);
    tags.next().map_or(*commit, |tag| tag.object)
}

fn is_advertised(refs: &RefListing, commit: &ObjectId) -> bool {
    refs.head.as_ref() == Some(commit)
        || refs.heads.values().any(|id| id == commit)
        || refs.tags.values().any(|tag| tag.peeled == *commit)
}

/// Everything advertised, each once.
fn tips(refs: &RefListing) -> Vec<ObjectId> {
    let tags = refs.tags.values().map(|tag| tag.object);
    let mut tips: Vec<_> = refs.heads.values().copied().chain(tags).collect();
    tips.sort_unstable();
    tips.dedup();
    tips
}

fn same_tips(left: &RefListing, right: &RefListing) -> bool {
    left.heads == right.heads && left.tags == right.tags
}
