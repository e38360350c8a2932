//! What lies in the bucket, looked at from beside.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use serde_json::Value;
use stoa_shared::storage::{GetOptions, KeyPrefix, S3Config, S3Storage, Storage, StorageKey};
use tokio::runtime::Runtime;

use crate::module_zip;

/// The `h1:` sums of zips, by `module@version`.
pub(super) type Sums = BTreeMap<String, String>;

/// The fleet's part of the bucket.
pub(super) struct Bucket {
    runtime: Runtime,
    storage: S3Storage,
}

impl Bucket {
    pub(super) fn open(config: S3Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let storage = runtime.block_on(S3Storage::open(config)).unwrap();
        Self { runtime, storage }
    }

    /// Runs something beside the test, such as a proxy.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// All keys that start so.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = KeyPrefix::for_tests(prefix);
        self.runtime.block_on(async {
            let (mut keys, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = self.storage.list(&prefix, after.as_deref(), 1000).await.unwrap();
                keys.extend(page.keys);
                after = page.next;
                if after.is_none() {
                    return keys;
                }
            }
        })
    }

    /// An object's bytes.
    pub(super) fn read(&self, key: &str) -> Option<Vec<u8>> {
        let key = StorageKey::listed(key.to_owned());
        self.runtime.block_on(async {
            let object = self.storage.get(&key, GetOptions::default()).await.ok()?;
            let read = object.body.try_fold(Vec::new(), |mut bytes, chunk| async move {
                bytes.extend_from_slice(&chunk);
                Ok(bytes)
            });
            Some(read.await.unwrap())
        })
    }

    /// Checks that every visible version whose sum is not known yet is whole and has the
    /// sums that its catalog entry says, and notes the zip's.
    pub(super) fn check(&self, sums: &mut Sums) {
        for info in self.keys("github.com/") {
            let Some(version) = info.strip_suffix(".info") else { continue };
            let name = version.replace("/@v/", "@");
            if sums.contains_key(&name) {
                continue;
            }
            let read = |key: String| {
                self.read(&key).unwrap_or_else(|| panic!("{info} is visible without {key}"))
            };
            let parsed: Value = serde_json::from_slice(&read(info.clone())).unwrap();
            assert!(name.ends_with(parsed["Version"].as_str().unwrap()), "{name}");
            let go_mod = read(format!("{version}.mod"));
            let zip = module_zip::read(&read(format!("{version}.zip")), &format!("{name}/"));
            let zip = zip.unwrap_or_else(|error| panic!("{name}: {error}"));
            let entry = read(format!("_stoa/catalog/{version}.json"));
            let entry: Value = serde_json::from_slice(&entry).unwrap();
            assert_eq!(entry["zip"]["sum"], zip.sum.as_str(), "{name}");
            let go_mod_sum = module_zip::mod_sum(&go_mod);
            assert_eq!(entry["go_mod"]["sum"], go_mod_sum.as_str(), "{name}");
            sums.insert(name, zip.sum);
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for key in self.keys("") {
            let key = StorageKey::listed(key);
            self.runtime.block_on(self.storage.delete(&key)).unwrap();
        }
    }
}
