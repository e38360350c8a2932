use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use stoa_shared::answer::Meaning;
use tokio::sync::Semaphore;

use super::*;

fn parse(rewrites: &str) -> Rewrites {
    let rules = rewrites.split(',').filter(|rule| !rule.is_empty());
    rules.map(|rule| rule.parse().unwrap()).collect()
}

/// What a page says to which a redirect led.
const LOGIN: &str = "Please log in";

/// Status and body.
type Answer = Result<(u16, String), PageError>;

/// Pages by address; what is not there is a host that does not exist.
struct Pages {
    answers: Mutex<HashMap<String, Answer>>,
    requests: AtomicUsize,
    /// How many requests may be answered.
    gate: Semaphore,
}

#[async_trait]
impl PageSource for Pages {
    async fn page(&self, address: &Remote) -> Result<Page, PageError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        let trust = if address.is_trusted { "trusted " } else { "" };
        let answers = self.answers.lock().unwrap();
        let answer = answers.get(&format!("{trust}{}", address.url));
        let (status, body) = answer.cloned().unwrap_or(Err(PageError::HostNotFound))?;
        let is_elsewhere = body.contains(LOGIN);
        Ok(Page { status, is_elsewhere, body: Bytes::from(body) })
    }
}

struct Scene {
    pages: Arc<Pages>,
    locator: Arc<Locator>,
}

fn scene(rewrites: &str) -> Scene {
    let pages = Arc::new(Pages {
        answers: Mutex::default(),
        requests: AtomicUsize::new(0),
        gate: Semaphore::new(1000),
    });
    let locator = Arc::new(Locator::new(pages.clone(), parse(rewrites)));
    Scene { pages, locator }
}

impl Scene {
    fn answer(&self, path: &str, status: u16, contents: &[&str]) {
        let tag = |content: &&str| format!("<meta name=\"go-import\" content=\"{content}\">\n");
        self.raw(path, Ok((status, contents.iter().map(tag).collect())));
    }

    fn raw(&self, path: &str, answer: Answer) {
        let address =
            if path.contains("://") { path.to_owned() } else { format!("https://{path}?go-get=1") };
        self.pages.answers.lock().unwrap().insert(address, answer);
    }

    async fn locate(&self, module: &str) -> Result<Located, LocateError> {
        self.locator.locate(&module.parse().unwrap()).await
    }

    fn requests(&self) -> usize {
        self.pages.requests.load(Ordering::SeqCst)
    }
}

fn git(root: &str, url: &str, subdir: &str) -> Located {
    let url = Url::parse(url).unwrap();
    let remote = Remote { url: url.clone(), is_trusted: false };
    let repository = Repository::Git { url, remote };
    Located { root: root.into(), repository, subdir: subdir.into() }
}

#[tokio::test]
async fn paths_of_known_shape_need_no_network() {
    let scene = scene("");
    let found = scene.locate("github.com/a/b/c").await;
    assert_eq!(found, Ok(git("github.com/a/b", "https://github.com/a/b", "")));
    let found = scene.locate("h.example/a.git/b").await;
    assert_eq!(found, Ok(git("h.example/a.git", "https://h.example/a", "")));
    for module in ["github.com/a", "github.com/a/b.git", "h.example/a.svn", "300.1.1.1/a.git"] {
        assert_eq!(scene.locate(module).await.unwrap_err().meaning(), Meaning::Absent, "{module}");
    }
    assert_eq!(scene.requests(), 0);
}

#[tokio::test]
async fn rewrites_make_repositories_and_pages_trusted() {
    let scene = scene("https://github.com/=file:///srv/,https://h.example/=http://127.0.0.1:1/h/");
    let found = scene.locate("github.com/a/b").await.unwrap();
    let url = Url::parse("https://github.com/a/b").unwrap();
    let remote = Remote { url: Url::parse("file:///srv/a/b").unwrap(), is_trusted: true };
    assert_eq!(found.repository, Repository::Git { url, remote });

    let page = "<meta name=go-import content='h.example/m git https://github.com/a/b'>";
    scene.raw("trusted http://127.0.0.1:1/h/m?go-get=1", Ok((200, page.into())));
    assert_eq!(scene.locate("h.example/m").await.unwrap().repository, found.repository);
}

#[tokio::test]
async fn a_tag_counts_whatever_the_status_of_its_page() {
    let scene = scene("");
    for status in [200, 404, 500] {
        let module = format!("h.example/m{status}");
        scene.answer(&module, status, &[&format!("{module} git https://g.example/r sub")]);
        let found = scene.locate(&module).await;
        assert_eq!(found, Ok(git(&module, "https://g.example/r", "sub")));
    }
}

