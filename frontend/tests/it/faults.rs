//! Trouble of our own, and requests that are none.

use std::sync::atomic::Ordering;

use http::{Request, StatusCode};
use stoa_shared::{answer::Question, storage::StorageKey};

use crate::{
    scene::{Scene, good, pattern, seconds_ago, until, versions},
    worker::Does,
};

const INFO: &str = "/example.com/m/@v/v1.0.0.info";

#[tokio::test]
async fn without_its_queue_a_frontend_serves_what_it_has() {
    let scene = Scene::new().await;
    scene.queue.is_down.store(true, Ordering::SeqCst);
    scene.store_version("example.com/m", "v1.0.0", b"zip").await;
    let stale = good(seconds_ago(3_600), versions(&["v1.0.0"]));
    scene.store_answer("example.com/m", &Question::List, stale).await;
    assert_eq!(scene.get(INFO).await.status, 200);
    assert_eq!(scene.get("/example.com/m/@v/list").await.status, 200);
    for path in ["/example.com/m/@v/v1.1.0.zip", "/example.com/m/@latest"] {
        let reply = scene.get(path).await;
        assert_eq!(reply.status, 503, "{path}");
        assert!(!reply.header("retry-after").is_empty(), "{path}");
    }
    scene.queue.is_down.store(false, Ordering::SeqCst);
    scene.worker(Does::Fills);
    assert_eq!(scene.get("/example.com/m/@v/v1.1.0.zip").await.status, 200);
}

#[tokio::test]
async fn without_storage_nothing_is_called_absent() {
    let scene = Scene::new().await;
    scene.storage.fail_every(1);
    let paths = [
        INFO,
        "/example.com/m/@v/v1.0.0.mod",
        "/example.com/m/@v/v1.0.0.zip",
        "/example.com/m/@v/list",
        "/example.com/m/@v/main.info",
        "/example.com/m/@latest",
    ];
    for path in paths {
        for request in [Request::get(path), Request::head(path)] {
            let reply = scene.send(request).await;
            assert_eq!(reply.status, 503, "{path}");
            assert!(!reply.header("retry-after").is_empty(), "{path}");
            assert!(!reply.text().contains("secret-host"), "{}", reply.text());
        }
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn with_storage_failing_one_call_in_five_clients_are_served_or_told() {
    let scene = Scene::new().await;
    scene.worker(Does::Fills);
    scene.storage.fail_every(5);
    let mut served = 0;
    for number in 0..40 {
        for file in ["info", "mod", "zip"] {
            let reply = scene.get(&format!("/example.com/m/@v/v1.{number}.0.{file}")).await;
            match reply.status.as_u16() {
                200 => served += 1,
                503 => assert!(!reply.header("retry-after").is_empty()),
                status => panic!("{status}: {}", reply.text()),
            }
        }
    }
    assert!(served > 0, "most calls work");
}

#[tokio::test]
async fn a_wait_outlives_a_storage_failure() {
    let scene = Scene::new().await;
    let waiting = scene.begin(INFO);
    scene.until_published(1).await;
    scene.storage.fail_every(1);
    scene.worker(Does::Fills);
    let calls = scene.storage.calls.load(Ordering::SeqCst);
    until(async || scene.storage.calls.load(Ordering::SeqCst) > calls).await;
    scene.storage.fail_every(0);
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_zip_cut_short_in_storage_is_not_served() {
    let scene = Scene::impatient().await;
    scene.store_version("example.com/m", "v1.0.0", &pattern(0..100_000)).await;
    let key = StorageKey::zip(&"example.com/m".parse().unwrap(), &"v1.0.0".parse().unwrap());
    scene.store(&key, pattern(0..50_000)).await;
    let reply = scene.get("/example.com/m/@v/v1.0.0.zip").await;
    assert_eq!(reply.status, 503);
}

#[tokio::test]
async fn a_path_that_is_none_of_the_protocol_is_absent() {
    let scene = Scene::new().await;
    let paths = [
        "/example.com/m",
        "/example.com/m/",
        "/example.com/m/@v/",
        "/example.com/m/@v/v1.0.0",
        "/example.com/m/@v/v1.0.0.exe",
        "/example.com/m/@v/main.zip",
        "/example.com/m/@v/main.mod",
        "/example.com/m/@v/latest.info",
        "/example.com/m/@v/upgrade.info",
        "/example.com/M/@v/list",
        "/example.com//m/@v/list",
        "/example.com/../m/@v/list",
        "/m/@v/list",
        "/@v/list",
        "/example.com/m/@v/!.info",
        "/example.com/%ff/@v/list",
        "/example.com/%zz/@v/list",
        "/_stoa/catalog/example.com/m/@v/v1.0.0.json",
        "/_stoa/modonly/example.com/m/@v/v1.0.0.info",
    ];
    for path in paths {
        let reply = scene.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.text().starts_with("not found: "), "{path}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    }
    assert_eq!(scene.storage.calls.load(Ordering::SeqCst), 0);
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn modules_are_only_read() {
    let scene = Scene::new().await;
    scene.store_version("example.com/m", "v1.0.0", b"zip").await;
    assert_eq!(scene.get(INFO).await.status, 200);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reply = scene.send(Request::builder().method(method).uri(INFO)).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.header("allow"), "GET, HEAD", "{method}");
    }
}

#[tokio::test]
async fn a_stored_answer_that_cannot_be_read_is_asked_anew() {
    let scene = Scene::new().await;
    scene.worker(Does::Answers(versions(&["v1.0.0"])));
    let key = StorageKey::answer(&"example.com/m".parse().unwrap(), &Question::List);
    scene.store(&key, "{ damaged").await;
    let reply = scene.get("/example.com/m/@v/list").await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "v1.0.0\n"));
}
