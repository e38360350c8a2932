use stoa_shared::metrics::VcsOutcome;
use stoa_shared::testing::git_server::{Counts, GitServer, Options, Page, RequestKind};
use url::Url;

use super::*;
use crate::egress::EgressConfig;
use crate::vcs::contract::{self, FULL, Fixture, Subject, request};
use crate::vcs::{Contents, History, ObjectFormat, Protocol};

fn vcs() -> GitVcs {
    with(GitConfig::default())
}

fn with(config: GitConfig) -> GitVcs {
    let egress = Egress::new(EgressConfig::default()).unwrap();
    GitVcs::new(egress, config, Arc::default()).unwrap()
}

/// How many requests for an operation had the outcome.
fn counted(vcs: &GitVcs, operation: VcsOperation, outcome: VcsOutcome) -> u64 {
    vcs.metrics.vcs_requests(operation, outcome).get()
}

fn trusted(url: &str) -> Remote {
    Remote { url: url.parse().unwrap(), is_trusted: true }
}

async fn serve(fixture: &Fixture, options: Options) -> GitServer {
    GitServer::start(fixture.repository.directory().to_owned(), options).await.unwrap()
}

async fn run_over_http(options: Options, hides_objects: bool) {
    let is_filtered = options.allow_filter || options.is_dumb;
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let fixture = Fixture::new(format);
        let server = serve(&fixture, options.clone()).await;
        let remote = |name: &str| trusted(&format!("{}/{name}", server.url()));
        let vcs = vcs();
        let is_shallow = true;
        let subject =
            Subject { vcs: &vcs, remote: &remote, is_shallow, is_filtered, hides_objects };
        contract::run(&subject, &fixture).await;
    }
}

#[tokio::test]
async fn version_2_keeps_the_contract() {
    run_over_http(Options::default(), false).await;
}

#[tokio::test]
async fn version_2_with_filters_keeps_the_contract() {
    run_over_http(Options { allow_filter: true, ..Options::default() }, false).await;
}

#[tokio::test]
async fn version_0_keeps_the_contract() {
    let options = Options { drop_git_protocol: true, allow_filter: true, ..Options::default() };
    run_over_http(options, true).await;
}

#[tokio::test]
async fn dumb_servers_keep_the_contract() {
    run_over_http(Options { is_dumb: true, ..Options::default() }, true).await;
}

#[tokio::test]
async fn directories_keep_the_contract() {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let fixture = Fixture::new(format);
        let root = Url::from_directory_path(fixture.repository.directory()).unwrap();
        let remote = |name: &str| Remote { url: root.join(name).unwrap(), is_trusted: true };
        let vcs = vcs();
        let subject = Subject {
            vcs: &vcs,
            remote: &remote,
            is_shallow: true,
            is_filtered: true,
            hides_objects: false,
        };
        contract::run(&subject, &fixture).await;
    }
}

#[tokio::test]
async fn the_first_version_costs_three_requests_and_the_next_one_each() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    let vcs = vcs();
    let listing = vcs.list_refs(&remote, None).await.unwrap();
    let tip = |tag: &str| request([listing.tags[tag].peeled], History::Tip, Contents::Everything);
    vcs.fetch(&remote, &listing, &tip("v1.0.0")).await.unwrap();
    let first = Counts { info_refs: 1, ls_refs: 1, fetch: 1, ..Counts::default() };
    assert_eq!(server.counts(), first);
    vcs.fetch(&remote, &listing, &tip("v2.0.0")).await.unwrap();
    assert_eq!(server.counts(), Counts { fetch: 2, ..first });
    vcs.list_refs(&remote, Some(&listing.capabilities)).await.unwrap();
    assert_eq!(server.counts(), Counts { fetch: 2, ls_refs: 2, ..first });
    let ok = |operation| counted(&vcs, operation, VcsOutcome::Ok);
    assert_eq!(ok(VcsOperation::Advertisement), 1);
    assert_eq!(ok(VcsOperation::Refs), 2);
    assert_eq!(ok(VcsOperation::Fetch), 2);
    assert!(vcs.metrics.vcs_received_bytes().get() > 0);
}

#[tokio::test]
async fn requests_to_directories_and_dumb_servers_count_too() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options { is_dumb: true, ..Options::default() }).await;
    let root = Url::from_directory_path(fixture.repository.directory()).unwrap();
    for url in [format!("{}/{FULL}", server.url()), root.join(FULL).unwrap().into()] {
        let (vcs, remote) = (vcs(), trusted(&url));
        let listing = vcs.list_refs(&remote, None).await.unwrap();
        let listing_bytes = vcs.metrics.vcs_received_bytes().get();
        assert!(listing_bytes > 0, "{url}");
        let request = request([listing.head.unwrap()], History::Tip, Contents::Everything);
        vcs.fetch(&remote, &listing, &request).await.unwrap();
        assert!(vcs.metrics.vcs_received_bytes().get() > listing_bytes, "{url}");
        for operation in [VcsOperation::Refs, VcsOperation::Fetch] {
            assert_eq!(counted(&vcs, operation, VcsOutcome::Ok), 1, "{url}: {operation:?}");
        }
    }
}

