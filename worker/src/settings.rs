//! What an operator may set about a worker, and the worker put together from it.

use std::{io, sync::Arc, time::Duration};

use stoa_shared::{
    backends::{BackendError, root_certificates},
    config::{Config, DeploymentId, NetworkMode, UpstreamChain, environment},
    metrics::Metrics,
    policy::PrivateModules,
    storage::Storage,
};

use crate::{
    claim::Claims,
    credentials::{CredentialErrors, Credentials},
    discovery_page::DiscoveryPages,
    egress::{Egress, EgressConfig, ProxySettings, Reach, SetupError},
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
    /// What is not to be asked for as if it were public.
    pub private: PrivateModules,
    /// What the hosts of private modules are shown.
    pub credentials: Credentials,
}

/// Where a worker's modules come from, and who may hear their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origins {
    /// Public modules: from wherever their paths lead, and without credentials, because
    /// what is fetched is everybody's.
    Public,
    /// Private modules: from their repositories alone, with the credentials of their
    /// hosts. No other host hears their names.
    Private,
}

/// An exact version unknown to a ref listing older than this makes a new one
/// (design §8).
const REFS_RECHECK: Duration = Duration::from_secs(5);
/// Packs kept for the next module of the same commit, on disk.
const SNAPSHOT_BYTES: u64 = 1 << 30;

impl WorkerSettings {
    /// What the configuration says of a worker. Reads the files of further certificates
    /// and of credentials.
    pub fn from_config(config: &Config) -> Result<Self, WorkerSetupError> {
        let git = GitConfig::default();
        let credentials = match &config.vcs.credentials {
            Some(file) => Credentials::open(file.clone(), environment())?,
            None => Credentials::default(),
        };
        Ok(Self {
            egress: EgressConfig {
                allow: config.network.allow_addresses.clone().into(),
                extra_roots_pem: root_certificates(config)?,
                rewrites: config.vcs.rewrites.iter().cloned().collect(),
                proxy: ProxySettings::from_variables(environment()),
                patient_jobs: config.work.slots / 2,
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
            private: config.policy.private.clone(),
            credentials,
        })
    }
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerSetupError {
    /// A file that the configuration names cannot be read.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The file of credentials is not what it should be.
    #[error(transparent)]
    Credentials(#[from] CredentialErrors),
    /// Outgoing connections cannot be set up.
    #[error(transparent)]
    Egress(#[from] SetupError),
    /// No temporary files can be made.
    #[error("the directory for temporary files is unusable")]
    TemporaryFiles(#[from] io::Error),
}

impl Worker {
    /// A worker over the `storage` of its space, that fetches from `origins`, works on what
    /// it gets by `claims` and counts in the process's `metrics`.
    pub fn new(
        settings: WorkerSettings,
        origins: Origins,
        storage: Arc<dyn Storage>,
        claims: Claims,
        metrics: Arc<Metrics>,
    ) -> Result<Self, WorkerSetupError> {
        let refs_freshness = settings.repositories.refs_freshness;
        let WorkerSettings {
            mut egress,
            git,
            repositories,
            max_files,
            credentials,
            upstream,
            deployment,
            network,
            private,
        } = settings;
        let (credentials, upstream) = match origins {
            Origins::Public => (None, upstream),
            Origins::Private => (Some(credentials), UpstreamChain::direct()),
        };
        if let Some(named) = &credentials {
            egress.rewrites = egress.rewrites.with_named(named.clone());
            egress.reach = Reach::OwnHost;
        }
        let rewrites = egress.rewrites.clone();
        let to_repositories = Egress::new(egress)?;
        let to_pages = match origins {
            Origins::Public => to_repositories.clone(),
            Origins::Private => to_repositories.with_reach(Reach::NamedHosts)?,
        };
        let pages = DiscoveryPages {
            egress: to_pages,
            credentials: credentials.clone().unwrap_or_default(),
            metrics: metrics.clone(),
        };
        let proxies = GoProxies::new(to_repositories.for_upstreams()?, deployment, metrics.clone());
        let mut git = GitVcs::new(to_repositories, git, metrics.clone())?;
        if let Some(credentials) = credentials {
            git = git.with_credentials(credentials);
        }
        Ok(Self {
            origins,
            locator: Arc::new(Locator::new(Arc::new(pages), rewrites)),
            repositories: Arc::new(Repositories::new(Arc::new(git), storage.clone(), repositories)),
            upstreams: Arc::new(Upstreams::new(&upstream)),
            proxies,
            network,
            private,
            storage,
            claims: Arc::new(claims),
            refs_freshness,
            wants_new_refs: false,
            metrics,
            max_files,
        })
    }
}

#[cfg(test)]
impl WorkerSettings {
    /// A worker that asks repositories alone, without credentials.
    pub(crate) fn for_tests() -> Self {
        Self {
            egress: EgressConfig::default(),
            git: GitConfig::default(),
            repositories: RepositoryLimits {
                refs_freshness: Duration::from_secs(10),
                refs_recheck: REFS_RECHECK,
                snapshot_bytes: 1 << 20,
            },
            max_files: 100,
            upstream: UpstreamChain::direct(),
            deployment: "om".parse().expect("it is an id"),
            network: NetworkMode::Online,
            private: PrivateModules::default(),
            credentials: Credentials::default(),
        }
    }
}
