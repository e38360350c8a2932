//! RabbitConfig: how this process reaches its broker, and what it wants of it.

use std::{fmt, path::PathBuf, time::Duration};

use super::address::BrokerAddress;

/// How this process reaches its broker, and what it wants of it.
#[derive(Clone)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Left out, user and
    /// password are `guest`, the port is 5672 or 5671, and the vhost is `/`. What
    /// belongs to the syntax is escaped by percent signs (`%2f` for the vhost `/`).
    pub url: String,
    /// A file that holds the URL. It is read before each attempt to connect, for what may
    /// have changed since. Default: none.
    pub url_file: Option<PathBuf>,
    /// How many jobs this process has in hand at most: a worker's slots. 0 for a process
    /// that only publishes; its `receive` never returns. Default: 0.
    pub prefetch: usize,
    /// Root certificates trusted besides the platform's, PEM, for `amqps://`. Default:
    /// none.
    pub roots: Option<Vec<u8>>,
    /// How long one attempt to connect may take, from the first packet to the last queue
    /// declared. Default: 10 s, because a cluster elects a leader for each new queue.
    pub connect_timeout: Duration,
    /// Silence after which the connection counts as lost, in whole seconds; the broker
    /// may ask for less. Default: 6 s. A broker gives the jobs of a host that vanished to
    /// others after two or three times that, and clients wait for them; what is less than
    /// 5 s ends connections that are merely slow.
    pub heartbeat: Duration,
    /// How long publishing, or asking for depth or dead letters, may wait for the broker
    /// before it is unavailable. Default: 5 s, enough for a restart of one node of a
    /// cluster.
    pub publish_timeout: Duration,
    /// What the broker's management pages call this connection. Default: `stoa`.
    pub name: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RabbitConfigError {
    /// The URL is none of a broker. Its text is not repeated: it may hold a password.
    #[error("not the URL of a broker: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The extra root certificates cannot be read or used.
    #[error("unusable root certificates for the broker: {reason}")]
    InvalidRoots {
        /// What is wrong with them.
        reason: String,
    },
}

impl RabbitConfig {
    /// Refuses what is no URL of a broker, as [`RabbitQueue::start`](super::RabbitQueue)
    /// would.
    pub fn check_url(url: &str) -> Result<(), RabbitConfigError> {
        BrokerAddress::parse(url).map(drop)
    }

    /// The defaults, for a process that only publishes.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            url_file: None,
            prefetch: 0,
            roots: None,
            connect_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(6),
            publish_timeout: Duration::from_secs(5),
            name: "stoa".to_owned(),
        }
    }
}

impl fmt::Debug for RabbitConfig {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = BrokerAddress::parse(&self.url).map(|address| address.to_string());
        f.debug_struct("RabbitConfig")
            .field("broker", &address)
            .field("url_file", &self.url_file)
            .field("prefetch", &self.prefetch)
            .field("has_roots", &self.roots.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("publish_timeout", &self.publish_timeout)
            .field("name", &self.name)
            .finish()
    }
}
