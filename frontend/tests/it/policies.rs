//! What is private, what is excluded, and what callers without a key get.

use http::Request;
use stoa_frontend::FrontendSettings;
use stoa_shared::{
    answer::Question,
    config::{NetworkMode, Role},
    policy::{Anonymous, Downloads, Policy},
};

use crate::{
    scene::{Scene, good, info, registry, seconds_ago, send, version_info, versions},
    worker::Does,
};

const SECRET: &str = "/corp.example/secret/@v/v1.0.0.info";
const PUBLIC: &str = "/example.com/m/@v/v1.0.0.info";

fn settings(private: &[&str], exclude: &[&str]) -> FrontendSettings {
    let parsed = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect();
    let (private, exclude): (Vec<String>, Vec<String>) = (parsed(private), parsed(exclude));
    let policy = Policy {
        private: private.iter().map(|entry| entry.parse().unwrap()).collect(),
        exclude: exclude.iter().map(|entry| entry.parse().unwrap()).collect(),
        ..Policy::default()
    };
    FrontendSettings {
        role: Role::Proxy,
        policy,
        anonymous: Some(Anonymous::Full),
        registry: Some(registry("https://registry.example")),
        ..FrontendSettings::default()
    }
}

#[tokio::test]
async fn a_private_module_is_waited_for_and_kept_apart() {
    let scene = Scene::with(settings(&["!corp.example/open", "corp.example/*"], &[])).await;
    scene.worker(Does::Fills);
    for _ in 0..2 {
        let reply = scene.get(SECRET).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, info("v1.0.0").as_str()));
        assert_eq!(reply.header("cache-control"), "private, no-store");
    }
    let zip = scene.get("/corp.example/secret/@v/v1.0.0.zip").await;
    assert_eq!(zip.header("cache-control"), "private, no-store");
    let job = "Interactive private/default fill corp.example/secret@v1.0.0";
    assert_eq!(scene.published(), [job]);
    let keys = scene.keys().await;
    assert!(keys.len() > 1);
    for key in keys.iter().filter(|key| *key != "_stoa/format") {
        assert!(key.starts_with("_stoa/private/default/"), "{key}");
    }
    // What is allowed again goes the public way.
    assert_eq!(scene.get("/corp.example/open/@v/v1.0.0.info").await.status, 307);
}

#[tokio::test]
async fn no_cache_keeps_what_is_said_of_a_private_module() {
    let scene = Scene::with(settings(&["corp.example"], &["corp.example/banned=no"])).await;
    for path in ["/corp.example/secret/@v/v1.0.0.info", "/corp.example/banned/@v/list"] {
        let reply = scene.head(path).await;
        assert_eq!(reply.header("cache-control"), "private, no-store", "{path}");
    }
    let list = good(seconds_ago(1), versions(&["v1.0.0"]));
    scene.store_private_answer("corp.example/secret", &Question::List, list).await;
    let reply = scene.get("/corp.example/secret/@v/list").await;
    assert_eq!((reply.text(), reply.header("cache-control")), ("v1.0.0\n", "private, no-store"));
}

