//! How a connection comes about: directly or through the environment's proxy, with TLS
//! where the URL asks for it.

use std::{
    error::Error,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use hyper::{
    Uri,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_rustls::HttpsConnector;
use hyper_util::client::{
    legacy::connect::{Connected, Connection, HttpConnector, proxy::Tunnel},
    proxy::matcher::Matcher,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections, each within a time.
#[derive(Clone)]
pub(super) struct Connector {
    direct: HttpsConnector<HttpConnector>,
    tls: Arc<ClientConfig>,
    proxies: Arc<Matcher>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(tls: ClientConfig, proxies: Arc<Matcher>, timeout: Duration) -> Self {
        let tls = Arc::new(tls);
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        Self { direct: HttpsConnector::from((http, Arc::clone(&tls))), tls, proxies, timeout }
    }

    async fn connect(mut self, to: Uri) -> Result<Socket, BoxError> {
        let Some(proxy) = self.proxies.intercept(&to) else {
            return Ok(Socket { stream: Box::new(self.direct.call(to).await?), is_proxied: false });
        };
        if to.scheme_str() == Some("http") {
            let stream = self.direct.call(proxy.uri().clone()).await?;
            return Ok(Socket { stream: Box::new(stream), is_proxied: true });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.direct);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let stream = HttpsConnector::from((tunnel, self.tls)).call(to).await?;
        Ok(Socket { stream: Box::new(stream), is_proxied: false })
    }
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Socket, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let limit = self.timeout;
        let connected = self.clone().connect(to);
        async move {
            time::timeout(limit, connected).await.unwrap_or_else(|_| {
                let said = format!("no connection within {:.1} s", limit.as_secs_f64());
                Err(io::Error::new(io::ErrorKind::TimedOut, said).into())
            })
        }
        .boxed()
    }
}

/// TLS over ring, as in the rest of the program, that trusts the system's roots and those
/// given. A system without any still reaches stores that need no TLS.
pub(super) fn tls(pem: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| format!("a root certificate cannot be read: {error}"))?;
    }
    if roots.is_empty() && !pem.is_empty() {
        return Err("the root certificates' file holds no certificate".to_owned());
    }
    let system = rustls_native_certs::load_native_certs();
    for error in system.errors {
        tracing::warn!(error = &error as &dyn Error, "roots of the system cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A connection, over whatever it goes.
pub(super) struct Socket {
    stream: Box<dyn Duplex>,
    /// Whether requests are addressed to a proxy, which wants to see whole URLs.
    is_proxied: bool,
}

trait Duplex: Read + Write + Connection + Send + Unpin {}

impl<T: Read + Write + Connection + Send + Unpin> Duplex for T {}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_proxied)
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn a_root_certificate_that_cannot_be_read_is_refused() {
        assert!(tls(b"").is_ok());
        assert!(tls(b"nothing").unwrap_err().contains("no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(tls(broken.as_bytes()).unwrap_err().contains("cannot be read"));
    }

    /// A proxy that reads a request's head, answers 200, and tells what it read.
    async fn proxy() -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8(head).unwrap()
        });
        (format!("http://user:word@{address}"), heard)
    }

    fn by_way_of(proxy: &str) -> Connector {
        let proxies = Matcher::builder().all(proxy).no("direct.test").build();
        Connector::new(tls(b"").unwrap(), Arc::new(proxies), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn plain_requests_are_addressed_to_the_proxy() {
        let (proxy, _) = proxy().await;
        let to = Uri::from_static("http://store.test/bucket/key");
        let socket = by_way_of(&proxy).call(to).await.unwrap();
        assert!(socket.connected().is_proxied());
    }

    #[tokio::test]
    async fn tls_goes_through_a_tunnel() {
        let (proxy, heard) = proxy().await;
        let to = Uri::from_static("https://store.test/bucket/key");
        // The proxy ends the tunnel where TLS would begin.
        assert!(by_way_of(&proxy).call(to).await.is_err());
        let heard = heard.await.unwrap().to_ascii_lowercase();
        assert!(heard.starts_with("connect store.test:443 http/1.1\r\n"), "{heard}");
        assert!(heard.contains("proxy-authorization: basic dxnlcjp3b3jk"), "{heard}");
    }

    #[tokio::test]
    async fn a_connection_that_nobody_answers_is_given_up_in_time() {
        // Accepts connections into its backlog and says nothing.
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to: Uri = format!("https://{}/", silent.local_addr().unwrap()).parse().unwrap();
        let proxies = Arc::new(Matcher::builder().build());
        let mut connector = Connector::new(tls(b"").unwrap(), proxies, Duration::from_millis(50));
        let said = connector.call(to).await.err().unwrap().to_string();
        assert_eq!(said, "no connection within 0.1 s");
    }
}
