#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use super::*;
use crate::storage::contract;

async fn open(directory: &TempDir) -> DiskStorage {
    DiskStorage::open(directory.path().to_owned()).await.unwrap()
}

fn key(name: &str) -> StorageKey {
    StorageKey::for_contract(name)
}

/// All files, relative to the directory.
fn files(directory: &Path) -> BTreeSet<String> {
    fn walk(root: &Path, directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(directory, directory, &mut found);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_and_no_half_written_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    contract::run(Arc::new(open(&directory).await)).await;
    // The dropped write is cleaned up by its own thread, a moment later.
    while fs::read_dir(directory.path().join(path::SCRATCH)).unwrap().count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(files(directory.path()), ["_stoa/format", "_stoa/lock"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_draft_becomes_the_object_without_a_copy() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    let inode = |file: fs::Metadata| file.ino();
    let draft = storage.draft().unwrap();
    let drafted = inode(draft.file().metadata().unwrap());
    storage.create(&key("object"), Body::File(draft)).await.unwrap();
    let object = directory.path().join("_stoa/contract/object");
    assert_eq!(inode(fs::metadata(&object).unwrap()), drafted);

    // Another store's lies where this one cannot rely on.
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = open(&elsewhere).await.draft().unwrap();
    let drafted = inode(foreign.file().metadata().unwrap());
    storage.put(&key("object"), Body::File(foreign)).await.unwrap();
    assert_ne!(inode(fs::metadata(&object).unwrap()), drafted);
    for directory in [&directory, &elsewhere] {
        assert_eq!(fs::read_dir(directory.path().join(path::SCRATCH)).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn what_is_expected_finds_its_directories() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    storage.expect(&key("a/b/object")).await;
    let made = directory.path().join("_stoa/contract/a/b");
    assert_eq!(fs::read_dir(made).unwrap().count(), 0);
    // A hint that leads nowhere is none.
    storage.create(&key("file"), Bytes::from("x").into()).await.unwrap();
    storage.expect(&key("file/below")).await;
    storage.expect(&key("../../../outside/object")).await;
    assert!(!directory.path().join("outside").exists());
}

#[tokio::test]
async fn what_a_killed_process_left_half_written_is_swept_and_the_rest_stays() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    storage.create(&key("whole"), Bytes::from("whole").into()).await.unwrap();
    drop(storage);
    let half = directory.path().join("_stoa/tmp/.tmpAbCdEf");
    fs::write(&half, "ha").unwrap();

    let storage = open(&directory).await;
    assert!(!half.exists());
    assert_eq!(storage.head(&key("whole")).await.unwrap().size, 5);
}

#[tokio::test]
async fn only_half_written_files_that_nobody_writes_to_are_discarded() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    storage.create(&key("whole"), Bytes::from("whole").into()).await.unwrap();
    for (name, age) in [("old", 7200), ("new", 10)] {
        let file = fs::File::create(directory.path().join(path::SCRATCH).join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    assert_eq!(storage.discard_unfinished(Duration::from_secs(3600)).await.unwrap(), 1);
    let left = ["_stoa/contract/whole", "_stoa/format", "_stoa/lock", "_stoa/tmp/new"];
    assert_eq!(files(directory.path()), left.map(str::to_owned).into());
    assert_eq!(storage.discard_unfinished(Duration::from_secs(3600)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_directory_hands_out_no_urls() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    assert_eq!(storage.signed_url(&key("any"), Duration::from_secs(60)).await.unwrap(), None);
}

#[tokio::test]
async fn a_directory_in_use_is_refused_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(&directory).await;
    let refusal = DiskStorage::open(directory.path().to_owned()).await.unwrap_err().to_string();
    assert!(refusal.contains(directory.path().to_str().unwrap()), "{refusal}");
    assert!(refusal.ends_with("stop that process or choose another directory"), "{refusal}");
    assert!(!refusal.contains('\n'), "{refusal}");
    drop(first);
    open(&directory).await;
}

#[tokio::test]
async fn a_newer_or_unreadable_format_is_refused_and_nothing_is_swept() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory).await);
    assert_eq!(fs::read_to_string(directory.path().join("_stoa/format")).unwrap(), "1\n");
    let half = directory.path().join("_stoa/tmp/half");
    fs::write(&half, "ha").unwrap();
    for (format, words) in [
        (&b"2\n"[..], "storage format 2 is newer than 1"),
        (b"", "does not hold a format number"),
        (b"\xff", "does not hold a format number"),
    ] {
        fs::write(directory.path().join("_stoa/format"), format).unwrap();
        let refused = DiskStorage::open(directory.path().to_owned()).await;
        let refusal = refused.unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
    assert!(half.exists());
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = DiskStorage::open(file).await.unwrap_err();
    let meaning = matches!(refused, DiskStorageError::Directory(DirectoryError::Unusable { .. }));
    assert!(meaning, "{refused}");
}

#[tokio::test]
async fn a_copied_in_module_cache_is_served_as_it_lies() {
    let directory = tempfile::tempdir().unwrap();
    let versions = directory.path().join("example.com/mod/@v");
    fs::create_dir_all(&versions).unwrap();
    fs::write(versions.join("v1.0.0.mod"), "module example.com/mod\n").unwrap();
    let storage = open(&directory).await;
    let module = "example.com/mod".parse().unwrap();
    let page = storage.list(&KeyPrefix::versions(&module), None, 10).await.unwrap();
    assert_eq!(page.keys, ["example.com/mod/@v/v1.0.0.mod"]);
    let go_mod = StorageKey::go_mod(&module, &"v1.0.0".parse().unwrap());
    let mut object = storage.get(&go_mod, GetOptions::default()).await.unwrap();
    assert_eq!(object.body.next().await.unwrap().unwrap(), "module example.com/mod\n");
    assert!(object.body.next().await.is_none(), "a small file is one chunk");
}

#[tokio::test]
async fn no_key_leads_out_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret"), "x").unwrap();
    let storage = DiskStorage::open(directory.path().join("deep/storage")).await.unwrap();
    let out = key("../../../../secret");
    let trouble = |error: StorageError| matches!(error, StorageError::Unavailable { .. });
    assert!(trouble(storage.head(&out).await.unwrap_err()));
    assert!(trouble(storage.get(&out, GetOptions::default()).await.unwrap_err()));
    assert!(trouble(storage.put(&out, Bytes::from("y").into()).await.unwrap_err()));
    assert!(trouble(storage.delete(&out).await.unwrap_err()));
    let prefix = KeyPrefix::for_contract("../../../../");
    assert!(trouble(storage.list(&prefix, None, 10).await.unwrap_err()));
    assert_eq!(fs::read_to_string(directory.path().join("secret")).unwrap(), "x");
}

#[tokio::test]
async fn a_directory_is_no_object_and_is_not_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    storage.create(&key("directory/object"), Bytes::from("x").into()).await.unwrap();
    assert!(storage.head(&key("directory")).await.unwrap_err().is_not_found());
    assert!(storage.put(&key("directory"), Bytes::from("y").into()).await.is_err());
    assert!(storage.put(&key("directory/object/below"), Bytes::from("y").into()).await.is_err());
    assert!(files(directory.path()).contains("_stoa/contract/directory/object"));
    assert_eq!(fs::read_dir(directory.path().join(path::SCRATCH)).unwrap().count(), 0);
}

#[tokio::test]
async fn a_write_fails_as_unavailable_when_the_disk_refuses_and_works_when_it_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    let scratch = directory.path().join(path::SCRATCH);
    fs::remove_dir(&scratch).unwrap();
    let endless = Body::Stream(stream::repeat_with(|| Ok(Bytes::from("x"))).boxed());
    let refused = storage.create(&key("object"), endless).await.unwrap_err();
    assert!(matches!(refused, StorageError::Unavailable { .. }), "{refused:?}");
    fs::create_dir(&scratch).unwrap();
    storage.create(&key("object"), Bytes::from("x").into()).await.unwrap();
}

#[tokio::test]
async fn a_create_that_cannot_succeed_does_not_fetch_its_body() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    storage.create(&key("object"), Bytes::from("x").into()).await.unwrap();
    let endless = Body::Stream(stream::repeat_with(|| Ok(Bytes::from("x"))).boxed());
    let refused = storage.create(&key("object"), endless).await.unwrap_err();
    assert!(matches!(refused, StorageError::AlreadyExists { .. }), "{refused:?}");
}

#[tokio::test]
async fn time_stamps_go_on_when_the_clock_is_set_back() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    storage.writer.pretend_last_stamp(ahead);
    let first = storage.put(&key("object"), Bytes::from("1").into()).await.unwrap();
    let second = storage.put(&key("object"), Bytes::from("2").into()).await.unwrap();
    assert_eq!(first.modified, ahead + Duration::from_nanos(1));
    assert_eq!(second.modified, ahead + Duration::from_nanos(2));
    assert_eq!(storage.head(&key("object")).await.unwrap(), second);
}

#[tokio::test]
async fn an_object_cut_short_on_disk_breaks_its_body_off() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(&directory).await;
    storage.create(&key("object"), vec![1; 1_000_000].into()).await.unwrap();
    let object = storage.get(&key("object"), GetOptions::default()).await.unwrap();
    let file = directory.path().join("_stoa/contract/object");
    fs::File::options().write(true).open(file).unwrap().set_len(500_000).unwrap();
    let error = object.body.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
