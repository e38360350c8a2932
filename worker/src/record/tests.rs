//! Two workers that both take a version for their own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, sync::Arc};

use stoa_shared::{
    metrics::Metrics,
    storage::{DiskStorage, Storage},
};

use super::*;
use crate::{
    claim::{ClaimError, Claims},
    settings::{Origins, WorkerSettings},
    troubled_storage::{Stall, TroubledStorage},
};

/// A worker whose claims hold whatever others do, as a paused one believes.
fn worker(storage: Arc<dyn Storage>) -> Worker {
    let settings = WorkerSettings::for_tests();
    let metrics = Arc::new(Metrics::new());
    Worker::new(settings, Origins::Public, storage, Claims::alone(), metrics).unwrap()
}

async fn disk(directory: &Path) -> Arc<dyn Storage> {
    Arc::new(DiskStorage::open(directory.join("storage")).await.unwrap())
}

async fn record(worker: &Worker, go_mod: &'static str) -> Result<VersionInfo, Failure> {
    let module: ModulePath = "example.com/m".parse().unwrap();
    let version: Version = "v1.0.0".parse().unwrap();
    let claim = worker.claim(&module, &version).await?;
    let info = VersionInfo { version, time: None, origin: None };
    let documents = Documents { info, go_mod: Bytes::from_static(go_mod.as_bytes()) };
    worker.record_without_zip(&claim, &module, documents).await
}

#[tokio::test(start_paused = true)]
async fn a_write_that_arrives_after_another_worker_took_over_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let storage = disk(directory.path()).await;
    let way = TroubledStorage::new(storage.clone());
    let (late, prompt) = (worker(way.clone()), worker(storage.clone()));
    way.stall(Stall::Request);
    let arriving = record(&late, "module example.com/m\n");
    let overtaking = async {
        while way.stalled() == 0 {
            tokio::task::yield_now().await;
        }
        record(&prompt, "module example.com/m\n\ngo 1.20\n").await
    };
    let (arrived, overtook) = tokio::join!(arriving, overtaking);
    overtook.unwrap();
    let is_lost = matches!(arrived, Err(Failure::Claim(ClaimError::Lost { .. })));
    assert!(is_lost, "{arrived:?}");
    // What was stored first stays, and what is recorded is what lies there.
    let (module, version) = ("example.com/m".parse().unwrap(), "v1.0.0".parse().unwrap());
    let key = StorageKey::mod_only_go_mod(&module, &version);
    let (bytes, meta) = read_small(&*storage, &key).await.unwrap().unwrap();
    assert_eq!(bytes, "module example.com/m\n\ngo 1.20\n".as_bytes());
    let (entry, _) = prompt.entry(&module, &version).await.unwrap().unwrap();
    assert_eq!(entry.go_mod.etag, meta.etag);
}

fn info_of_commit(digit: &str) -> VersionInfo {
    let origin = Origin {
        vcs: "git".to_owned(),
        url: "https://example.com/m".to_owned(),
        subdir: String::new(),
        hash: digit.repeat(40),
        reference: String::new(),
    };
    VersionInfo { version: "v1.0.0".parse().unwrap(), time: None, origin: Some(origin) }
}

#[tokio::test]
async fn what_was_copied_in_during_the_fetch_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let storage = disk(directory.path()).await;
    let worker = worker(storage.clone());
    let (module, version) = ("example.com/m".parse().unwrap(), "v1.0.0".parse().unwrap());
    let go_mod = Bytes::from_static(b"module example.com/m\n");
    for (copied, is_same) in [("1", false), ("2", true)] {
        let claim = worker.claim(&module, &version).await.unwrap();
        assert!(!worker.is_complete(&module, &version).await.unwrap());
        let key = StorageKey::info(&module, &version);
        let info = serde_json::to_vec(&info_of_commit(copied)).unwrap();
        storage.put(&key, info.into()).await.unwrap();
        let zip = ForeignZip::trusted(b"zip", hash_go_mod(b"zip"));
        let documents = Documents { info: info_of_commit("2"), go_mod: go_mod.clone() };
        let recorded = worker.record_foreign(&claim, &module, documents, zip).await;
        assert_eq!(recorded.is_ok(), is_same, "{recorded:?}");
        assert_eq!(worker.is_complete(&module, &version).await.unwrap(), is_same);
    }
}