#[tokio::test]
async fn callers_without_a_key_get_what_the_deployment_says() {
    use Anonymous::{Full, Nothing, Public};
    let table = [
        (Some(Full), false, None, 200, 200),
        (Some(Public), true, None, 200, 403),
        (Some(Nothing), true, None, 401, 401),
        (None, true, None, 200, 200),
        (None, true, Some("x-forwarded-for"), 200, 403),
        (None, false, None, 200, 403),
    ];
    for (anonymous, listens_on_loopback, header, public, private) in table {
        let settings = settings(&["corp.example/*"], &[]);
        let scene =
            Scene::with(FrontendSettings { anonymous, listens_on_loopback, ..settings }).await;
        scene.store_version("example.com/m", "v1.0.0", b"zip").await;
        scene.worker(Does::Fills);
        for _ in 0..2 {
            for (path, status) in [(PUBLIC, public), (SECRET, private)] {
                let reply = scene.get_with(path, header.unwrap_or("x-other"), "10.0.0.1").await;
                assert_eq!(reply.status, status, "{anonymous:?} {listens_on_loopback} {header:?}");
                let asks = reply.header("www-authenticate") == "Basic realm=\"stoa\"";
                assert_eq!(asks, status == 401);
            }
        }
        let catalog = scene.get("/catalog").await.status;
        assert_eq!(catalog, if anonymous == Some(Nothing) { 401 } else { 200 });
        assert_eq!(scene.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn what_is_excluded_nobody_gets_also_if_it_is_stored() {
    let exclude = [
        "example.com/evil=SEC-123",
        "example.com/gone=absent:moved away",
        "example.com/old@<v1.2.0=too old",
    ];
    let scene = Scene::with(settings(&[], &exclude)).await;
    for module in ["example.com/evil", "example.com/gone", "example.com/old"] {
        for version in ["v1.1.0", "v1.2.0"] {
            scene.store_version(module, version, b"zip").await;
        }
        let list = good(seconds_ago(1), versions(&["v1.0.0", "v1.1.0", "v1.2.0"]));
        scene.store_answer(module, &Question::List, list).await;
        let latest = good(seconds_ago(1), version_info("v1.1.0"));
        scene.store_answer(module, &Question::Latest, latest).await;
    }
    for (path, status, text) in [
        (
            "/example.com/evil/@v/v1.2.0.zip",
            403,
            "refused: example.com/evil@v1.2.0: excluded here: SEC-123",
        ),
        ("/example.com/evil/@v/list", 403, "refused: example.com/evil: excluded here: SEC-123"),
        (
            "/example.com/evil/@latest",
            403,
            "refused: example.com/evil@latest: excluded here: SEC-123",
        ),
        ("/example.com/evil?go-get=1", 403, "refused: example.com/evil: excluded here: SEC-123"),
        (
            "/example.com/gone/@v/v1.2.0.mod",
            404,
            "not found: example.com/gone@v1.2.0: excluded here: moved away",
        ),
        (
            "/example.com/old/@v/v1.1.0.info",
            403,
            "refused: example.com/old@v1.1.0: excluded here: too old",
        ),
        ("/example.com/old/@v/v1.2.0.info", 200, &info("v1.2.0")),
        ("/example.com/old/@v/list", 200, "v1.2.0\n"),
        // The latest was found out before it was excluded.
        ("/example.com/old/@latest", 200, &info("v1.2.0")),
    ] {
        let reply = scene.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (status, text), "{path}");
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn lists_of_what_is_excluded_in_part_are_looked_at_here() {
    let mut settings = settings(&[], &["example.com/old@<v1.2.0", "example.com/tag@v2.0.0"]);
    settings.policy.download = Downloads::new(["redirect".parse().unwrap()]).unwrap();
    let scene = Scene::with(settings).await;
    scene.worker(Does::Answers(versions(&["v1.1.0", "v1.2.0"])));
    assert_eq!(scene.get("/example.com/m/@v/list").await.status, 307);
    assert_eq!(scene.get("/example.com/old/@v/list").await.text(), "v1.2.0\n");
    // No version without +incompatible, and excluded all the same.
    assert_eq!(scene.get("/example.com/tag/@v/v2.0.0.info").await.status, 403);
    assert_eq!(scene.published(), ["Interactive list example.com/old"]);
}

#[tokio::test]
async fn the_latest_is_the_highest_version_that_is_allowed() {
    let module = "example.com/m";
    let scene = Scene::with(settings(&[], &["example.com/m@v1.4.0"])).await;
    scene.store_version(module, "v1.0.0", b"zip").await;
    let list = good(seconds_ago(1), versions(&["v1.0.0", "v1.3.0", "v1.4.0"]));
    scene.store_answer(module, &Question::List, list).await;
    let latest = good(seconds_ago(1), version_info("v1.4.0"));
    scene.store_answer(module, &Question::Latest, latest).await;
    // Nobody may be asked.
    let reply = scene.get_with("/example.com/m/@latest", "disable-module-fetch", "true").await;
    assert_eq!(reply.text(), info("v1.0.0"));
    scene.worker(Does::Fills);
    assert_eq!(scene.get("/example.com/m/@latest").await.text(), info("v1.3.0"));
    assert_eq!(scene.published(), ["Interactive fill example.com/m@v1.3.0"]);
}

#[tokio::test]
async fn the_latest_that_is_allowed_needs_no_list_that_somebody_has_asked_for() {
    let module = "example.com/m";
    let scene = Scene::with(settings(&[], &["example.com/m@v1.4.0"])).await;
    scene.store_version(module, "v1.3.0", b"zip").await;
    scene.store_version(module, "v1.0.0", b"zip").await;
    let latest = good(seconds_ago(1), version_info("v1.4.0"));
    scene.store_answer(module, &Question::Latest, latest).await;
    scene.worker(Does::Answers(versions(&["v1.0.0", "v1.3.0", "v1.4.0"])));
    assert_eq!(scene.get("/example.com/m/@latest").await.text(), info("v1.3.0"));
    assert_eq!(scene.published(), ["Interactive list example.com/m"]);
}

#[tokio::test]
async fn no_other_proxy_hears_of_a_private_module() {
    let settings = settings(&["corp.example"], &["corp.example/gone=absent:moved"]);
    let scene = Scene::with(FrontendSettings { network: NetworkMode::Offline, ..settings }).await;
    for path in [SECRET, "/corp.example/secret/@v/list", "/corp.example/secret/@latest"] {
        let reply = scene.get(path).await;
        assert_eq!(reply.status, 503, "{path}");
        assert!(reply.text().ends_with("private, and this proxy is offline"), "{}", reply.text());
    }
    for path in ["/corp.example/gone/@v/v1.0.0.info", "/corp.example/gone?go-get=1"] {
        let reply = scene.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.text().ends_with("moved")), (403, true), "{path}");
        assert_eq!(reply.header("cache-control"), "private, no-store");
    }
    assert_eq!(scene.get(PUBLIC).await.status, 404);
}

#[tokio::test]
async fn offline_what_may_be_a_package_of_a_stored_private_module_is_no_module() {
    let settings = settings(&["corp.example"], &[]);
    let scene = Scene::with(settings.clone()).await;
    scene.worker(Does::Fills);
    assert_eq!(scene.get(SECRET).await.status, 200);
    let offline = FrontendSettings { network: NetworkMode::Offline, ..settings };
    let router = scene.router_of(offline);
    let below = "/corp.example/secret/pkg/sub";
    for (path, status) in [
        (format!("{below}/@v/list"), 404),
        (format!("{below}/@latest"), 404),
        (format!("{below}/@v/v1.0.0.info"), 404),
        (format!("{below}/@v/main.info"), 404),
        // Only of what is taken for a module.
        (format!("{below}/@v/v1.0.0.mod"), 503),
        (format!("{below}/@v/v1.0.0.zip"), 503),
        ("/corp.example/secret/@v/v1.1.0.info".to_owned(), 503),
        ("/corp.example/secret/v2/@v/list".to_owned(), 503),
        ("/corp.example/secrets/@v/list".to_owned(), 503),
        ("/corp.example/@v/list".to_owned(), 503),
    ] {
        let reply = send(router.clone(), Request::get(&path)).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert_eq!(reply.header("cache-control"), "private, no-store");
        let says = "not stored here, but corp.example/secret is, and this proxy is offline";
        assert_eq!(reply.text().ends_with(says), status == 404, "{}", reply.text());
    }
}

#[tokio::test]
async fn offline_a_module_without_tags_has_its_newest_stored_commit() {
    let (old, new) = ("v0.0.0-20200102030405-0123456789ab", "v0.0.0-20240102030405-abcdefabcdef");
    let settings = FrontendSettings { network: NetworkMode::Offline, ..settings(&[], &[]) };
    let scene = Scene::with(settings.clone()).await;
    for version in [new, old] {
        scene.store_version("example.com/m", version, b"zip").await;
    }
    // A frontend of its own each time, because an answer stays in memory for a second.
    let latest = async || {
        let router = scene.router_of(settings.clone());
        send(router, Request::get("/example.com/m/@latest")).await.text().to_owned()
    };
    assert_eq!(scene.get("/example.com/m/@v/list").await.text(), "");
    assert_eq!(latest().await, info(new));
    // What the origin said last goes first, if it is here, and a tag before both.
    let said = |version| good(seconds_ago(9), version_info(version));
    scene.store_answer("example.com/m", &Question::Latest, said(old)).await;
    assert_eq!(latest().await, info(old));
    let elsewhere = said("v0.0.0-20250102030405-abcdefabcdef");
    scene.store_answer("example.com/m", &Question::Latest, elsewhere).await;
    assert_eq!(latest().await, info(new));
    scene.store_version("example.com/m", "v0.0.1", b"zip").await;
    assert_eq!(latest().await, info("v0.0.1"));
}

#[tokio::test]
async fn a_module_says_where_it_is_at_home() {
    let scene = Scene::with(settings(&["corp.example"], &[])).await;
    let ask = Request::get("/example.com/Mod?go-get=1").header("host", "go.example:3000");
    let reply = scene.send(ask).await;
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    let tag = r#"<meta name="go-import" content="example.com/Mod mod http://go.example:3000">"#;
    assert!(reply.text().contains(tag), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "public, max-age=60");
    let private = scene.get("/corp.example/secret?go-get=1").await;
    assert_eq!(
        (private.status.as_u16(), private.header("cache-control")),
        (200, "private, no-store")
    );
}

#[tokio::test]
async fn the_catalog_lists_what_is_stored_page_by_page() {
    let scene = Scene::with(settings(&["corp.example/*"], &[])).await;
    assert_eq!(scene.get("/catalog").await.text(), r#"{"modules":[]}"#);
    for (module, version) in [
        // From before it became private.
        ("corp.example/old", "v1.0.0"),
        ("corp.example/old", "v1.1.0"),
        ("example.com/Mod", "v1.0.0"),
        ("example.com/Mod", "v1.1.0"),
        ("example.com/a/v2", "v2.0.0"),
        ("example.com/b", "v2.0.0+incompatible"),
        ("example.com/b", "v2.1.0+incompatible"),
        ("example.com/b", "v2.2.0+incompatible"),
    ] {
        scene.store_version(module, version, b"zip").await;
    }
    scene.worker(Does::Fills);
    assert_eq!(scene.get(SECRET).await.status, 200);
    let mut seen = Vec::new();
    let mut token = String::new();
    for _ in 0..3 {
        let reply = scene.get(&format!("/catalog?pagesize=2&token={token}")).await;
        let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(page["modules"].as_array().unwrap().len(), 2);
        for entry in page["modules"].as_array().unwrap() {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            seen.push(format!("{}@{}", text("module"), text("version")));
        }
        token = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(token, "");
    let expected = [
        "example.com/Mod@v1.0.0",
        "example.com/Mod@v1.1.0",
        "example.com/a/v2@v2.0.0",
        "example.com/b@v2.0.0+incompatible",
        "example.com/b@v2.1.0+incompatible",
        "example.com/b@v2.2.0+incompatible",
    ];
    assert_eq!(seen, expected);
    for bad in ["pagesize=0", "token=example.com/!mod/@v/v1.0.0.json"] {
        assert_eq!(scene.get(&format!("/catalog?{bad}")).await.status, 400, "{bad}");
    }
}
