//! What is not stored is asked for once, however many wait, and a failure is an outcome.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use http::StatusCode;
use stoa_frontend::FrontendSettings;
use stoa_shared::{
    answer::Meaning,
    queue::{Lanes, Queue},
    storage::StorageKey,
};

use crate::{
    scene::{Scene, entry, failed, fill, go_mod, info, seconds_ago, until},
    worker::{Does, store_mod_only},
};

const INFO: &str = "/example.com/m/@v/v1.0.0.info";
const GO_MOD: &str = "/example.com/m/@v/v1.0.0.mod";
const ZIP: &str = "/example.com/m/@v/v1.0.0.zip";

#[tokio::test]
async fn a_miss_is_filled_in_the_same_request() {
    let files =
        [(INFO, info("v1.0.0")), (GO_MOD, go_mod("example.com/m")), (ZIP, "the zip".to_owned())];
    for (path, body) in files {
        let scene = Scene::new().await;
        scene.worker(Does::Fills);
        let reply = scene.get(path).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{path}");
        assert_eq!(scene.published(), ["Interactive fill example.com/m@v1.0.0"]);
    }
}

#[tokio::test]
async fn five_hundred_clients_are_one_job() {
    let scene = Scene::new().await;
    let paths = [INFO, GO_MOD, ZIP].into_iter().cycle().take(500);
    let clients: Vec<_> = paths.map(|path| scene.begin(path)).collect();
    scene.until_waiting(500).await;
    scene.worker(Does::Fills);
    for reply in join_all(clients).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(scene.published(), ["Interactive fill example.com/m@v1.0.0"]);
    scene.until_waiting(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_nobody_along() {
    let scene = Scene::new().await;
    let first = scene.begin(INFO);
    scene.until_published(1).await;
    let second = scene.begin(INFO);
    scene.until_waiting(2).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    scene.worker(Does::Fills);
    assert_eq!(second.await.unwrap().status, 200);
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn when_all_clients_leave_nothing_remains_but_the_job() {
    let scene = Scene::new().await;
    let only = scene.begin(INFO);
    scene.until_published(1).await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    scene.until_waiting(0).await;
    let calls = scene.storage.calls.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(scene.storage.calls.load(Ordering::SeqCst), calls, "nobody looks any longer");
    // Whoever comes later begins anew.
    let later = scene.begin(INFO);
    scene.until_published(2).await;
    scene.worker(Does::Fills);
    assert_eq!(later.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_failure_is_an_outcome() {
    let table = [
        (Meaning::Absent, 404, "not found: example.com/m@v1.0.0: it is so"),
        (Meaning::Invalid, 404, "not found: example.com/m@v1.0.0: it is so"),
        (Meaning::Refused, 403, "refused: example.com/m@v1.0.0: it is so"),
        (Meaning::OriginUnavailable, 503, "origin unavailable: example.com/m@v1.0.0: it is so"),
        (Meaning::OriginTimeout, 504, "origin timeout: example.com/m@v1.0.0: it is so"),
        (Meaning::Internal, 503, "internal error: example.com/m@v1.0.0: it is so"),
    ];
    for (meaning, status, body) in table {
        let scene = Scene::new().await;
        scene.worker(Does::Fails(meaning, "it is so"));
        let reply = scene.get(INFO).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (status, body));
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.header("retry-after").is_empty(), status < 500);
    }
}

#[tokio::test]
async fn absence_is_remembered_for_a_while() {
    let scene = Scene::new().await;
    scene.worker(Does::Fails(Meaning::Absent, "unknown revision"));
    for path in [INFO, GO_MOD, ZIP, INFO] {
        assert_eq!(scene.get(path).await.status, 404, "{path}");
    }
    assert_eq!(scene.published().len(), 1);

    let old = failed(seconds_ago(11), Meaning::Absent, "unknown revision");
    scene.store_answer("example.com/m", &fill("v1.0.0"), old).await;
    assert_eq!(scene.get(INFO).await.status, 404);
    assert_eq!(scene.published().len(), 2, "an old absence is asked about again");
}

#[tokio::test]
async fn trouble_is_asked_about_again() {
    let scene = Scene::new().await;
    let trouble = failed(seconds_ago(0), Meaning::OriginUnavailable, "refused");
    scene.store_answer("example.com/m", &fill("v1.0.0"), trouble).await;
    scene.worker(Does::Fills);
    assert_eq!(scene.get(INFO).await.status, 200);
}

#[tokio::test]
async fn trouble_that_an_equal_job_just_ran_into_ends_the_wait() {
    let scene = Scene::new().await;
    let trouble = failed(seconds_ago(0), Meaning::OriginUnavailable, "refused");
    scene.store_answer("example.com/m", &fill("v1.0.0"), trouble).await;
    let waiting = scene.begin(INFO);
    scene.until_published(1).await;
    let job = scene.queue.inner.receive(Lanes::All).await.unwrap().job.unwrap();
    scene.queue.announce(&job.key()).await.unwrap();
    let reply = waiting.await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (503, "origin unavailable: example.com/m@v1.0.0: refused")
    );
}

#[tokio::test]
async fn a_wait_has_an_end_and_the_job_goes_on() {
    let wait = Duration::from_secs(1);
    let scene = Scene::with(FrontendSettings { wait, ..FrontendSettings::default() }).await;
    let reply = scene.get(ZIP).await;
    assert_eq!(reply.status, 504);
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(reply.text().lines().count(), 1);
    assert_eq!(scene.published().len(), 1);
    scene.until_waiting(0).await;

    scene.worker(Does::Fills);
    let is_stored =
        async || scene.get_with(ZIP, "disable-module-fetch", "true").await.status == 200;
    until(is_stored).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn a_lost_completion_is_found_by_looking() {
    let scene = Scene::new().await;
    scene.queue.is_mute.store(true, Ordering::SeqCst);
    scene.worker(Does::Fills);
    assert_eq!(scene.get(INFO).await.status, 200);
}

#[tokio::test]
async fn a_mod_only_version_has_no_zip_and_says_why() {
    let scene = Scene::new().await;
    scene.worker(Does::FillsModOnly("the zip would hold two files named a"));
    let zip = scene.get(ZIP).await;
    assert_eq!(zip.status, 404);
    assert_eq!(zip.text(), "not found: example.com/m@v1.0.0: the zip would hold two files named a");
    for (path, body) in [(INFO, info("v1.0.0")), (GO_MOD, go_mod("example.com/m"))] {
        let reply = scene.get(path).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{path}");
    }
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn a_zip_that_was_not_to_be_had_is_no_hindrance_for_the_rest() {
    let scene = Scene::new().await;
    scene.worker(Does::FillsWithoutZip("no zip (says go.example.org)"));
    for _ in 0..2 {
        let zip = scene.get(ZIP).await;
        let expected = "not found: example.com/m@v1.0.0: no zip (says go.example.org)";
        assert_eq!((zip.status.as_u16(), zip.text()), (404, expected));
        assert_eq!(scene.get(INFO).await.status, 200);
        assert_eq!(scene.get(GO_MOD).await.status, 200);
    }
    // The absence is remembered, and a HEAD never asks.
    let asked = scene.published().len();
    assert_eq!(scene.head(ZIP).await.status, 404);
    assert!(asked <= 2 && scene.published().len() == asked, "{:?}", scene.published());
    // Another frontend's request may have brought it.
    scene.store_version("example.com/m", "v1.0.0", b"the zip").await;
    assert_eq!(scene.get(ZIP).await.text(), "the zip");
}

#[tokio::test]
async fn a_zip_that_was_not_to_be_had_is_asked_for_again() {
    let scene = Scene::new().await;
    let (module, version) = ("example.com/m".parse().unwrap(), "v1.0.0".parse().unwrap());
    store_mod_only(&scene.storage.inner, &module, &version, None).await;
    let old = failed(seconds_ago(11), Meaning::Absent, "no zip");
    scene.store_answer("example.com/m", &fill("v1.0.0"), old).await;
    assert_eq!(scene.get(GO_MOD).await.status, 200);
    assert_eq!(scene.published(), [] as [&str; 0]);
    let zip = scene.begin(ZIP);
    scene.until_published(1).await;
    scene.worker(Does::Fills);
    let zip = zip.await.unwrap();
    assert_eq!((zip.status.as_u16(), zip.text()), (200, "the zip"));
    assert_eq!(scene.get(INFO).await.status, 200);
}

#[tokio::test]
async fn a_go_mod_that_no_zip_has_vouched_for_is_kept_nowhere() {
    const TRUE: &str = "module example.com/m\n\ngo 1.21\n";
    let scene = Scene::new().await;
    let (module, version) = ("example.com/m".parse().unwrap(), "v1.0.0".parse().unwrap());
    store_mod_only(&scene.storage.inner, &module, &version, None).await;
    for _ in 0..2 {
        for (path, body) in [(INFO, info("v1.0.0")), (GO_MOD, go_mod("example.com/m"))] {
            let reply = scene.get(path).await;
            assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{path}");
            assert_eq!(reply.header("cache-control"), "public, max-age=60", "{path}");
        }
    }
    assert_eq!(scene.head(GO_MOD).await.header("cache-control"), "public, max-age=60");
    // A worker finds a zip, and that the go.mod in it is another.
    let zip = scene.store(&StorageKey::zip(&module, &version), "the zip").await;
    let go_mod = scene.store(&StorageKey::go_mod(&module, &version), TRUE).await;
    let entry = serde_json::to_vec(&entry(&go_mod, Some(&zip))).unwrap();
    scene.store(&StorageKey::catalog_entry(&module, &version), entry).await;
    scene.store(&StorageKey::info(&module, &version), info("v1.0.0")).await;
    for (path, body) in [(GO_MOD, TRUE), (ZIP, "the zip"), (INFO, &info("v1.0.0"))] {
        let reply = scene.get(path).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, body), "{path}");
        assert_eq!(reply.header("cache-control"), "public, max-age=604800, immutable", "{path}");
    }
}

#[tokio::test]
async fn a_go_mod_without_a_zip_for_good_needs_no_storage_the_second_time() {
    let scene = Scene::new().await;
    let (module, version) = ("example.com/m".parse().unwrap(), "v1.0.0".parse().unwrap());
    store_mod_only(&scene.storage.inner, &module, &version, Some("no such zip")).await;
    for path in [INFO, GO_MOD] {
        let reply = scene.get(path).await;
        assert_eq!(reply.header("cache-control"), "public, max-age=604800, immutable", "{path}");
    }
    let calls = scene.storage.calls.load(Ordering::SeqCst);
    for path in [INFO, GO_MOD] {
        assert_eq!(scene.get(path).await.status, 200, "{path}");
    }
    assert_eq!(scene.storage.calls.load(Ordering::SeqCst), calls);
}

#[tokio::test]
async fn a_head_starts_nothing() {
    let scene = Scene::new().await;
    for path in [INFO, GO_MOD, ZIP, "/example.com/m/@v/list", "/example.com/m/@latest"] {
        let reply = scene.head(path).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::NOT_FOUND, 0), "{path}");
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn who_wants_only_what_is_stored_gets_nothing_else() {
    let scene = Scene::new().await;
    let paths = [INFO, GO_MOD, ZIP, "/example.com/m/@v/list", "/example.com/m/@v/main.info"];
    for path in paths {
        let reply = scene.get_with(path, "Disable-Module-Fetch", "true").await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.text().starts_with("not found: example.com/m"), "{}", reply.text());
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}
