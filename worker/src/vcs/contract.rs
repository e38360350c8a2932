//! What every way to a repository must do alike: one suite, run against each.

use std::collections::BTreeMap;

use super::pack::Kind;
use super::pack::test_repository::TestRepository;
use super::{
    Contents, FetchRequest, History, ObjectFormat, ObjectId, RefListing, Remote, TagTarget, Vcs,
    VcsError,
};

/// The repositories of the suite, below one directory.
pub(crate) struct Fixture {
    pub(crate) repository: TestRepository,
    first: ObjectId,
    second: ObjectId,
    third: ObjectId,
    side: ObjectId,
    pub(crate) hidden: ObjectId,
}

/// One implementation and how it reaches a repository of the fixture's directory.
pub(crate) struct Subject<'a> {
    pub(crate) vcs: &'a dyn Vcs,
    pub(crate) remote: &'a dyn Fn(&str) -> Remote,
    /// Whether a tip comes without its history.
    pub(crate) is_shallow: bool,
    /// Whether contents that were not asked for are left out.
    pub(crate) is_filtered: bool,
    /// Whether objects that no ref names are refused.
    pub(crate) hides_objects: bool,
}

/// The repository with everything in it.
pub(crate) const FULL: &str = "full.git";

impl Fixture {
    pub(crate) fn new(format: ObjectFormat) -> Self {
        let repository = TestRepository::with_format(format);
        repository.write("go.mod", "module m.example/a\n");
        let first = repository.commit();
        repository.git(&["tag", "v0.1.0"]);
        repository.write("a.go", "package a\n");
        let second = repository.commit();
        repository.git(&["tag", "-a", "-m", "annotated", "v1.0.0"]);
        repository.git(&["branch", "feature/slash", &first.to_string()]);
        repository.write("b/b.go", "package b\n");
        let third = repository.commit();
        repository.git(&["tag", "-a", "-m", "inner", "inner"]);
        repository.git(&["tag", "-a", "-m", "nested", "v2.0.0", "inner"]);
        repository.git(&["checkout", "-q", "-b", "side", &first.to_string()]);
        repository.write("side.go", "package side\n");
        let side = repository.commit();
        repository.git(&["checkout", "-q", "--detach"]);
        repository.write("hidden.go", "package hidden\n");
        let hidden = repository.commit();
        repository.git(&["update-ref", "refs/pull/1/head", &side.to_string()]);
        repository.git(&["update-ref", "refs/pull/2/head", &hidden.to_string()]);
        repository.git(&["checkout", "-q", "main"]);

        for name in [FULL, "dangling.git"] {
            repository.git(&["clone", "-q", "--mirror", ".", name]);
            // The commit stays and no ref names it.
            repository.git(&["-C", name, "update-ref", "-d", "refs/pull/2/head"]);
        }
        repository.git(&["-C", "dangling.git", "symbolic-ref", "HEAD", "refs/heads/absent"]);
        let format = match format {
            ObjectFormat::Sha1 => "sha1",
            ObjectFormat::Sha256 => "sha256",
        };
        repository.git(&["init", "-q", "--bare", "--object-format", format, "empty.git"]);
        for name in [FULL, "dangling.git", "empty.git"] {
            repository.git(&["-C", name, "update-server-info"]);
        }
        Self { repository, first, second, third, side, hidden }
    }

    fn resolve(&self, revision: &str) -> ObjectId {
        self.repository.resolve(revision)
    }
}

/// Runs the whole suite.
pub(crate) async fn run(subject: &Subject<'_>, fixture: &Fixture) {
    let listing = a_listing_has_head_heads_and_peeled_tags(subject, fixture).await;
    a_listing_with_remembered_capabilities_is_the_same(subject, &listing).await;
    odd_repositories_have_listings_too(subject, &listing).await;
    a_repository_that_is_missing_is_not_found(subject).await;
    a_tip_brings_its_contents(subject, fixture, &listing).await;
    a_tag_object_comes_with_what_it_names(subject, fixture, &listing).await;
    the_top_of_a_tree_comes_alone(subject, fixture, &listing).await;
    history_can_come_without_contents(subject, fixture, &listing).await;
    what_is_not_there_is_an_error(subject, fixture, &listing).await;
}

async fn a_listing_has_head_heads_and_peeled_tags(
    subject: &Subject<'_>,
    fixture: &Fixture,
) -> RefListing {
    let listing = subject.vcs.list_refs(&(subject.remote)(FULL), None).await.unwrap();
    assert_eq!(listing.object_format, listing.capabilities.object_format);
    assert_eq!(listing.head, Some(fixture.third));
    let heads = [("feature/slash", fixture.first), ("main", fixture.third), ("side", fixture.side)];
    let heads: BTreeMap<_, _> = heads.map(|(name, id)| (name.to_owned(), id)).into();
    assert_eq!(listing.heads, heads);
    let tags = [
        ("v0.1.0", fixture.first, fixture.first),
        ("v1.0.0", fixture.resolve("refs/tags/v1.0.0"), fixture.second),
        ("inner", fixture.resolve("refs/tags/inner"), fixture.third),
        ("v2.0.0", fixture.resolve("refs/tags/v2.0.0"), fixture.third),
    ];
    let tags = tags.map(|(name, object, peeled)| (name.to_owned(), TagTarget { object, peeled }));
    assert_eq!(listing.tags, BTreeMap::from(tags));
    listing
}