#[tokio::test]
async fn a_commit_that_no_ref_names_is_had_by_its_id_over_version_2() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    let vcs = vcs();
    let listing = vcs.list_refs(&remote, None).await.unwrap();
    let request = request([fixture.hidden], History::Tip, Contents::Everything);
    let store = vcs.fetch(&remote, &listing, &request).await.unwrap();
    assert_eq!(store.commits().len(), 1);
}

#[tokio::test]
async fn outdated_capabilities_are_asked_for_again() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let v0 = Options { drop_git_protocol: true, ..Options::default() };
    let dumb = Options { is_dumb: true, ..Options::default() };
    let cases = [
        (Options::default(), v0.clone(), Protocol::V0),
        (Options::default(), dumb.clone(), Protocol::Dumb),
        (v0.clone(), Options::default(), Protocol::V2),
        (v0, dumb.clone(), Protocol::Dumb),
        (dumb, Options::default(), Protocol::V2),
        (Options { allow_filter: true, ..Options::default() }, Options::default(), Protocol::V2),
    ];
    for (before, after, protocol) in cases {
        let server = serve(&fixture, before).await;
        let remote = trusted(&format!("{}/{FULL}", server.url()));
        let vcs = vcs();
        let old = vcs.list_refs(&remote, None).await.unwrap();
        server.set_options(after);
        let head = old.head.unwrap();
        let request = request([head], History::Full, Contents::Commits);
        let store = vcs.fetch(&remote, &old, &request).await.unwrap();
        assert_eq!(store.commits().len(), 3, "{protocol:?}");
        let new = vcs.list_refs(&remote, Some(&old.capabilities)).await.unwrap();
        assert_eq!(new.capabilities.protocol, protocol);
        assert_eq!((new.head, new.tags), (old.head, old.tags));
    }
}

#[tokio::test]
async fn the_base_of_a_redirect_is_used_from_then_on() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let query = "?service=git-upload-pack";
    let moved = Page::redirect(301, &format!("/{FULL}/info/refs{query}"));
    let options = Options::default()
        .with_page("/old/info/refs", moved)
        .with_page("/elsewhere/info/refs", Page::redirect(302, "/login"))
        .with_page("/login", Page::html("<form>"));
    let server = serve(&fixture, options).await;
    let remote = trusted(&format!("{}/old", server.url()));
    let vcs = vcs();
    let listing = vcs.list_refs(&remote, None).await.unwrap();
    let request = request([listing.head.unwrap()], History::Tip, Contents::Everything);
    vcs.fetch(&remote, &listing, &request).await.unwrap();
    let expected = Counts { pages: 1, info_refs: 1, ls_refs: 1, fetch: 1, other: 0 };
    assert_eq!(server.counts(), expected);
    let login = vcs.list_refs(&trusted(&format!("{}/elsewhere", server.url())), None).await;
    assert!(login.is_err());
}

async fn failure(options: Options) -> VcsError {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, options).await;
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    vcs().list_refs(&remote, None).await.unwrap_err()
}

#[tokio::test]
async fn statuses_of_the_server_keep_their_meaning() {
    for status in [404, 410] {
        let error = failure(Options::default().failing(status)).await;
        assert!(matches!(error, VcsError::RepositoryNotFound { .. }), "{error}");
    }
    for status in [401, 403] {
        let error = failure(Options::default().failing(status)).await;
        assert!(matches!(error, VcsError::AccessDenied { .. }), "{error}");
        // The page of the repository itself does not exist: http-backend has none.
        let mut options = Options::default();
        options.failures.insert(RequestKind::InfoRefs, status);
        let error = failure(options).await;
        assert!(matches!(error, VcsError::RepositoryNotFound { .. }), "{error}");
    }
    for status in [429, 500, 503] {
        let error = failure(Options::default().failing(status)).await;
        assert!(matches!(error, VcsError::Unavailable { .. }), "{error}");
    }
    let page = Options::default().with_page(&format!("/{FULL}/info/refs"), Page::html("<html>"));
    let page = page.with_page(&format!("/{FULL}"), Page::html("<html>"));
    let error = failure(page).await;
    assert!(matches!(error, VcsError::InvalidData { .. }), "{error}");
}

#[tokio::test]
async fn a_server_in_trouble_is_not_asked_twice() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    let vcs = vcs();
    let listing = vcs.list_refs(&remote, None).await.unwrap();
    server.set_options(Options::default().failing(503));
    server.reset_counts();
    let error = vcs.list_refs(&remote, Some(&listing.capabilities)).await.unwrap_err();
    assert!(matches!(error, VcsError::Unavailable { .. }), "{error}");
    assert_eq!(server.counts(), Counts { ls_refs: 1, ..Counts::default() });
}

