//! A proxy before its registry: misses go there, and are filled behind the scenes.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use http::Request;
use stoa_frontend::{FrontendSettings, RegistrySettings, serve};
use stoa_shared::{
    answer::{Meaning, Question},
    config::{NetworkMode, Role},
    policy::Downloads,
    request_id::RequestId,
    storage::{Storage, StorageKey},
    via::Via,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use crate::{
    scene::{
        Scene, failed, fill, good, info, registry, seconds_ago, until, version_info, versions,
    },
    worker::Does,
};

const MODULE: &str = "example.com/Mod";
const LIST: &str = "/example.com/!mod/@v/list";
const LATEST: &str = "/example.com/!mod/@latest";
const FILES: [&str; 3] = [
    "/example.com/%21mod/@v/v1.0.0-%21b.info",
    "/example.com/%21mod/@v/v1.0.0-%21b.mod",
    "/example.com/%21mod/@v/v1.0.0-%21b.zip",
];
const FILL: &str = "Background fill example.com/Mod@v1.0.0-B";

fn proxy() -> FrontendSettings {
    FrontendSettings {
        role: Role::Proxy,
        registry: Some(registry("https://registry.example/go")),
        redirected_fill_delay: Duration::ZERO,
        wait: Duration::from_millis(200),
        ..FrontendSettings::default()
    }
}

fn downloads(entries: &[&str]) -> Downloads {
    Downloads::new(entries.iter().map(|entry| entry.parse().unwrap())).unwrap()
}

#[tokio::test]
async fn a_miss_is_sent_on_and_filled_behind_the_scenes_once() {
    let scene = Scene::with(proxy()).await;
    for path in FILES.into_iter().chain(FILES) {
        let reply = scene.get(path).await;
        assert_eq!(reply.status, 307, "{path}");
        assert_eq!(reply.header("location"), format!("https://registry.example/go{path}"));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    scene.until_published(1).await;
    assert_eq!(scene.published(), [FILL]);
    let redirects = scene.metric(r#"stoa_requests_total{endpoint="zip",outcome="redirect"}"#);
    assert_eq!(redirects.await, "2");

    scene.worker(Does::Fills);
    until(async || scene.get(FILES[0]).await.status == 200).await;
    assert_eq!(scene.get(FILES[2]).await.text(), "the zip");
}

#[tokio::test]
async fn the_fill_leaves_the_registry_time_to_fill_first() {
    let delay = Duration::from_millis(400);
    let scene = Scene::with(FrontendSettings { redirected_fill_delay: delay, ..proxy() }).await;
    scene.worker(Does::Fills);
    let begun = tokio::time::Instant::now();
    assert_eq!(scene.get(FILES[0]).await.status, 307);
    until(async || scene.get(FILES[0]).await.status == 200).await;
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn looking_starts_nothing_and_is_not_sent_on() {
    let scene = Scene::with(proxy()).await;
    for path in FILES.into_iter().chain([LIST, LATEST]) {
        assert_eq!(scene.head(path).await.status, 404, "{path}");
        assert_eq!(scene.get_with(path, "disable-module-fetch", "true").await.status, 404);
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn what_the_registry_was_found_not_to_have_is_not_asked_of_it_again() {
    let scene = Scene::with(proxy()).await;
    let answer = failed(seconds_ago(1), Meaning::Absent, "unknown revision");
    scene.store_answer(MODULE, &fill("v1.0.0-B"), answer).await;
    let reply = scene.get(FILES[0]).await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.text(), "not found: example.com/Mod@v1.0.0-B: unknown revision");
}

#[tokio::test]
async fn without_a_broker_redirects_go_out_unfilled_and_are_counted() {
    let scene = Scene::with(proxy()).await;
    scene.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(scene.get(FILES[0]).await.status, 307);
    until(async || scene.metric("stoa_unfilled_redirects_total").await == "1").await;
    // The next client's redirect tries again.
    scene.queue.is_down.store(false, Ordering::SeqCst);
    assert_eq!(scene.get(FILES[0]).await.status, 307);
    scene.until_published(1).await;
}

#[tokio::test]
async fn each_redirect_is_counted_that_no_fill_goes_with() {
    let scene = Scene::with(proxy()).await;
    scene.queue.is_stuck.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        assert_eq!(scene.get(FILES[0]).await.status, 307);
    }
    until(async || scene.metric("stoa_unfilled_redirects_total").await == "4").await;
    let refused = r#"stoa_published_jobs_total{lane="background",outcome="refused"}"#;
    assert_eq!(scene.metric(refused).await, "1");
    scene.queue.is_stuck.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(scene.get(FILES[0]).await.status, 307);
        scene.until_published(1).await;
    }
    assert_eq!(scene.published(), [FILL]);
    assert_eq!(scene.metric("stoa_unfilled_redirects_total").await, "4");
}

#[tokio::test]
async fn who_cannot_follow_waits() {
    let http = Some(registry("http://registry.example"));
    let keyed = RegistrySettings { wants_key: true, ..registry("https://registry.example") };
    // What it does not have may be had of the next in the chain.
    let followed = RegistrySettings { has_successor: true, ..registry("https://registry.example") };
    for (settings, scheme) in [
        (FrontendSettings { registry: http.clone(), ..proxy() }, "https"),
        (FrontendSettings { registry: Some(keyed), ..proxy() }, "http"),
        (FrontendSettings { registry: Some(followed), ..proxy() }, "http"),
    ] {
        let scene = Scene::with(settings).await;
        scene.worker(Does::Fills);
        let reply = scene.get_with(FILES[0], "x-forwarded-proto", scheme).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(scene.published(), ["Interactive fill example.com/Mod@v1.0.0-B"]);
    }
    // By http anywhere.
    let scene = Scene::with(FrontendSettings { registry: http, ..proxy() }).await;
    assert_eq!(scene.get(FILES[0]).await.status, 307);
}

#[tokio::test]
async fn lists_are_kept_here_and_made_of_what_is_stored_if_need_be() {
    let scene = Scene::with(proxy()).await;
    let fresh = good(seconds_ago(1), versions(&["v1.0.0", "v1.1.0"]));
    scene.store_answer(MODULE, &Question::List, fresh).await;
    assert_eq!(scene.get(LIST).await.text(), "v1.0.0\nv1.1.0\n");

    // Nobody answers, and some versions are here.
    let scene = Scene::with(proxy()).await;
    for version in ["v1.9.0", "v1.10.0", "v1.11.0-rc.1"] {
        scene.store_version(MODULE, version, b"zip").await;
    }
    assert_eq!(scene.get(LIST).await.text(), "v1.9.0\nv1.10.0\nv1.11.0-rc.1\n");
    assert_eq!(scene.get(LATEST).await.text(), info("v1.10.0"));

    // Nobody answers, and nothing is here.
    let scene = Scene::with(proxy()).await;
    let reply = scene.get(LIST).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.text().starts_with("registry unavailable: example.com/Mod: "));
}

#[tokio::test]
async fn modes_say_what_becomes_of_a_miss() {
    let download = downloads(&[
        "example.com/none=none",
        "example.com/fill=fill",
        "example.com/other=redirect>https://other.example/x",
        "wait",
    ]);
    let mut settings = proxy();
    settings.policy.download = download;
    let scene = Scene::with(settings).await;
    let reply = scene.get("/example.com/none/@v/v1.0.0.info").await;
    assert_eq!(reply.status, 404);
    assert!(reply.text().ends_with("its download mode is none"), "{}", reply.text());
    let reply = scene.get("/example.com/fill/@v/v1.0.0.info").await;
    assert_eq!(reply.status, 404);
    assert!(reply.text().ends_with("not stored here yet, ask again in a while"));
    for path in ["/example.com/other/@v/v1.0.0.info", "/example.com/other/@v/list"] {
        let reply = scene.get(path).await;
        assert_eq!(reply.header("location"), format!("https://other.example/x{path}"));
    }
    scene.until_published(1).await;
    assert_eq!(scene.published(), ["Background fill example.com/fill@v1.0.0"]);
    scene.worker(Does::Fills);
    assert_eq!(scene.get("/example.com/m/@v/v1.0.0.info").await.status, 200);
}

#[tokio::test]
async fn where_nothing_is_fetched_the_list_is_what_is_stored() {
    let mut settings = proxy();
    settings.policy.download = downloads(&["none"]);
    let scene = Scene::with(settings).await;
    scene.store_version(MODULE, "v1.0.0", b"zip").await;
    let list = good(seconds_ago(1), versions(&["v1.0.0", "v1.1.0"]));
    scene.store_answer(MODULE, &Question::List, list).await;
    let latest = good(seconds_ago(1), version_info("v1.1.0"));
    scene.store_answer(MODULE, &Question::Latest, latest).await;
    assert_eq!(scene.get(LIST).await.text(), "v1.0.0\n");
    assert_eq!(scene.get(LATEST).await.text(), info("v1.0.0"));
}

#[tokio::test]
async fn who_is_to_ask_again_hears_what_was_found_out_meanwhile() {
    let mut settings = proxy();
    settings.policy.download = downloads(&["fill"]);
    let scene = Scene::with(settings).await;
    let answer = failed(seconds_ago(1), Meaning::Absent, "unknown revision");
    scene.store_answer(MODULE, &fill("v1.0.0-B"), answer).await;
    let reply = scene.get(FILES[0]).await;
    assert_eq!(reply.text(), "not found: example.com/Mod@v1.0.0-B: unknown revision");
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_version_that_was_to_be_mended_and_is_gone_is_filled() {
    let mut settings = proxy();
    settings.policy.download = downloads(&["fill"]);
    let scene = Scene::with(settings).await;
    scene.store_version(MODULE, "v1.0.0-B", b"the zip").await;
    let (module, version) = (MODULE.parse().unwrap(), "v1.0.0-B".parse().unwrap());
    let storage = &scene.storage.inner;
    storage.delete(&StorageKey::catalog_entry(&module, &version)).await.unwrap();
    assert_eq!(scene.get(FILES[2]).await.text(), "the zip");
    scene.until_published(1).await;
    storage.delete(&StorageKey::info(&module, &version)).await.unwrap();
    assert_eq!(scene.get(FILES[0]).await.status, 404);
    scene.until_published(2).await;
    assert_eq!(scene.published(), [FILL, FILL]);
}

#[tokio::test]
async fn offline_only_what_is_stored_is_there() {
    let scene = Scene::with(FrontendSettings { network: NetworkMode::Offline, ..proxy() }).await;
    scene.store_version(MODULE, "v1.0.0-B", b"the zip").await;
    // A list from before names what cannot be had.
    let list = good(seconds_ago(1), versions(&["v1.0.0-B", "v1.1.0"]));
    scene.store_answer(MODULE, &Question::List, list).await;
    assert_eq!(scene.get(FILES[2]).await.text(), "the zip");
    assert_eq!(scene.get(LIST).await.text(), "v1.0.0-B\n");
    assert_eq!(scene.get(LATEST).await.text(), info("v1.0.0-B"));
    for missing in ["/example.com/m/@v/list", "/example.com/m/@v/v1.0.0.info"] {
        let reply = scene.get(missing).await;
        assert_eq!(reply.status, 404);
        assert!(reply.text().ends_with("this proxy is offline"), "{}", reply.text());
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn offline_a_module_without_tags_has_an_empty_list_and_a_latest() {
    let scene = Scene::with(FrontendSettings { network: NetworkMode::Offline, ..proxy() }).await;
    let commit = "v0.0.0-20240501100000-0123456789ab";
    scene.store_version(MODULE, commit, b"the zip").await;
    let latest = good(seconds_ago(3600), version_info(commit));
    scene.store_answer(MODULE, &Question::Latest, latest).await;
    let list = scene.get(LIST).await;
    assert_eq!((list.status.as_u16(), list.text()), (200, ""));
    assert_eq!(scene.get(LATEST).await.text(), info(commit));
    // Also where nothing else is known but that it was there.
    let known = good(seconds_ago(3600), versions(&["v1.0.0"]));
    scene.store_answer("example.com/known", &Question::List, known).await;
    let list = scene.get("/example.com/known/@v/list").await;
    assert_eq!((list.status.as_u16(), list.text()), (200, ""));
}

#[tokio::test]
async fn a_request_that_goes_round_in_a_circle_is_ended() {
    let settings = FrontendSettings { deployment: "om".parse().unwrap(), ..proxy() };
    let scene = Scene::with(settings).await;
    let reply = scene.get_with(FILES[0], "via", "1.1 oa, 1.1 om").await;
    assert_eq!(reply.status, 508);
    assert!(reply.text().starts_with("loop detected: example.com/Mod"), "{}", reply.text());
    assert_eq!(scene.get_with(FILES[0], "via", "1.1 oa").await.status, 307);
}

#[tokio::test]
async fn a_job_names_the_deployments_that_its_question_came_by() {
    let scene = Scene::with(FrontendSettings { registry: None, ..proxy() }).await;
    scene.get_with(FILES[0], "via", "1.1 oa, 1.1 ob").await;
    assert_eq!(scene.causes()[0].via, Via::of_headers(["1.1 oa", "1.1 ob"]));
}

#[tokio::test]
async fn operators_show_their_token_by_any_spelling_of_the_scheme() {
    let token = Some("s3cret".parse().unwrap());
    let scene = Scene::with(FrontendSettings { admin_token: token, ..proxy() }).await;
    for (given, status) in [
        ("Bearer s3cret", 400),
        ("bearer  s3cret", 400),
        ("Bearer other", 401),
        ("Basic s3cret", 401),
        ("s3cret", 401),
        ("", 401),
    ] {
        let request = Request::post("/admin/refresh?module=none").header("authorization", given);
        assert_eq!(scene.operate(request).await.status, status, "{given:?}");
    }
}

/// Answers HEAD as anybody who is there.
async fn alive(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 2048];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn nobody_is_sent_to_a_registry_that_is_down() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = port.local_addr().unwrap();
    drop(port);
    let url = format!("http://{address}");
    let scene = Scene::with(FrontendSettings { registry: Some(registry(&url)), ..proxy() }).await;
    scene.store_version(MODULE, "v1.1.0", b"zip").await;
    scene.store_version("example.com/old", "v1.1.0", b"zip").await;
    let list = good(seconds_ago(3600), versions(&["v1.0.0", "v1.2.0-rc.1"]));
    scene.store_answer("example.com/old", &Question::List, list).await;
    let latest = good(seconds_ago(3600), version_info("v1.0.0"));
    scene.store_answer("example.com/old", &Question::Latest, latest).await;
    let shutdown = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = tokio::spawn(serve(scene.frontend.clone(), listener, None, shutdown.clone()));
    until(async || scene.get(FILES[0]).await.status == 503).await;
    let reply = scene.get(FILES[0]).await;
    assert_eq!(reply.header("retry-after"), "10");
    assert!(reply.text().ends_with("the registry does not answer; ask again when it is back"));
    assert_eq!(scene.metric("stoa_upstream_up").await, "0");
    // What is here is served, and is the list.
    assert_eq!(scene.get("/example.com/!mod/@v/v1.1.0.info").await.status, 200);
    assert_eq!(scene.get(LIST).await.text(), "v1.1.0\n");
    let list = scene.get("/example.com/old/@v/list").await;
    assert_eq!(list.text(), "v1.0.0\nv1.1.0\nv1.2.0-rc.1\n");
    assert_eq!(scene.get("/example.com/old/@latest").await.text(), info("v1.1.0"));

    let registry = tokio::spawn(alive(TcpListener::bind(address).await.unwrap()));
    until(async || scene.get(FILES[0]).await.status == 307).await;
    assert_eq!(scene.metric("stoa_upstream_up").await, "1");
    registry.abort();
    shutdown.cancel();
    served.await.unwrap();
}

#[tokio::test]
async fn a_module_whose_new_tag_cannot_wait_is_refreshed() {
    let mut settings = FrontendSettings { wait: Duration::from_secs(20), ..proxy() };
    let exclude = ["example.com/evil", "example.com/Mod@v1.2.0"];
    settings.policy.exclude = exclude.iter().map(|rule| rule.parse().unwrap()).collect();
    settings.policy.download = downloads(&["example.com/none=none"]);
    let scene = Scene::with(settings).await;
    let old = good(seconds_ago(1), versions(&["v1.0.0"]));
    scene.store_answer(MODULE, &Question::List, old).await;
    assert_eq!(scene.get(LIST).await.text(), "v1.0.0\n");
    let shutdown = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = tokio::spawn(serve(scene.frontend.clone(), listener, None, shutdown.clone()));
    scene.worker(Does::Answers(versions(&["v1.0.0", "v1.1.0", "v1.2.0"])));
    let refresh = |module: &str| Request::post(format!("/admin/refresh?module={module}"));
    let reply = scene.operate(refresh(MODULE).header("x-request-id", "tag-1")).await;
    assert_eq!(reply.request_id, "tag-1");
    assert_eq!(scene.causes()[0].request.as_ref().map(RequestId::as_str), Some("tag-1"));
    assert_eq!(reply.text(), r#"{"module":"example.com/Mod","versions":["v1.0.0","v1.1.0"]}"#);
    assert_eq!(scene.published(), ["Interactive refresh example.com/Mod"]);
    // Also where the list was in memory.
    until(async || scene.get(LIST).await.text() == "v1.0.0\nv1.1.0\n").await;
    for bad in ["", "no-dot", "a.b/../c"] {
        assert_eq!(scene.operate(refresh(bad)).await.status, 400, "{bad}");
    }
    // What nobody is asked about.
    assert_eq!(scene.operate(refresh("example.com/evil")).await.status, 403);
    assert_eq!(scene.operate(refresh("example.com/none")).await.status, 400);
    assert_eq!(scene.published().len(), 1);
    shutdown.cancel();
    served.await.unwrap();
}
