//! What an operator may set about a worker, and the worker put together from it.

use std::{io, sync::Arc};

use stoa_shared::{metrics::Metrics, storage::Storage};

use crate::{
    claim::Claims,
    discovery_page::DiscoveryPages,
    egress::{Egress, EgressConfig, SetupError},
    jobs::Worker,
    locate::Locator,
    repository::{Repositories, RepositoryLimits},
    vcs::git::{GitConfig, GitVcs},
};

/// A worker's settings: plain values, filled in by `main` from the configuration.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// What outgoing connections may reach and whom they trust.
    pub egress: EgressConfig,
    /// How git repositories are talked to.
    pub git: GitConfig,
    /// What is remembered of repositories.
    pub repositories: RepositoryLimits,
    /// Most files that one version's tree may hold.
    pub max_files: u64,
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerSetupError {
    /// Outgoing connections cannot be set up.
    #[error(transparent)]
    Egress(#[from] SetupError),
    /// No temporary files can be made.
    #[error("the directory for temporary files is unusable")]
    TemporaryFiles(#[from] io::Error),
}

impl Worker {
    /// A worker over `storage` that works on what it gets by `claims` and counts in the
    /// process's `metrics`.
    pub fn new(
        settings: WorkerSettings,
        storage: Arc<dyn Storage>,
        claims: Claims,
        metrics: Arc<Metrics>,
    ) -> Result<Self, WorkerSetupError> {
        let refs_freshness = settings.repositories.refs_freshness;
        let rewrites = settings.egress.rewrites.clone();
        let egress = Egress::new(settings.egress)?;
        let git = Arc::new(GitVcs::new(egress.clone(), settings.git, metrics.clone())?);
        let pages = DiscoveryPages { egress, metrics: metrics.clone() };
        Ok(Self {
            locator: Locator::new(Arc::new(pages), rewrites),
            repositories: Arc::new(Repositories::new(git, storage.clone(), settings.repositories)),
            storage,
            claims,
            refs_freshness,
            metrics,
            max_files: settings.max_files,
        })
    }
}
