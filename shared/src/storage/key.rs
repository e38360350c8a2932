//! Every object name in one file.

use std::fmt;

use crate::{
    answer::Question,
    module::{ModulePath, Version},
    space::ProjectId,
};

/// The name of one stored object. No module path starts with an element without
/// a dot, so nothing under `_stoa/` can collide with a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorageKey(String);

/// The beginning of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl StorageKey {
    /// `.info` of a version: its presence makes the version visible.
    pub fn info(module: &ModulePath, version: &Version) -> Self {
        Self::version_file(module, version, "info")
    }

    /// go.mod of a version.
    pub fn go_mod(module: &ModulePath, version: &Version) -> Self {
        Self::version_file(module, version, "mod")
    }

    /// Module zip of a version.
    pub fn zip(module: &ModulePath, version: &Version) -> Self {
        Self::version_file(module, version, "zip")
    }

    /// `.info` of a version whose zip cannot exist.
    pub fn mod_only_info(module: &ModulePath, version: &Version) -> Self {
        Self(format!("_stoa/modonly/{}/@v/{}.info", module.escaped(), version.escaped()))
    }

    /// go.mod of a version whose zip cannot exist.
    pub fn mod_only_go_mod(module: &ModulePath, version: &Version) -> Self {
        Self(format!("_stoa/modonly/{}/@v/{}.mod", module.escaped(), version.escaped()))
    }

    /// Catalog entry of a version.
    pub fn catalog_entry(module: &ModulePath, version: &Version) -> Self {
        Self(format!("_stoa/catalog/{}/@v/{}.json", module.escaped(), version.escaped()))
    }

    /// The stored answer to a question whose answer may change.
    pub fn answer(module: &ModulePath, question: &Question) -> Self {
        let module = module.escaped();
        Self(match question {
            Question::List => format!("_stoa/answers/{module}/@v/list.json"),
            Question::Latest => format!("_stoa/answers/{module}/@latest.json"),
            Question::Query(query) => {
                format!("_stoa/answers/{module}/@query/{}.json", query.escaped())
            }
            Question::Fill(version) => {
                format!("_stoa/answers/{module}/@fill/{}.json", version.escaped())
            }
        })
    }

    /// Which layout of storage this is.
    pub fn format() -> Self {
        Self("_stoa/format".to_owned())
    }

    /// A throwaway object by which a store is tried out.
    pub(super) fn probe(id: u64) -> Self {
        Self(format!("_stoa/probe/{id:016x}"))
    }

    /// What is remembered of one repository; `id` is a hash of its URL.
    pub fn repository(id: &str) -> Self {
        Self(format!("_stoa/repositories/{id}.json"))
    }

    /// Who works on something; `id` is a hash of what.
    pub fn claim(id: &str) -> Self {
        Self(format!("_stoa/claims/{id}.json"))
    }

    /// A key that a listing gave.
    pub fn listed(key: String) -> Self {
        Self(key)
    }

    /// For contract suites, which need keys that mean nothing.
    pub fn for_contract(name: &str) -> Self {
        Self(format!("_stoa/contract/{name}"))
    }

    /// The name, elements split by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn version_file(module: &ModulePath, version: &Version, extension: &str) -> Self {
        Self(format!("{}/@v/{}.{extension}", module.escaped(), version.escaped()))
    }
}

impl KeyPrefix {
    /// All files of a module's versions.
    pub fn versions(module: &ModulePath) -> Self {
        Self(format!("{}/@v/", module.escaped()))
    }

    /// All stored answers.
    pub fn answers() -> Self {
        Self("_stoa/answers/".to_owned())
    }

    /// All catalog entries.
    pub fn catalog() -> Self {
        Self("_stoa/catalog/".to_owned())
    }

    /// All claims.
    pub fn claims() -> Self {
        Self("_stoa/claims/".to_owned())
    }

    /// All that is private to one project.
    pub fn private(project: &ProjectId) -> Self {
        Self(format!("_stoa/private/{project}/"))
    }

    /// All that is private to any project.
    pub fn all_private() -> Self {
        Self("_stoa/private/".to_owned())
    }

    /// The key below this prefix that has `key` as its rest.
    pub(super) fn key(&self, key: &StorageKey) -> StorageKey {
        StorageKey(format!("{}{}", self.0, key.0))
    }

    /// The keys below this prefix whose rest starts with `prefix`.
    pub(super) fn prefix(&self, prefix: &Self) -> Self {
        Self(format!("{}{}", self.0, prefix.0))
    }

    /// All keys.
    #[cfg(test)]
    pub(super) fn everything() -> Self {
        Self(String::new())
    }

    /// All throwaway objects.
    pub(super) fn probes() -> Self {
        Self("_stoa/probe/".to_owned())
    }

    /// For contract suites.
    pub fn for_contract(name: &str) -> Self {
        Self(format!("_stoa/contract/{name}"))
    }

    /// For tests that look at everything.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_tests(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// The text that keys start with.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
