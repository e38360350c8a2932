//! The way to the broker: TCP, and TLS over it, under a stream that the client library
//! reads and writes.
//!
//! The library could dial by itself. It would then decide how long that takes, could
//! not be stopped in the middle of a handshake, and for TLS would bring readers of
//! PKCS #12 files along.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_util::{
    Stream,
    io::{AsyncRead as FuturesRead, AsyncWrite as FuturesWrite},
};
use lapin::{Connection, ConnectionProperties, tcp::AsyncTcpStream};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::{self, JoinError},
};
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::{
    address::BrokerAddress,
    config::{RabbitConfig, RabbitConfigError},
};
use crate::config::{SecretFileError, read_secret};

/// Dials the broker.
pub(super) struct Dialer {
    target: Mutex<Target>,
    /// Holds the URL of the target, which may change.
    file: Option<PathBuf>,
    roots: Option<Vec<u8>>,
    heartbeat: Duration,
    name: String,
}

/// Who is dialed.
#[derive(Clone)]
struct Target {
    address: BrokerAddress,
    tls: Option<TlsConnector>,
}

/// Why a file has no new target.
#[derive(Debug, thiserror::Error)]
enum StaleError {
    #[error("it cannot be read: {0}")]
    Read(#[from] SecretFileError),
    #[error(transparent)]
    Target(#[from] RabbitConfigError),
    #[error("it was not read to its end: {0}")]
    Interrupted(#[from] JoinError),
}

/// A connection, and the end of its socket with it.
pub(super) struct Dialed {
    pub(super) connection: Connection,
    _socket: SocketGuard,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

type Socket = Compat<Box<dyn Duplex>>;

/// Ends the socket when it is dropped, so that a thread which waits for it wakes.
struct SocketGuard(std::net::TcpStream);

impl Drop for SocketGuard {
    fn drop(&mut self) {
        // The peer may have ended it before.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Dialer {
    pub(super) fn new(config: &RabbitConfig) -> Result<Self, RabbitConfigError> {
        let target = Target::new(BrokerAddress::parse(&config.url)?, config.roots.as_deref())?;
        Ok(Self {
            target: Mutex::new(target),
            file: config.url_file.clone(),
            roots: config.roots.clone(),
            heartbeat: config.heartbeat,
            name: config.name.clone(),
        })
    }

    /// Who was dialed last, or will be.
    pub(super) fn address(&self) -> BrokerAddress {
        self.target().address.clone()
    }

    fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whom to dial now. What it was before may still do where the file is no help.
    async fn refresh(&self) {
        let Some(file) = &self.file else { return };
        if let Err(error) = self.read_again(file).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(file = %file.display(), error, "the broker's URL was not read again");
        }
    }

    async fn read_again(&self, file: &Path) -> Result<(), StaleError> {
        let file = file.to_owned();
        let url = task::spawn_blocking(move || read_secret(&file)).await??;
        let address = BrokerAddress::parse(&url)?;
        if address != self.target().address {
            let target = Target::new(address, self.roots.as_deref())?;
            *self.target() = target;
        }
        Ok(())
    }

    /// One connection to the broker. Dropped before it is done, it leaves nothing behind.
    pub(super) async fn dial(&self) -> Result<Dialed, lapin::Error> {
        self.refresh().await;
        let Target { address, tls } = self.target().clone();
        let BrokerAddress { host, port, .. } = &address;
        let tcp = TcpStream::connect((host.as_str(), *port)).await?;
        tcp.set_nodelay(true)?;
        let tcp = tcp.into_std()?;
        let guard = SocketGuard(tcp.try_clone()?);
        let tcp = TcpStream::from_std(tcp)?;
        let stream: Box<dyn Duplex> = match &tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Box::new(tls.connect(name, tcp).await?)
            }
        };
        let stream = Mutex::new(Some(stream.compat()));
        let taken = async move |_, _| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            let stream = stream.ok_or_else(|| io::Error::other("a connection is dialed once"))?;
            Ok(AsyncTcpStream::Plain(stream))
        };
        let parts = RuntimeParts::new(Tokio::current(), DialedReactor(Tokio::current()));
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let uri = address.uri(self.heartbeat);
        let connection = Connection::connector(uri, Runtime::new(parts), taken, properties).await?;
        Ok(Dialed { connection, _socket: guard })
    }
}

impl Target {
    fn new(address: BrokerAddress, roots: Option<&[u8]>) -> Result<Self, RabbitConfigError> {
        let tls = address.is_encrypted.then(|| tls(roots)).transpose()?;
        Ok(Self { address, tls })
    }
}

/// TLS that trusts the platform's roots and `roots`.
fn tls(roots: Option<&[u8]>) -> Result<TlsConnector, RabbitConfigError> {
    let invalid = |reason: String| RabbitConfigError::InvalidRoots { reason };
    let extra: Vec<_> = CertificateDer::pem_slice_iter(roots.unwrap_or_default())
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(error.to_string()))?;
    if roots.is_some() && extra.is_empty() {
        return Err(invalid("there is no certificate among them".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|error| invalid(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Tokio's reactor, with our socket in the place of its own.
#[derive(Debug, Clone)]
struct DialedReactor(Tokio);

impl Reactor for DialedReactor {
    type TcpStream = Socket;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl FuturesRead + FuturesWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        connect_plainly(address)
    }
}

async fn connect_plainly(address: SocketAddr) -> io::Result<Socket> {
    let stream: Box<dyn Duplex> = Box::new(TcpStream::connect(address).await?);
    Ok(stream.compat())
}