#[tokio::test]
async fn a_host_alone_is_asked_at_its_root() {
    let scene = scene("");
    scene.answer("h.example/", 200, &["h.example git https://g.example/r"]);
    let found = scene.locate("h.example").await;
    assert_eq!(found, Ok(git("h.example", "https://g.example/r", "")));
}

#[tokio::test]
async fn a_prefix_with_a_last_slash_is_asked_for_its_own_page() {
    let scene = scene("");
    scene.answer("h.example/r/m", 200, &["h.example/r/ git https://g.example/r"]);
    scene.answer("h.example/r/", 200, &["h.example/r/ git https://g.example/r"]);
    let found = scene.locate("h.example/r/m").await;
    assert_eq!(found, Ok(git("h.example/r/", "https://g.example/r", "")));
}

#[tokio::test]
async fn a_proxy_hides_repositories_and_has_no_subdirectory() {
    let scene = scene("");
    let tags = ["h.example/m git https://g.example/r", "h.example/m mod https://p.example/go x"];
    scene.answer("h.example/m", 200, &tags);
    let base = Remote { url: Url::parse("https://p.example/go").unwrap(), is_trusted: false };
    let found = scene.locate("h.example/m").await.unwrap();
    assert_eq!(found.repository, Repository::Mod { base });
    assert_eq!(found.subdir, "");
}

#[tokio::test]
async fn a_prefix_must_say_the_same_of_itself() {
    let claim = "h.example/r git https://g.example/r sub";
    let same: &[&str] = &[claim, "h.example/other git https://g.example/o"];
    let disagreeing: [&[&str]; 5] = [
        &["h.example/r git https://g.example/r"],
        &["h.example/r git https://g.example/r2 sub"],
        &["h.example/r mod https://g.example/r sub"],
        &["h.example git https://g.example/r sub"],
        &[claim, claim],
    ];
    for (tags, is_same) in disagreeing.map(|tags| (tags, false)).into_iter().chain([(same, true)]) {
        let scene = scene("");
        scene.answer("h.example/r/m", 200, &[claim]);
        scene.answer("h.example/r", 200, tags);
        match scene.locate("h.example/r/m").await {
            Ok(found) => {
                assert!(is_same, "{tags:?}");
                assert_eq!(found, git("h.example/r", "https://g.example/r", "sub"));
            }
            Err(error) => {
                assert!(!is_same, "{error}");
                assert!(matches!(error, LocateError::Disagreement { .. }), "{error}");
                assert_eq!(error.meaning(), Meaning::Absent);
            }
        }
        assert_eq!(scene.requests(), 2);
    }
}

#[tokio::test]
async fn trouble_with_the_prefix_is_trouble_with_the_module() {
    let scene = scene("");
    scene.answer("h.example/r/m", 200, &["h.example/r git https://g.example/r"]);
    scene.raw("h.example/r", Err(PageError::Timeout { seconds: 10 }));
    assert_eq!(scene.locate("h.example/r/m").await.unwrap_err().meaning(), Meaning::OriginTimeout);
    scene.answer("h.example/r", 404, &[]);
    assert_eq!(scene.locate("h.example/r/m").await.unwrap_err().meaning(), Meaning::Absent);
}

#[tokio::test]
async fn what_pages_without_a_usable_tag_mean() {
    let other: &[&str] = &["h.example/x git https://g.example/r"];
    let one = "h.example/m git https://g.example/r";
    let table: &[(u16, &[&str], Meaning, &str)] = &[
        (200, &[], Meaning::Absent, "no go-import tag for this path (HTTP status 200)"),
        (404, &[], Meaning::Absent, "no go-import tag for this path (HTTP status 404)"),
        (403, other, Meaning::Absent, "no go-import tag for this path (HTTP status 403)"),
        (500, &[], Meaning::OriginUnavailable, "HTTP status 500 without a usable go-import tag"),
        (503, other, Meaning::OriginUnavailable, "HTTP status 503 without a usable go-import tag"),
        (429, &[], Meaning::OriginUnavailable, "HTTP status 429 without a usable go-import tag"),
        (200, &[one, one], Meaning::Absent, "more than one go-import tag fits: h.example/m"),
        (
            200,
            &["h.example/m hg https://g.example/r"],
            Meaning::Absent,
            "version control system \"hg\" is not supported",
        ),
        (
            200,
            &["h.example/m git http://g.example/r"],
            Meaning::Absent,
            "the repository in its go-import tag has the scheme \"http\", only https is used",
        ),
    ];
    for (status, tags, meaning, message) in table {
        let scene = scene("");
        scene.answer("h.example/m", *status, tags);
        let error = scene.locate("h.example/m").await.unwrap_err();
        assert_eq!(error.meaning(), *meaning, "{error}");
        assert_eq!(error.to_string(), format!("https://h.example/m: {message}"));
    }
}

