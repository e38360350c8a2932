//! Refreshing what may change: version lists, `@latest`, branches.

use stoa_shared::{
    answer::{Question, Value},
    module::{ModulePath, Version, VersionInfo, VersionQuery, preferred},
    stored_versions::stored_versions,
};

use super::Worker;
use crate::{answers, failure::Failure, resolve};

impl Worker {
    /// Refreshes the version list. Where the origin has none (any longer), what is
    /// stored here is the list: builds go on after a repository is gone.
    pub(super) async fn refresh_list(&self, module: &ModulePath) -> Result<(), Failure> {
        let versions = match self.list_origin(module).await {
            Err(failure) if failure.meaning().is_definite() => {
                let stored = stored_versions(&*self.storage, module).await?;
                if stored.is_empty() {
                    return Err(failure);
                }
                stored
            }
            outcome => outcome?,
        };
        let value = Value::Versions(versions);
        Ok(answers::store_good(&*self.storage, module, &Question::List, value).await?)
    }

    /// Refreshes the answer of `@latest`, and stores the version it names, which is
    /// what will be asked for next. Like the list, it outlives its repository.
    pub(super) async fn refresh_latest(&self, module: &ModulePath) -> Result<(), Failure> {
        match self.claim_question(module, &Question::Latest).await? {
            Some(_claim) => self.renew_latest(module).await,
            None => Ok(()),
        }
    }

    /// Refreshes list and latest from what the origin says now, however fresh the
    /// answers are.
    pub(super) async fn refresh(&self, module: &ModulePath) -> Result<(), Failure> {
        self.open(module).await?.repository.new_refs().await?;
        self.refresh_list(module).await?;
        self.renew_latest(module).await
    }

    async fn renew_latest(&self, module: &ModulePath) -> Result<(), Failure> {
        let info = match self.latest_of_origin(module).await {
            Err(failure) if failure.meaning().is_definite() => {
                let stored = stored_versions(&*self.storage, module).await?;
                let has_compatible = stored.iter().any(|version| !version.is_incompatible());
                match preferred(&stored, has_compatible) {
                    Some(version) => self.stored_info(module, version).await?,
                    None => return Err(failure),
                }
            }
            outcome => outcome?,
        };
        let value = Value::Version(info);
        Ok(answers::store_good(&*self.storage, module, &Question::Latest, value).await?)
    }

    async fn latest_of_origin(&self, module: &ModulePath) -> Result<VersionInfo, Failure> {
        let opened = self.open(module).await?;
        let resolved = resolve::latest(&opened.repository, module, &opened.place).await?;
        self.record(module, &opened, &resolved).await
    }

    /// Refreshes what a branch, tag or commit means, and stores that version.
    pub(super) async fn refresh_query(
        &self,
        module: &ModulePath,
        query: &VersionQuery,
    ) -> Result<(), Failure> {
        let question = Question::Query(query.clone());
        let Some(_claim) = self.claim_question(module, &question).await? else { return Ok(()) };
        let opened = self.open(module).await?;
        let resolved = resolve::resolve(&opened.repository, module, &opened.place, query).await?;
        let info = self.record(module, &opened, &resolved).await?;
        let question = Question::Query(query.clone());
        Ok(answers::store_good(&*self.storage, module, &question, Value::Version(info)).await?)
    }

    async fn list_origin(&self, module: &ModulePath) -> Result<Vec<Version>, Failure> {
        let opened = self.open(module).await?;
        let listing = opened.repository.refs().await?;
        resolve::versions(&opened.repository, &listing, &opened.place).await
    }
}
