//! What each answer of a server means.

use stoa_shared::{
    answer::Meaning,
    config::{Upstream, UpstreamChain},
    testing::git_server::{GitServer, Options, Page},
};

use super::*;
use crate::egress::EgressConfig;

const INFO: &str = "/go/example.com/!mod/@v/v1.0.0.info";

fn proxies() -> GoProxies {
    let egress = EgressConfig { idle_timeout: Duration::from_millis(500), ..Default::default() };
    let egress = Egress::new(egress).unwrap();
    GoProxies::new(egress, "om".parse().unwrap(), Arc::default())
}

async fn serve(options: Options) -> (GitServer, Server) {
    let server = GitServer::start("/nonexistent".into(), options).await.unwrap();
    let url = format!("http://user:hunter2@{}/go/", server.address());
    (server, upstream(&url))
}

fn upstream(url: &str) -> Server {
    let chain: UpstreamChain = url.parse().unwrap();
    match &chain.entries()[0].upstream {
        Upstream::Server(server) => Server::upstream(server),
        other => panic!("{other:?}"),
    }
}

fn page(status: u16, content_type: &str, body: &str) -> Page {
    let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
    Page { status, headers, body: body.into() }
}

async fn info(proxies: &GoProxies, server: &Server) -> Result<VersionInfo, GoProxyError> {
    let module = "example.com/Mod".parse().unwrap();
    proxies.info(server, &module, &"v1.0.0".parse().unwrap()).await
}

