//! Which versions of a module lie in storage: what is known of it without asking anyone.

use crate::{
    module::{ModulePath, Version},
    storage::{KeyPrefix, Storage, StorageError},
};

/// How many stored keys are read at once.
const KEY_PAGE: usize = 1000;

/// The visible versions in list order, pseudo-versions left out as in any list.
pub async fn stored_versions(
    storage: &dyn Storage,
    module: &ModulePath,
) -> Result<Vec<Version>, StorageError> {
    let mut versions = visible_versions(storage, module).await?;
    versions.retain(|version| !version.is_pseudo());
    Ok(versions)
}

/// All visible versions in list order.
pub async fn visible_versions(
    storage: &dyn Storage,
    module: &ModulePath,
) -> Result<Vec<Version>, StorageError> {
    let prefix = KeyPrefix::versions(module);
    let mut versions = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = storage.list(&prefix, after.as_deref(), KEY_PAGE).await?;
        let names = page.keys.iter().filter_map(|key| key.strip_prefix(prefix.as_str()));
        let infos = names.filter_map(|name| name.strip_suffix(".info"));
        versions.extend(infos.filter_map(|escaped| Version::from_escaped(escaped).ok()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    versions.sort_unstable();
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Body, DiskStorage, StorageKey};

    #[tokio::test]
    async fn what_is_visible_and_no_commit_is_listed_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(directory.path().join("storage")).await.unwrap();
        let module: ModulePath = "example.com/Mod".parse().unwrap();
        let version = |text: &str| text.parse::<Version>().unwrap();
        for stored in ["v1.10.0", "v1.9.0", "v1.0.0-RC.1", "v0.0.0-20200102030405-0123456789ab"] {
            let key = StorageKey::info(&module, &version(stored));
            storage.create(&key, Body::from(b"{}".to_vec())).await.unwrap();
        }
        let half = StorageKey::zip(&module, &version("v1.11.0"));
        storage.create(&half, Body::from(b"zip".to_vec())).await.unwrap();
        let stored = stored_versions(&storage, &module).await.unwrap();
        assert_eq!(stored, ["v1.0.0-RC.1", "v1.9.0", "v1.10.0"].map(version));
        assert_eq!(visible_versions(&storage, &module).await.unwrap().len(), 4);
        let other = "example.com/other".parse().unwrap();
        assert!(stored_versions(&storage, &other).await.unwrap().is_empty());
    }
}
