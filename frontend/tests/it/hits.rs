//! What is stored is served, as it was recorded, and from memory the second time.

use std::sync::atomic::Ordering;

use http::StatusCode;
use stoa_shared::storage::{Storage, StorageKey};

use crate::{
    scene::{Scene, entry, go_mod, info, pattern, until},
    worker::Does,
};

const MODULE: &str = "example.com/Mod";
const INFO: &str = "/example.com/!mod/@v/v1.0.0.info";
const GO_MOD: &str = "/example.com/!mod/@v/v1.0.0.mod";
const ZIP: &str = "/example.com/!mod/@v/v1.0.0.zip";

#[tokio::test]
async fn a_stored_version_is_served_with_what_caches_need() {
    let scene = Scene::new().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    let files = [
        (INFO, "application/json", info("v1.0.0")),
        (GO_MOD, "text/plain; charset=utf-8", go_mod(MODULE)),
        (ZIP, "application/zip", "zip bytes".to_owned()),
    ];
    // The second round is answered from memory, and must not differ.
    for _ in 0..2 {
        for (path, content_type, body) in &files {
            let reply = scene.get(path).await;
            assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{path}");
            assert_eq!(reply.header("content-type"), *content_type, "{path}");
            assert_eq!(reply.header("cache-control"), "public, max-age=604800, immutable");
            assert_eq!(reply.header("content-length"), body.len().to_string(), "{path}");
            assert!(reply.header("etag").starts_with('"'), "{path}: {reply:?}");
        }
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn what_was_read_once_needs_no_storage() {
    let scene = Scene::new().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    for path in [INFO, GO_MOD, ZIP] {
        assert_eq!(scene.get(path).await.status, 200);
    }
    scene.storage.fail_every(1);
    let calls = scene.storage.calls.load(Ordering::SeqCst);
    for path in [INFO, GO_MOD, ZIP] {
        assert_eq!(scene.get(path).await.status, 200, "{path}");
        assert_eq!(scene.head(path).await.status, 200, "{path}");
    }
    assert_eq!(scene.storage.calls.load(Ordering::SeqCst), calls);
    assert_eq!(scene.metric(r#"stoa_requests_total{endpoint="zip",outcome="hit"}"#).await, "3");
}

#[tokio::test]
async fn a_percent_encoded_bang_is_a_bang() {
    let scene = Scene::new().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    let reply = scene.get("/example.com/%21mod/@v/v1.0.0.info").await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, info("v1.0.0").as_str()));
}

#[tokio::test]
async fn a_first_read_of_a_small_file_is_one_read() {
    let scene = Scene::new().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    let one = scene.storage.calls.load(Ordering::SeqCst) + 1;
    assert_eq!(scene.get(INFO).await.status, 200);
    // The catalog entry is looked up aside.
    assert!(scene.storage.calls.load(Ordering::SeqCst) <= one + 1);
}

#[tokio::test]
async fn without_info_a_version_does_not_exist() {
    let scene = Scene::new().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    let key = StorageKey::info(&MODULE.parse().unwrap(), &"v1.0.0".parse().unwrap());
    scene.storage.inner.delete(&key).await.unwrap();
    for path in [INFO, GO_MOD, ZIP] {
        let reply = scene.get_with(path, "Disable-Module-Fetch", "true").await;
        assert_eq!(reply.status, 404, "{path}");
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_cache_that_was_copied_in_is_served_and_recorded_by_one_job() {
    let scene = Scene::new().await;
    let (module, version) = (MODULE.parse().unwrap(), "v1.0.0".parse().unwrap());
    scene.store(&StorageKey::info(&module, &version), info("v1.0.0")).await;
    scene.store(&StorageKey::go_mod(&module, &version), go_mod(MODULE)).await;
    scene.store(&StorageKey::zip(&module, &version), pattern(0..100_000)).await;
    for _ in 0..3 {
        for path in [INFO, GO_MOD, ZIP] {
            assert_eq!(scene.get(path).await.status, 200, "{path}");
        }
    }
    scene.until_published(1).await;
    assert_eq!(scene.published(), ["Background fill example.com/Mod@v1.0.0"]);
}

#[tokio::test]
async fn a_go_mod_is_checked_against_the_record_at_its_first_read() {
    let scene = Scene::impatient().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    let (module, version) = (MODULE.parse().unwrap(), "v1.0.0".parse().unwrap());
    let key = StorageKey::go_mod(&module, &version);
    scene.storage.inner.put(&key, b"module evil\n".to_vec().into()).await.unwrap();
    for _ in 0..2 {
        let reply = scene.get(GO_MOD).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
    }
    assert_eq!(scene.get(INFO).await.status, 200);
}

/// A file that is being copied in is seen half, and then whole.
#[tokio::test]
async fn what_is_still_being_copied_in_is_not_remembered_for_long() {
    let scene = Scene::new().await;
    let (module, version) = (MODULE.parse().unwrap(), "v1.0.0".parse().unwrap());
    let whole = [
        (INFO, StorageKey::info(&module, &version), info("v1.0.0")),
        (GO_MOD, StorageKey::go_mod(&module, &version), go_mod(MODULE)),
        (ZIP, StorageKey::zip(&module, &version), "zip bytes".to_owned()),
    ];
    for (_, key, body) in &whole {
        scene.storage.inner.put(key, body.clone().into_bytes().into()).await.unwrap();
    }
    for (path, key, body) in &whole {
        scene.storage.inner.put(key, body.as_bytes()[..4].to_vec().into()).await.unwrap();
        let half = scene.get(path).await;
        let is_told = half.status == 503 || half.header("cache-control") == "public, max-age=60";
        assert!(is_told, "{path}: {half:?}");
        scene.storage.inner.put(key, body.clone().into_bytes().into()).await.unwrap();
        until(async || scene.get(path).await.text() == *body).await;
    }
}

#[tokio::test]
async fn a_copied_in_version_is_recorded_when_only_its_info_is_read_if_its_zip_is_there() {
    let scene = Scene::new().await;
    let module = MODULE.parse().unwrap();
    let (without_zip, whole) = ("v1.1.0".parse().unwrap(), "v1.0.0".parse().unwrap());
    scene.store(&StorageKey::info(&module, &without_zip), info("v1.1.0")).await;
    scene.store(&StorageKey::info(&module, &whole), info("v1.0.0")).await;
    scene.store(&StorageKey::zip(&module, &whole), pattern(0..100_000)).await;
    assert_eq!(scene.get(&INFO.replace("v1.0.0", "v1.1.0")).await.status, 200);
    assert_eq!(scene.get(INFO).await.status, 200);
    scene.until_published(1).await;
    assert_eq!(scene.published(), ["Background fill example.com/Mod@v1.0.0"]);
}

#[tokio::test]
async fn a_file_missing_from_a_copied_in_cache_is_a_miss() {
    for (missing, body) in [(ZIP, "the zip".to_owned()), (GO_MOD, go_mod(MODULE))] {
        let scene = Scene::new().await;
        let (module, version) = (MODULE.parse().unwrap(), "v1.0.0".parse().unwrap());
        scene.store(&StorageKey::info(&module, &version), info("v1.0.0")).await;
        scene.worker(Does::Fills);
        let reply = scene.get(missing).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{missing}");
        // Whether a miss is filled is not for whoever serves what is there to say.
        let published = scene.published();
        assert!(published.iter().all(|job| job.starts_with("Interactive")), "{published:?}");
    }
}

#[tokio::test]
async fn an_exchanged_zip_is_refused_until_it_is_recorded_again() {
    let scene = Scene::impatient().await;
    scene.store_version(MODULE, "v1.0.0", &pattern(0..100_000)).await;
    let (module, version) = (MODULE.parse().unwrap(), "v1.0.0".parse().unwrap());
    assert_eq!(scene.get(ZIP).await.status, 200);

    let other = scene.store(&StorageKey::zip(&module, &version), pattern(7..100_007)).await;
    for method in ["GET", "HEAD"] {
        let reply = scene.send(http::Request::builder().method(method).uri(ZIP)).await;
        assert_eq!(reply.status, 503, "{method}");
        assert!(!reply.header("retry-after").is_empty());
    }
    assert_eq!(scene.published(), ["Interactive fill example.com/Mod@v1.0.0"]);

    let go_mod_key = StorageKey::go_mod(&module, &version);
    let go_mod = scene.storage.inner.head(&go_mod_key).await.unwrap();
    let entry = serde_json::to_vec(&entry(&go_mod, Some(&other))).unwrap();
    scene.store(&StorageKey::catalog_entry(&module, &version), entry).await;
    let reply = scene.get(ZIP).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, pattern(7..100_007));
}

#[tokio::test]
async fn a_hit_does_not_wait_behind_a_miss() {
    let scene = Scene::new().await;
    scene.store_version(MODULE, "v1.0.0", b"zip bytes").await;
    let missing = scene.begin("/example.com/!mod/@v/v1.1.0.zip");
    scene.until_published(1).await;
    assert_eq!(scene.get(ZIP).await.status, 200);
    assert!(!missing.is_finished());
    missing.abort();
}
