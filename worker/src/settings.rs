//! What an operator may set about a worker, and the worker put together from it.

use std::{io, sync::Arc, time::Duration};

use stoa_shared::{
    backends::{BackendError, root_certificates},
    config::{Config, DeploymentId, NetworkMode, UpstreamChain, environment},
    metrics::Metrics,
    storage::Storage,
};

use crate::{
    claim::Claims,
    discovery_page::DiscoveryPages,
    egress::{Egress, EgressConfig, ProxySettings, SetupError},
    goproxy::GoProxies,
    jobs::Worker,
    locate::Locator,
    repository::{Repositories, RepositoryLimits},
    upstreams::Upstreams,
    vcs::{
        git::{GitConfig, GitVcs},
        pack,
    },
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
    /// Most files that one version's tree, or its zip, may hold.
    pub max_files: u64,
    /// Who is asked, and in which order.
    pub upstream: UpstreamChain,
    /// In whose name upstreams are asked.
    pub deployment: DeploymentId,
    /// Whether anything is fetched at all.
    pub network: NetworkMode,
}

/// An exact version unknown to a ref listing older than this makes a new one
/// (design §8).
const REFS_RECHECK: Duration = Duration::from_secs(5);
/// Packs kept for the next module of the same commit, on disk.
const SNAPSHOT_BYTES: u64 = 1 << 30;

impl WorkerSettings {
    /// What the configuration says of a worker. Reads the file of further certificates.
    pub fn from_config(config: &Config) -> Result<Self, BackendError> {
        let git = GitConfig::default();
        Ok(Self {
            egress: EgressConfig {
                allow: config.network.allow_addresses.clone().into(),
                extra_roots_pem: root_certificates(config)?,
                rewrites: config.vcs.rewrites.iter().cloned().collect(),
                proxy: ProxySettings::from_variables(environment()),
                patient_requests: config.work.slots / 2,
                ..EgressConfig::default()
            },
            git: GitConfig {
                pack: pack::Limits {
                    pack_bytes: config.vcs.max_pack_bytes.bytes(),
                    ..pack::Limits::default()
                },
                listing_timeout: git.listing_timeout.min(config.vcs.timeout),
                fetch_timeout: config.vcs.timeout,
                ..git
            },
            repositories: RepositoryLimits {
                refs_freshness: config.freshness.refs,
                refs_recheck: REFS_RECHECK.min(config.freshness.refs),
                snapshot_bytes: SNAPSHOT_BYTES,
            },
            max_files: config.vcs.max_files,
            upstream: config.upstream.chain.clone(),
            deployment: config.deployment.clone(),
            network: config.network.mode,
        })
    }
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
        let proxies = GoProxies::new(egress.clone(), &settings.deployment, metrics.clone());
        let pages = DiscoveryPages { egress, metrics: metrics.clone() };
        Ok(Self {
            locator: Locator::new(Arc::new(pages), rewrites),
            repositories: Arc::new(Repositories::new(git, storage.clone(), settings.repositories)),
            upstreams: Upstreams::new(&settings.upstream),
            proxies,
            network: settings.network,
            storage,
            claims,
            refs_freshness,
            metrics,
            max_files: settings.max_files,
        })
    }
}