#[tokio::test]
async fn a_page_to_log_in_is_not_for_us() {
    let scene = scene("");
    scene.raw("h.example/m", Ok((200, LOGIN.into())));
    let denied = LocateError::PageDenied { page: "https://h.example/m".into(), status: 200 };
    assert_eq!(scene.locate("h.example/m").await.unwrap_err(), denied);
    scene.raw("h.example/n", Ok((404, LOGIN.into())));
    let gone = scene.locate("h.example/n").await.unwrap_err();
    assert!(matches!(gone, LocateError::NoUsableTag { .. }), "{gone:?}");
}

#[tokio::test]
async fn what_broken_pages_mean() {
    let scene = scene("");
    scene.raw("h.example/m", Ok((200, "<script>a < b</script>".into())));
    let error = scene.locate("h.example/m").await.unwrap_err();
    assert_eq!(error.meaning(), Meaning::Absent);
    assert_eq!(
        error.to_string(),
        "https://h.example/m: no go-import tag before line 1: expected a name (HTTP status 200)"
    );
    scene.raw("h.example/m", Ok((502, "<script>a < b</script>".into())));
    let error = scene.locate("h.example/m").await.unwrap_err();
    assert_eq!(error.meaning(), Meaning::OriginUnavailable);
}

#[tokio::test]
async fn what_missing_pages_mean() {
    let reason = || "reason".to_owned();
    let table = [
        (PageError::HostNotFound, Meaning::Absent),
        (PageError::Refused { reason: reason() }, Meaning::Absent),
        (PageError::TooLarge { limit_bytes: 1 << 20 }, Meaning::Absent),
        (PageError::Timeout { seconds: 10 }, Meaning::OriginTimeout),
        (PageError::Unreachable { reason: reason() }, Meaning::OriginUnavailable),
        (PageError::Tls { reason: reason() }, Meaning::OriginUnavailable),
    ];
    for (failure, meaning) in table {
        let scene = scene("");
        let message = format!("https://h.example/m: {failure}");
        scene.raw("h.example/m", Err(failure));
        let error = scene.locate("h.example/m").await.unwrap_err();
        assert_eq!(error.meaning(), meaning, "{error}");
        assert_eq!(error.meaning().is_definite(), meaning == Meaning::Absent);
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test]
async fn hosts_that_cannot_be_asked_are_definitely_absent() {
    let scene = scene("");
    let error = scene.locate("300.1.1.1/m").await.unwrap_err();
    assert!(matches!(error, LocateError::UnusableHost { .. }), "{error}");
    assert_eq!(error.meaning(), Meaning::Absent);
    assert_eq!(scene.requests(), 0);
}

#[tokio::test]
async fn messages_do_not_tell_where_a_rewrite_leads() {
    let scene = scene("https://h.example/=http://internal.example/");
    scene.raw("trusted http://internal.example/m?go-get=1", Ok((404, String::new())));
    let message = scene.locate("h.example/m").await.unwrap_err().to_string();
    assert_eq!(message, "https://h.example/m: no go-import tag for this path (HTTP status 404)");
}

#[tokio::test]
async fn tags_are_remembered_and_failures_are_not() {
    let scene = scene("");
    scene.raw("h.example/r", Err(PageError::Timeout { seconds: 10 }));
    scene.locate("h.example/r").await.unwrap_err();
    scene.answer("h.example/r", 404, &[]);
    scene.locate("h.example/r").await.unwrap_err();
    assert_eq!(scene.requests(), 2);

    scene.answer("h.example/r", 200, &["h.example/r git https://g.example/r"]);
    scene.answer("h.example/r/m", 200, &["h.example/r git https://g.example/r"]);
    for _ in 0..3 {
        scene.locate("h.example/r").await.unwrap();
        scene.locate("h.example/r/m").await.unwrap();
    }
    assert_eq!(scene.requests(), 4);
}

#[tokio::test]
async fn a_page_is_asked_once_for_all_who_wait() {
    let scene = scene("");
    scene.answer("h.example/r", 200, &["h.example/r git https://g.example/r"]);
    let gate = scene.pages.gate.acquire_many(1000).await.unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let locator = scene.locator.clone();
            tokio::spawn(async move { locator.locate(&"h.example/r".parse().unwrap()).await })
        })
        .collect();
    // On one thread this lets every task run up to the closed gate.
    tokio::task::yield_now().await;
    drop(gate);
    for task in waiting {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(scene.requests(), 1);
}
