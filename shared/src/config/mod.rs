//! Configuration: every setting of a deployment, read once at start.
//!
//! [`settings`] declares each setting with its names, default and meaning; `layers`
//! merges defaults, the file and the environment; the other files turn the merged
//! text into the small structs that the rest of the program receives. Every mistake
//! of every layer is reported in one go (style §3 rule 18).

mod addresses;
mod bucket;
mod delivery;
mod deployment;
mod error;
mod file;
mod freshness;
mod layers;
mod listeners;
mod locations;
mod logging;
mod network;
mod policy;
mod reader;
mod reference;
mod secret;
pub mod settings;
mod shutdown;
mod suggestion;
mod units;
mod upstream;
mod urls;
mod vcs;
mod work;

use std::path::Path;

pub use addresses::{AddressRange, AddressRanges};
pub use bucket::BucketSettings;
pub use delivery::ZipDelivery;
pub use deployment::{DeploymentId, Role};
pub use error::{ConfigErrors, InvalidValue, Mistake};
pub use freshness::Freshness;
pub use layers::{EffectiveValue, Layer, arguments, environment};
pub use listeners::Listeners;
pub use locations::{QueueLocation, StorageLocation};
pub use logging::{LogFilter, LogFormat, LogSettings};
pub use network::{NetworkMode, NetworkSettings};
pub use reference::{example_file, help, readme_table};
pub use secret::Secret;
pub(crate) use secret::{SecretFileError, read_secret};
pub use shutdown::ShutdownSettings;
pub use units::{ByteSize, parse_duration, parse_flag};
pub use upstream::{
    Fallback, Upstream, UpstreamChain, UpstreamCredentials, UpstreamEntry, UpstreamServer,
    UpstreamSettings,
};
pub use urls::{PublicUrl, UrlRewrite};
pub use vcs::VcsSettings;
pub use work::WorkSettings;

use crate::policy::{Anonymous, Policy};
use reader::Reader;

/// What one process is told at its start. Modules receive the part that concerns
/// them, never the whole and never the environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which preset of policy holds ([`settings::ROLE`]).
    pub role: Role,
    /// Who we are among other deployments ([`settings::DEPLOYMENT`]).
    pub deployment: DeploymentId,
    /// Our address as others reach it ([`settings::PUBLIC_URL`]).
    pub public_url: Option<PublicUrl>,
    /// Where we listen, and what the admin listener asks for.
    pub listeners: Listeners,
    /// Where module versions lie ([`settings::STORAGE`]).
    pub storage: StorageLocation,
    /// How a bucket is reached, where modules lie in one.
    pub bucket: BucketSettings,
    /// How zips reach clients.
    pub zip_delivery: ZipDelivery,
    /// Which modules are private, which are excluded, and what a miss becomes.
    pub policy: Policy,
    /// What callers without a key get ([`settings::ANONYMOUS`]). `None`: it depends on
    /// the request ([`Anonymous::entitlement`]).
    pub anonymous: Option<Anonymous>,
    /// Where jobs wait ([`settings::QUEUE`]).
    pub queue: QueueLocation,
    /// Who is asked for what is missing here.
    pub upstream: UpstreamSettings,
    /// How jobs are done and waited for.
    pub work: WorkSettings,
    /// Where repositories are fetched from, and how much may come from one.
    pub vcs: VcsSettings,
    /// What outgoing connections may reach and whom they trust.
    pub network: NetworkSettings,
    /// How long mutable knowledge counts as fresh.
    pub freshness: Freshness,
    /// Most bytes that a frontend keeps in memory ([`settings::MEMORY_CACHE`]).
    pub memory_cache: ByteSize,
    /// How a process ends.
    pub shutdown: ShutdownSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    effective: Vec<EffectiveValue>,
}

impl Config {
    /// Merges the defaults, the file (`path`, else the one that `STOA_CONFIG` names)
    /// and the `environment`, and parses the result. Reads the file and the files
    /// that `…_FILE` settings name. Fails with all mistakes at once.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let mut mistakes = Vec::new();
        let values = layers::merge(path, environment, &mut mistakes);
        let effective = values.effective();
        let mut reader = Reader::new(values, mistakes);
        let config = Self::read(&mut reader, effective);
        let mistakes = reader.into_mistakes();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigErrors::new(mistakes)),
        }
    }

    /// Every setting's effective value and the layer that set it, one TOML line each,
    /// secrets redacted.
    pub fn describe(&self) -> String {
        self.effective.iter().map(|value| format!("{value}\n")).collect()
    }

    /// Every setting's effective value and the layer that set it, secrets redacted.
    pub fn effective_values(&self) -> &[EffectiveValue] {
        &self.effective
    }

    /// All parts are read before the first missing one ends it, so that the reader
    /// hears of every mistake.
    fn read(reader: &mut Reader, effective: Vec<EffectiveValue>) -> Option<Self> {
        let role = reader.read(&settings::ROLE);
        let deployment = reader.read(&settings::DEPLOYMENT);
        let public_url = reader.read_optional(&settings::PUBLIC_URL);
        let listeners = Listeners::read(reader);
        let storage = reader.read(&settings::STORAGE);
        let bucket = BucketSettings::read(reader);
        let zip_delivery = ZipDelivery::read(reader);
        let policy = policy::read(reader);
        let anonymous = policy::read_anonymous(reader);
        let queue = QueueLocation::read(reader);
        let upstream = UpstreamSettings::read(reader);
        let registry = upstream.as_ref().and_then(|upstream| upstream.public.as_ref());
        if registry.is_some() && registry == public_url.as_ref().and_then(Option::as_ref) {
            let problem = "is STOA_PUBLIC_URL, this deployment itself: name the registry behind it";
            reader.report(&settings::UPSTREAM, problem);
        }
        let work = WorkSettings::read(reader);
        let vcs = VcsSettings::read(reader);
        let network = NetworkSettings::read(reader);
        let freshness = Freshness::read(reader);
        let memory_cache = reader.read(&settings::MEMORY_CACHE);
        let shutdown = ShutdownSettings::read(reader);
        let log = LogSettings::read(reader);
        Some(Self {
            role: role?,
            deployment: deployment?,
            public_url: public_url?,
            listeners: listeners?,
            storage: storage?,
            bucket: bucket?,
            zip_delivery: zip_delivery?,
            policy: policy?,
            anonymous: anonymous?,
            queue: queue?,
            upstream: upstream?,
            work: work?,
            vcs: vcs?,
            network: network?,
            freshness: freshness?,
            memory_cache: memory_cache?,
            shutdown: shutdown?,
            log: log?,
            effective,
        })
    }
}

#[cfg(test)]
mod tests;
