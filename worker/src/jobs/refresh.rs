//! Refreshing what may change: version lists, `@latest`, branches.

use stoa_shared::{
    answer::{Question, Value},
    module::{ModulePath, Version, VersionInfo, VersionQuery, latest},
    stored_versions::stored_versions,
};

use super::{Worker, origin::Origin};
use crate::{
    answers,
    failure::Failure,
    goproxy::{GoProxyError, Listed, Server},
    resolve,
    upstreams::Source,
};

impl Worker {
    /// Refreshes the version list. Where nobody has one (any longer), what is stored here
    /// is the list: builds go on after a repository is gone. While the origin is in trouble
    /// that joins what it said last.
    pub(super) async fn refresh_list(&self, module: &ModulePath) -> Result<(), Failure> {
        let failure = match self.list(module).await {
            Ok(versions) => {
                let value = Value::Versions(versions);
                return Ok(
                    answers::store_good(&*self.storage, module, &Question::List, value).await?
                );
            }
            Err(failure) => failure,
        };
        if !may_be_answered_from_storage(&failure) {
            return Err(failure);
        }
        let mut versions = stored_versions(&*self.storage, module).await?;
        if failure.leaves_what_is_known()
            && let Some(Value::Versions(known)) = self.last_good(module, &Question::List).await?
        {
            versions.extend(known);
            versions.sort_unstable();
            versions.dedup();
        }
        if versions.is_empty() {
            return Err(failure);
        }
        self.store_known(module, &Question::List, Value::Versions(versions), &failure).await
    }

    /// Refreshes the answer of `@latest`. From a repository it also stores the version it
    /// names, which is what will be asked for next. Like the list, it outlives its origin.
    pub(super) async fn refresh_latest(&self, module: &ModulePath) -> Result<(), Failure> {
        match self.claim_question(module, &Question::Latest).await? {
            Some(_claim) => self.renew_latest(module).await,
            None => Ok(()),
        }
    }

    /// Refreshes list and latest from what the origin says now, however fresh the
    /// answers are.
    pub(super) async fn refresh(&self, module: &ModulePath) -> Result<(), Failure> {
        self.may_fetch(module)?;
        if let Some(source @ Source::Direct) = self.upstreams.walk().next()
            && let Origin::Repository(opened) = self.reach(source, module).await?
        {
            opened.repository.new_refs().await?;
            self.refresh_list(module).await?;
            return self.renew_latest(module).await;
        }
        let insistent = Self { wants_new_refs: true, ..self.clone() };
        insistent.refresh_list(module).await?;
        insistent.renew_latest(module).await
    }

    async fn renew_latest(&self, module: &ModulePath) -> Result<(), Failure> {
        let question = Question::Latest;
        let failure = match self.latest(module).await {
            Ok(info) => {
                let value = Value::Version(info);
                return Ok(answers::store_good(&*self.storage, module, &question, value).await?);
            }
            Err(failure) => failure,
        };
        if !may_be_answered_from_storage(&failure) {
            return Err(failure);
        }
        // What the origin said last goes before what lies here: it knows of retractions.
        let known = match failure.leaves_what_is_known() {
            true => self.last_good(module, &question).await?,
            false => None,
        };
        let info = match known {
            Some(Value::Version(info)) => info,
            _ => {
                let stored = stored_versions(&*self.storage, module).await?;
                match latest(&stored) {
                    Some(version) => self.stored_info(module, version).await?,
                    None => return Err(failure),
                }
            }
        };
        self.store_known(module, &question, Value::Version(info), &failure).await
    }

    /// Refreshes what a branch, tag or commit means; from a repository it also stores that
    /// version.
    pub(super) async fn refresh_query(
        &self,
        module: &ModulePath,
        query: &VersionQuery,
    ) -> Result<(), Failure> {
        let question = Question::Query(query.clone());
        let Some(_claim) = self.claim_question(module, &question).await? else { return Ok(()) };
        self.may_fetch(format_args!("{module}@{query}"))?;
        let info = self.upstreams.first_answer(|source| self.query_from(source, module, query));
        let value = Value::Version(info.await?);
        Ok(answers::store_good(&*self.storage, module, &question, value).await?)
    }

    async fn list(&self, module: &ModulePath) -> Result<Vec<Version>, Failure> {
        self.may_fetch(module)?;
        self.upstreams.first_answer(|source| self.list_from(source, module)).await
    }

    async fn latest(&self, module: &ModulePath) -> Result<VersionInfo, Failure> {
        self.may_fetch(module)?;
        self.upstreams.first_answer(|source| self.latest_from(source, module)).await
    }

    async fn list_from(
        &self,
        source: &Source,
        module: &ModulePath,
    ) -> Result<Vec<Version>, Failure> {
        match self.reach(source, module).await? {
            Origin::Repository(opened) => {
                if self.wants_new_refs {
                    opened.repository.new_refs().await?;
                }
                let listing = opened.repository.refs().await?;
                resolve::versions(&opened.repository, &listing, &opened.place).await
            }
            Origin::Server(server) => Ok(self.proxies.list(&server, module).await?.versions),
        }
    }

    async fn latest_from(
        &self,
        source: &Source,
        module: &ModulePath,
    ) -> Result<VersionInfo, Failure> {
        match self.reach(source, module).await? {
            Origin::Repository(opened) => {
                let resolved = resolve::latest(&opened.repository, module, &opened.place).await?;
                self.record(module, &opened, &resolved).await
            }
            Origin::Server(server) => self.latest_of_server(&server, module).await,
        }
    }

    /// What a server says, or what follows from its list: a static tree has no `@latest`.
    async fn latest_of_server(
        &self,
        server: &Server,
        module: &ModulePath,
    ) -> Result<VersionInfo, Failure> {
        let absence = match self.proxies.latest(server, module).await {
            Ok(info) => return Ok(info),
            Err(error @ GoProxyError::Absent { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        let Listed { versions, latest_commit } = self.proxies.list(server, module).await?;
        match latest(&versions).or(latest_commit.as_ref()) {
            Some(version) => self.info_from_server(server, module, version).await,
            None => Err(absence.into()),
        }
    }

    async fn query_from(
        &self,
        source: &Source,
        module: &ModulePath,
        query: &VersionQuery,
    ) -> Result<VersionInfo, Failure> {
        let server = match self.reach(source, module).await? {
            Origin::Server(server) => server,
            Origin::Repository(opened) => {
                let resolved =
                    resolve::resolve(&opened.repository, module, &opened.place, query).await?;
                return self.record(module, &opened, &resolved).await;
            }
        };
        // The version is filled when it is asked for: its zip may take long.
        Ok(self.proxies.info(&server, module, query).await?)
    }

    async fn last_good(
        &self,
        module: &ModulePath,
        question: &Question,
    ) -> Result<Option<Value>, Failure> {
        let answer = answers::load(&*self.storage, module, question).await?;
        Ok(answer.and_then(|answer| answer.good).map(|good| good.value))
    }

    /// Stores what is known although the question failed.
    async fn store_known(
        &self,
        module: &ModulePath,
        question: &Question,
        value: Value,
        failure: &Failure,
    ) -> Result<(), Failure> {
        if failure.leaves_what_is_known() {
            tracing::warn!(module.path = %module, reason = %failure, "answered from what is known");
        }
        Ok(answers::store_known(&*self.storage, module, question, value, failure).await?)
    }
}

/// Whether what is stored here is an answer after this failure: the origin has none, or
/// cannot be asked. Troubles of our own say nothing of it.
fn may_be_answered_from_storage(failure: &Failure) -> bool {
    failure.meaning().is_definite() || failure.leaves_what_is_known()
}