#[tokio::test]
async fn statuses_and_bodies_have_their_meanings() {
    let text = "text/plain; charset=utf-8";
    let good = r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}"#;
    let table = [
        (
            page(404, text, "not found: no such version\nsecond"),
            Meaning::Absent,
            "no such version (says HOST)",
        ),
        (page(410, text, ""), Meaning::Absent, "HTTP status 410 (says HOST)"),
        (page(404, "text/html", "<html>"), Meaning::Absent, "HTTP status 404 (says HOST)"),
        (
            page(404, text, "ask http://x:hunter2@h/"),
            Meaning::Absent,
            "HTTP status 404 (says HOST)",
        ),
        (
            page(404, text, "you sent Basic dXNlcjpodW50ZXIy"),
            Meaning::Absent,
            "HTTP status 404 (says HOST)",
        ),
        (page(403, text, "refused: excluded here"), Meaning::Refused, "excluded here (says HOST)"),
        (
            page(401, text, "who?"),
            Meaning::OriginUnavailable,
            "HOST: access denied (HTTP status 401): check its credentials",
        ),
        (page(429, text, "slowly"), Meaning::OriginUnavailable, "HOST: HTTP status 429: slowly"),
        (page(500, text, ""), Meaning::OriginUnavailable, "HOST: HTTP status 500"),
        (
            page(504, text, "still working"),
            Meaning::OriginUnavailable,
            "HOST: HTTP status 504: still working",
        ),
        (
            page(508, text, "loop"),
            Meaning::OriginUnavailable,
            "HOST: the upstreams form a loop (HTTP status 508: loop)",
        ),
        (
            page(206, text, good),
            Meaning::OriginUnavailable,
            "HOST: HTTP status 206: {\"Version\":\"v1.0.0\",\"Time\":\"2020-01-02T03:04:05Z\"}",
        ),
        (
            page(200, text, "v1.0.0"),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: example.com/Mod/@v/v1.0.0.info is no version info: expected value at line 1 column 1",
        ),
        (
            page(200, text, "\n <html>"),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: example.com/Mod/@v/v1.0.0.info is a page for people",
        ),
        (
            page(200, "Text/HTML; charset=utf-8", good),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: example.com/Mod/@v/v1.0.0.info is a page for people",
        ),
        (
            Page {
                headers: vec![("Content-Encoding".into(), "br".into())],
                ..page(200, text, good)
            },
            Meaning::OriginUnavailable,
            "HOST: invalid answer: example.com/Mod/@v/v1.0.0.info is encoded as \"br\", unasked",
        ),
        (
            page(200, text, r#"{"Version":"v1.0.1"}"#),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: answered info for version v1.0.1 when v1.0.0 of example.com/Mod was asked for",
        ),
        (
            page(200, text, r#"{"Version":"v2.0.0"}"#),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: example.com/Mod/@v/v1.0.0.info names v2.0.0, which example.com/Mod cannot have",
        ),
        (
            page(200, text, r#"{"Version":"main"}"#),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: example.com/Mod/@v/v1.0.0.info is no version info: \"main\" is not a semantic version at line 1 column 18",
        ),
        (
            page(200, text, &" ".repeat(1 << 21)),
            Meaning::OriginUnavailable,
            "HOST: invalid answer: it is larger than 1048576 bytes",
        ),
        (
            Page::redirect(302, "file:///etc/passwd"),
            Meaning::OriginUnavailable,
            "HOST: the URL names no host",
        ),
        (Page::redirect(302, INFO), Meaning::OriginUnavailable, "HOST: more than 9 redirects"),
    ];
    let proxies = proxies();
    for (answer, meaning, expected) in table {
        let status = answer.status;
        let (running, server) = serve(Options::default().with_page(INFO, answer)).await;
        let error = info(&proxies, &server).await.unwrap_err();
        let expected = expected.replace("HOST", &running.address().to_string());
        assert_eq!((error.to_string(), error.meaning()), (expected, meaning), "{status}");
    }
    let (_running, server) = serve(Options::default().with_page(INFO, page(200, text, good))).await;
    let info = info(&proxies, &server).await.unwrap();
    assert_eq!(info.time, Some("2020-01-02T03:04:05Z".parse().unwrap()));
}

#[tokio::test]
async fn what_an_upstream_says_of_a_commit_is_passed_on_without_passwords() {
    const COMMIT: &str = "v0.0.0-20200102030405-0123456789ab";
    let (module, query): (ModulePath, _) =
        ("example.com/Mod".parse().unwrap(), COMMIT.parse().unwrap());
    // Real ones have other times than they name.
    let time = "2020-01-02T03:59:59Z";
    let origin = r#""Origin":{"URL":"https://u:hunter2@h.example/m"}"#;
    let body = format!(r#"{{"Version":"{COMMIT}","Time":"{time}",{origin}}}"#);
    let path = format!("/go/example.com/!mod/@v/{COMMIT}.info");
    let options = Options::default().with_page(&path, page(200, "application/json", &body));
    let (_running, server) = serve(options).await;
    let info = proxies().info(&server, &module, &query).await.unwrap();
    assert_eq!(info.time, Some(time.parse().unwrap()));
    assert_eq!(info.origin.unwrap().url, "https://h.example/m");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_in_trouble() {
    let proxies = proxies();
    let (running, server) = serve(Options::default()).await;
    running.set_options(Options { delay: Duration::from_secs(600), ..Options::default() });
    let error = info(&proxies, &server).await.unwrap_err();
    assert!(matches!(error, GoProxyError::Timeout { .. }), "{error}");
    drop(running);
    let error = info(&proxies, &server).await.unwrap_err();
    assert!(matches!(error, GoProxyError::Unavailable { .. }), "{error}");
    let error = info(&proxies, &upstream("https://absent.invalid")).await.unwrap_err();
    assert!(matches!(error, GoProxyError::Unavailable { .. }), "{error}");
    assert!(!format!("{server:?} {error}").contains("hunter2"), "{server:?}");
}

#[tokio::test]
async fn what_a_page_names_must_be_public() {
    let proxies = proxies();
    for url in ["https://127.0.0.1/go", "https://localhost/go", "http://go.example.org/"] {
        let base = Remote { url: url.parse().unwrap(), is_trusted: false };
        let error = info(&proxies, &Server::of_page("example.com", &base)).await.unwrap_err();
        assert_eq!(error.meaning(), Meaning::Absent, "{error}");
        assert!(error.to_string().starts_with("the module proxy of example.com: "), "{error}");
    }
}

#[test]
fn paths_and_queries_are_encoded_once() {
    let server = upstream("https://go.example.org/base/");
    let module: ModulePath = "example.com/Mod".parse().unwrap();
    for (query, expected) in [
        ("v1.0.0-RC.1", "v1.0.0-!r!c.1.info"),
        ("v2.0.0+incompatible", "v2.0.0+incompatible.info"),
        ("100%", "100%25.info"),
        ("#1", "%231.info"),
        ("a b", "a%20b.info"),
        ("a&b=c", "a&b=c.info"),
        ("-x", "-x.info"),
    ] {
        let query: VersionQuery = query.parse().unwrap();
        let url = server.url(&module, &format!("@v/{}.info", query.escaped())).unwrap();
        let expected = format!("https://go.example.org/base/example.com/!mod/@v/{expected}");
        assert_eq!(url.as_str(), expected);
    }
}
