//! From a query to a version: what the go command resolves in direct mode
//! (go-modules §3), over one [`Repository`].

mod convert;
mod find_dir;
mod latest;
mod place;
mod pseudo_check;
mod retraction;
mod revision;
mod tag;
mod versions;

use bytes::Bytes;
use jiff::Timestamp;
use stoa_shared::module::{ModulePath, Version, VersionQuery};

use self::{
    convert::Conversion,
    revision::{Lookup, look_up, revision_text},
};
use crate::{
    failure::Failure,
    repository::{Abbreviation, Listing, Repository, off_the_runtime},
    vcs::{
        ObjectId, VcsError,
        pack::{ObjectError, ObjectStore},
    },
};

pub use latest::latest;
pub use place::{NotContained, Place};
pub use versions::versions;

/// A version and all that is needed to pack it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Canonical.
    pub version: Version,
    /// The commit it names.
    pub commit: ObjectId,
    /// The commit's committer time, whole seconds.
    pub time: Timestamp,
    /// The module's directory below the repository's root, `""` at the root.
    pub directory: String,
    /// The bytes of `.mod`.
    pub go_mod: Bytes,
    /// Whether the module's directory holds that go.mod; if not, it is synthetic.
    pub has_go_mod: bool,
    /// The tag that names the version, `None` for pseudo-versions.
    pub tag: Option<String>,
    /// The commit's tree and all it holds.
    pub objects: ObjectStore,
}

/// A commit that a query led to.
struct Found {
    commit: ObjectId,
    time: Timestamp,
    /// All tags on the commit, bytewise sorted.
    tags: Vec<String>,
    /// Set if the query's text was exactly a tag.
    by_tag: Option<String>,
    /// The commit's tree and what it holds, as far as it is needed: in hand until the
    /// job is done, whatever becomes of what jobs share.
    objects: ObjectStore,
}

/// Resolves a query: a version, branch, tag or commit. Text that names nothing in a
/// listing of some age is looked up once more in a new one.
pub async fn resolve(
    repository: &Repository,
    module: &ModulePath,
    place: &Place,
    query: &VersionQuery,
) -> Result<Resolved, Failure> {
    let listing = repository.refs().await?;
    let outcome = resolve_in(repository, &listing, module, place, query).await;
    let newer = match &outcome {
        Err(Failure::Absent(_) | Failure::Invalid(_)) => repository.refs_after(&listing).await?,
        // A ref moved since the listing, and the server no longer has what it was.
        Err(Failure::Vcs(VcsError::ObjectNotFound { .. })) => Some(repository.new_refs().await?),
        _ => None,
    };
    match newer {
        Some(newer) if newer.refs != listing.refs => {
            resolve_in(repository, &newer, module, place, query).await
        }
        _ => outcome,
    }
}

async fn resolve_in(
    repository: &Repository,
    listing: &Listing,
    module: &ModulePath,
    place: &Place,
    query: &VersionQuery,
) -> Result<Resolved, Failure> {
    let query = query.as_str();
    let (commit, tag) = find(repository, listing, place, query).await?;
    let objects = repository.snapshot(listing, &commit).await?;
    let found = describe(listing, commit, tag, objects).await?;
    Conversion::new(repository, listing, module, place, found, Some(query)).convert().await
}

/// Resolves `HEAD` as the go command does where no version is usable.
async fn resolve_head(
    repository: &Repository,
    listing: &Listing,
    module: &ModulePath,
    place: &Place,
) -> Result<Resolved, Failure> {
    let Some(head) = listing.refs.head else {
        return Err(Failure::Absent(format!("{module}: no matching versions: no commits")));
    };
    let objects = repository.snapshot(listing, &head).await?;
    let found = describe(listing, head, None, objects).await?;
    Conversion::new(repository, listing, module, place, found, None).convert().await
}

/// The commit that the query names, and the tag if it was exactly a tag (go-modules §3.3).
async fn find(
    repository: &Repository,
    listing: &Listing,
    place: &Place,
    query: &str,
) -> Result<(ObjectId, Option<String>), Failure> {
    let revision = revision_text(query, &place.tag_prefix);
    let unknown = || Failure::Absent(format!("unknown revision {revision}"));
    let ambiguous = || Failure::Absent(format!("ambiguous revision {revision}"));
    match look_up(&listing.refs, &revision) {
        Lookup::Found(found) => Ok((found.object, found.tag)),
        Lookup::Ambiguous => Err(ambiguous()),
        Lookup::Unknown => Err(unknown()),
        Lookup::NeedsHistory => {
            let history = repository.full_history(listing).await?;
            let prefix = revision.clone();
            match off_the_runtime(move || Ok(history.find(&prefix))).await? {
                Abbreviation::Unique(commit) => Ok((commit, None)),
                Abbreviation::Ambiguous => Err(ambiguous()),
                Abbreviation::Unknown => Err(unknown()),
            }
        }
    }
}

async fn describe(
    listing: &Listing,
    commit: ObjectId,
    by_tag: Option<String>,
    objects: ObjectStore,
) -> Result<Found, Failure> {
    let reading = objects.clone();
    let seconds = off_the_runtime(move || match reading.commit(&commit) {
        Ok(commit) => Ok(commit.committer_time),
        Err(error @ ObjectError::Spool { .. }) => Err(error.into()),
        Err(error) => Err(Failure::Absent(format!("no commit: {error}"))),
    })
    .await?;
    let time = Timestamp::from_second(seconds)
        .map_err(|_| Failure::Invalid(format!("commit {commit} has an impossible time")))?;
    let on_commit = listing.refs.tags.iter().filter(|(_, tag)| tag.peeled == commit);
    Ok(Found {
        commit,
        time,
        tags: on_commit.map(|(name, _)| name.clone()).collect(),
        by_tag,
        objects,
    })
}