async fn a_listing_with_remembered_capabilities_is_the_same(
    subject: &Subject<'_>,
    listing: &RefListing,
) {
    let remote = (subject.remote)(FULL);
    let again = subject.vcs.list_refs(&remote, Some(&listing.capabilities)).await.unwrap();
    assert_eq!(again, *listing);
}

async fn odd_repositories_have_listings_too(subject: &Subject<'_>, full: &RefListing) {
    let dangling = subject.vcs.list_refs(&(subject.remote)("dangling.git"), None).await.unwrap();
    assert_eq!(dangling.head, None);
    assert_eq!((dangling.heads, dangling.tags), (full.heads.clone(), full.tags.clone()));
    let empty = subject.vcs.list_refs(&(subject.remote)("empty.git"), None).await.unwrap();
    assert!(empty.head.is_none() && empty.heads.is_empty() && empty.tags.is_empty());
}

async fn a_repository_that_is_missing_is_not_found(subject: &Subject<'_>) {
    let missing = subject.vcs.list_refs(&(subject.remote)("missing.git"), None).await;
    assert!(matches!(missing, Err(VcsError::RepositoryNotFound { .. })), "{missing:?}");
}

async fn a_tip_brings_its_contents(subject: &Subject<'_>, fixture: &Fixture, listing: &RefListing) {
    let request = request([fixture.second], History::Tip, Contents::Everything);
    let store = subject.vcs.fetch(&(subject.remote)(FULL), listing, &request).await.unwrap();
    let commit = store.commit(&fixture.second).unwrap();
    let file = store.find(&commit.tree, b"a.go").unwrap().unwrap();
    assert_eq!(store.blob(&file.id, 100).unwrap(), b"package a\n");
    assert_eq!(store.format(), listing.object_format);
    assert_eq!(store.kind(&fixture.third), None);
    assert_eq!(store.kind(&fixture.first).is_none(), subject.is_shallow);
}

async fn a_tag_object_comes_with_what_it_names(
    subject: &Subject<'_>,
    fixture: &Fixture,
    listing: &RefListing,
) {
    let tag = listing.tags["v2.0.0"].object;
    let request = request([tag], History::Tip, Contents::Everything);
    let store = subject.vcs.fetch(&(subject.remote)(FULL), listing, &request).await.unwrap();
    assert_eq!(store.peel(&tag).unwrap(), (fixture.third, Kind::Commit));
}

async fn the_top_of_a_tree_comes_alone(
    subject: &Subject<'_>,
    fixture: &Fixture,
    listing: &RefListing,
) {
    for (levels, has_files) in [(1, false), (2, true)] {
        let request = request([fixture.third], History::Tip, Contents::Top(levels));
        let store = subject.vcs.fetch(&(subject.remote)(FULL), listing, &request).await.unwrap();
        let root = store.commit(&fixture.third).unwrap().tree;
        let at = |path: &[u8]| store.find(&root, path).unwrap().unwrap().id;
        let (file, directory) = (at(b"a.go"), at(b"b"));
        let is_whole = !subject.is_filtered;
        assert_eq!(store.blob(&file, 100).is_ok(), has_files || is_whole, "{levels}");
        assert_eq!(store.tree(&directory).is_ok(), has_files || is_whole, "{levels}");
        let below = fixture.resolve("main:b/b.go");
        assert_eq!(store.kind(&below).is_some(), is_whole, "{levels}");
    }
}

async fn history_can_come_without_contents(
    subject: &Subject<'_>,
    fixture: &Fixture,
    listing: &RefListing,
) {
    let wants = [fixture.third, fixture.side, listing.tags["v1.0.0"].object];
    let request = request(wants, History::Full, Contents::Commits);
    let store = subject.vcs.fetch(&(subject.remote)(FULL), listing, &request).await.unwrap();
    let expected = [fixture.first, fixture.second, fixture.third, fixture.side];
    assert_eq!(store.commits().len(), expected.len());
    for id in expected {
        assert_eq!(store.kind(&id), Some(Kind::Commit));
    }
    let tree = store.commit(&fixture.third).unwrap().tree;
    assert_eq!(store.kind(&tree), None);
    assert_eq!(store.kind(&fixture.hidden), None);
}

async fn what_is_not_there_is_an_error(
    subject: &Subject<'_>,
    fixture: &Fixture,
    listing: &RefListing,
) {
    let absent: ObjectId = fixture.third.to_string().replace(['1', '2', '3'], "9").parse().unwrap();
    let mut wants = vec![absent];
    if subject.hides_objects {
        wants.push(fixture.hidden);
    }
    for want in wants {
        let request = request([want], History::Tip, Contents::Everything);
        let fetched = subject.vcs.fetch(&(subject.remote)(FULL), listing, &request).await;
        match fetched {
            Err(VcsError::ObjectNotFound { id, .. }) => assert_eq!(id, want),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn request(
    wants: impl Into<Vec<ObjectId>>,
    history: History,
    contents: Contents,
) -> FetchRequest {
    FetchRequest { wants: wants.into(), history, contents }
}