#[tokio::test]
async fn limits_of_size_count_and_time_hold() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    let few_refs = with(GitConfig { refs: 3, ..GitConfig::default() });
    let error = few_refs.list_refs(&remote, None).await.unwrap_err();
    assert!(error.to_string().ends_with("more than 3 refs"), "{error}");
    assert_eq!(counted(&few_refs, VcsOperation::Refs, VcsOutcome::Refused), 1);
    let short_listing = with(GitConfig { listing_bytes: 300, ..GitConfig::default() });
    let error = short_listing.list_refs(&remote, None).await.unwrap_err();
    assert!(matches!(error, VcsError::LimitExceeded { .. }), "{error}");

    let listing = vcs().list_refs(&remote, None).await.unwrap();
    let request = request([listing.head.unwrap()], History::Full, Contents::Everything);
    let pack = Limits { pack_bytes: 100, ..Limits::default() };
    let small_pack = with(GitConfig { pack, ..GitConfig::default() });
    let error = small_pack.fetch(&remote, &listing, &request).await.unwrap_err();
    assert!(matches!(error, VcsError::LimitExceeded { .. }), "{error}");

    server.set_options(Options { delay: Duration::from_secs(600), ..Options::default() });
    let brief = Duration::from_millis(50);
    let config = GitConfig { listing_timeout: brief, fetch_timeout: brief, ..GitConfig::default() };
    let impatient = with(config);
    let error = impatient.list_refs(&remote, None).await.unwrap_err();
    assert!(matches!(error, VcsError::Timeout { .. }), "{error}");
    let error = impatient.fetch(&remote, &listing, &request).await.unwrap_err();
    assert!(matches!(error, VcsError::Timeout { .. }), "{error}");
    assert_eq!(counted(&impatient, VcsOperation::Fetch, VcsOutcome::Timeout), 1);
}

#[tokio::test]
async fn damaged_answers_are_invalid_data() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    let vcs = vcs();
    let listing = vcs.list_refs(&remote, None).await.unwrap();
    let request = request([listing.head.unwrap()], History::Tip, Contents::Everything);
    let result = "application/x-git-upload-pack-result";
    let answer = |body: &[u8]| {
        let headers = vec![("Content-Type".to_owned(), result.to_owned())];
        let page = Page { status: 200, headers, body: body.to_vec() };
        Options::default().with_page(&format!("/{FULL}/git-upload-pack"), page)
    };
    for body in [&b"000dpackfile\n"[..], b"000dpackfile\n0009\x01PACK0000", b"garbage", b""] {
        server.set_options(answer(body));
        let error = vcs.fetch(&remote, &listing, &request).await.unwrap_err();
        assert!(matches!(error, VcsError::InvalidData { .. }), "{body:?}: {error}");
    }
    assert!(counted(&vcs, VcsOperation::Fetch, VcsOutcome::Error) >= 4);
    server.set_options(answer(b"000dpackfile\n000d\x03too busy0000"));
    let error = vcs.fetch(&remote, &listing, &request).await.unwrap_err();
    assert!(error.to_string().ends_with("the server says: too busy"), "{error}");
}

#[tokio::test]
async fn only_what_the_operator_named_may_be_private_or_a_file() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let path = Url::from_directory_path(fixture.repository.directory()).unwrap();
    let http = format!("{}/{FULL}", server.url());
    let file = path.join(FULL).unwrap().to_string();
    let directory = fixture.repository.directory().to_str().unwrap();
    for url in [&http[..], &file, "https://127.0.0.1/x", "ssh://h.example/x", "ext::sh"] {
        let remote = Remote { url: url.parse().unwrap(), is_trusted: false };
        let error = vcs().list_refs(&remote, None).await.unwrap_err();
        assert!(matches!(error, VcsError::Refused { .. }), "{url}: {error}");
        assert!(!error.to_string().contains(directory), "{error}");
    }
    for url in ["file://elsewhere.example/x", "ssh://h.example/x", "git://h.example/x"] {
        let error = vcs().list_refs(&trusted(url), None).await.unwrap_err();
        assert!(matches!(error, VcsError::Refused { .. }), "{url}: {error}");
    }
    assert_eq!(server.counts(), Counts::default());
}

#[tokio::test]
async fn without_the_git_program_only_smart_servers_work() {
    let fixture = Fixture::new(ObjectFormat::Sha1);
    let server = serve(&fixture, Options::default()).await;
    let config = GitConfig { program: None, ..GitConfig::default() };
    let vcs = with(config);
    let remote = trusted(&format!("{}/{FULL}", server.url()));
    assert!(vcs.list_refs(&remote, None).await.is_ok());
    server.set_options(Options { is_dumb: true, ..Options::default() });
    let error = vcs.list_refs(&remote, None).await.unwrap_err();
    assert!(error.to_string().ends_with("the git program is not installed"), "{error}");
}
