//! A worker that does as scripted, and stores as a real one does.

use jiff::Timestamp;
use stoa_shared::{
    answer::{Answer, Meaning, Question, Value},
    catalog::CatalogEntry,
    module::{ModulePath, Version},
    queue::Task,
    storage::{GetOptions, Storage, StorageKey},
};

use crate::scene::{entry, failed, go_mod, good, info};

/// What the worker does with a job.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Stores all files of the version, then says so.
    Fills,
    /// Stores `.info` and `.mod` aside: there can be no zip.
    FillsModOnly(&'static str),
    /// Stores `.info` and `.mod` aside, and that the zip was not to be had.
    FillsWithoutZip(&'static str),
    /// Stores a good answer.
    Answers(Value),
    /// Stores why not, beside the good answer that may be there.
    Fails(Meaning, &'static str),
}

/// Stores a version in the order in which workers do.
pub(crate) async fn store_version(
    storage: &dyn Storage,
    module: &ModulePath,
    version: &Version,
    zip: &[u8],
) {
    let put =
        async |key: StorageKey, bytes: Vec<u8>| storage.put(&key, bytes.into()).await.unwrap();
    let zip = put(StorageKey::zip(module, version), zip.to_vec()).await;
    let go_mod = go_mod(module.as_str()).into_bytes();
    let go_mod = put(StorageKey::go_mod(module, version), go_mod).await;
    let entry = serde_json::to_vec(&entry(&go_mod, Some(&zip))).unwrap();
    put(StorageKey::catalog_entry(module, version), entry).await;
    put(StorageKey::info(module, version), info(version.as_str()).into_bytes()).await;
}

/// Stores what there is of a version without a zip, and why there can be none, if so.
pub(crate) async fn store_mod_only(
    storage: &dyn Storage,
    module: &ModulePath,
    version: &Version,
    refusal: Option<&str>,
) {
    let put =
        async |key: StorageKey, bytes: Vec<u8>| storage.put(&key, bytes.into()).await.unwrap();
    let go_mod = go_mod(module.as_str()).into_bytes();
    let go_mod = put(StorageKey::mod_only_go_mod(module, version), go_mod).await;
    let entry = CatalogEntry { zip_refusal: refusal.map(str::to_owned), ..entry(&go_mod, None) };
    let entry = serde_json::to_vec(&entry).unwrap();
    put(StorageKey::catalog_entry(module, version), entry).await;
    let info = info(version.as_str()).into_bytes();
    put(StorageKey::mod_only_info(module, version), info).await;
}

/// Does the task.
pub(crate) async fn work(storage: &dyn Storage, task: &Task, does: Does) {
    let put =
        async |key: StorageKey, bytes: Vec<u8>| storage.put(&key, bytes.into()).await.unwrap();
    let module = task.module();
    let question = match task {
        Task::Fill { version, .. } => Question::Fill(version.clone()),
        Task::List { .. } => Question::List,
        Task::Latest { .. } => Question::Latest,
        Task::Query { query, .. } => Question::Query(query.clone()),
        Task::Refresh { .. } => Question::List,
    };
    let answer_key = StorageKey::answer(module, &question);
    match (does, task) {
        (Does::Fills, Task::Fill { version, .. }) => {
            store_version(storage, module, version, b"the zip").await;
        }
        (Does::FillsModOnly(reason), Task::Fill { version, .. }) => {
            store_mod_only(storage, module, version, Some(reason)).await;
        }
        (Does::FillsWithoutZip(reason), Task::Fill { version, .. }) => {
            store_mod_only(storage, module, version, None).await;
            let answer = failed(Timestamp::now(), Meaning::Absent, reason);
            put(answer_key, serde_json::to_vec(&answer).unwrap()).await;
        }
        (Does::Answers(value), _) => {
            let answer = good(Timestamp::now(), value);
            put(answer_key, serde_json::to_vec(&answer).unwrap()).await;
        }
        (Does::Fails(meaning, message), _) => {
            let mut answer = match storage.get(&answer_key, GetOptions::default()).await {
                Ok(mut object) => {
                    let mut bytes = Vec::new();
                    while let Some(chunk) = futures_util::StreamExt::next(&mut object.body).await {
                        bytes.extend_from_slice(&chunk.unwrap());
                    }
                    serde_json::from_slice(&bytes).unwrap()
                }
                Err(_) => Answer::default(),
            };
            answer.failure = failed(Timestamp::now(), meaning, message).failure;
            put(answer_key, serde_json::to_vec(&answer).unwrap()).await;
        }
        (does, task) => panic!("the script does not say how {does:?} goes with {task:?}"),
    }
}
