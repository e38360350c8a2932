//! The pool of connections to the store, for the SDK and for what we ask without it.

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_s3::{
    config::{
        RuntimeComponents, SharedHttpClient,
        http::{HttpRequest, HttpResponse},
    },
    error::ConnectorError,
    primitives::SdkBody,
};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use hyper::{Request, Response, body::Incoming, header::PROXY_AUTHORIZATION};
use hyper_util::{
    client::{
        legacy::{Client, Error},
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time;

use super::connect::Connector;

/// Most bytes read from a connection at once. Of an object that is streamed, up to three
/// times as many wait for the reader: in the connection, between it and the stream, and on
/// their way out. With hyper's own limit of 408 KiB a frontend that streams to many slow
/// clients grows by more than a megabyte for each.
const READ_BUFFER: usize = 64 * 1024;

/// A client of HTTP/1.1 that keeps connections.
#[derive(Clone)]
pub(super) struct Transport {
    client: Client<Connector, SdkBody>,
    proxies: Arc<Matcher>,
}

impl Transport {
    /// Connects through the environment's proxy, if there is one.
    pub(super) fn new(tls: ClientConfig, connect_timeout: Duration) -> Self {
        let proxies = Arc::new(Matcher::from_env());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(READ_BUFFER)
            .build(Connector::new(tls, Arc::clone(&proxies), connect_timeout));
        Self { client, proxies }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        mut request: Request<SdkBody>,
    ) -> Result<Response<Incoming>, Error> {
        // Behind a tunnel the proxy was told when the tunnel was made.
        if request.uri().scheme_str() == Some("http")
            && let Some(proxy) = self.proxies.intercept(request.uri())
            && let Some(authorization) = proxy.basic_auth()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        self.client.request(request).await
    }

    /// The same pool as the SDK wants to see it.
    pub(super) fn for_sdk(&self) -> SharedHttpClient {
        SharedHttpClient::new(ForSdk { transport: self.clone(), limit: None })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// The transport behind the SDK's interface.
#[derive(Debug, Clone)]
struct ForSdk {
    transport: Transport,
    /// Longest wait for an answer's head.
    limit: Option<Duration>,
}

impl HttpClient for ForSdk {
    /// Those who hand out credentials are less patient than a store may be: what they
    /// allow for a connection and for an answer is what both may take together.
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connecting = settings.connect_timeout().unwrap_or_default();
        let limit = settings.read_timeout().map(|reading| connecting + reading);
        SharedHttpConnector::new(Self { transport: self.transport.clone(), limit })
    }
}

impl HttpConnector for ForSdk {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { transport, limit } = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x();
            let request = request.map_err(|error| ConnectorError::user(error.into()))?;
            let answered = transport.send(request);
            let answered = match limit {
                None => answered.await,
                Some(limit) => time::timeout(limit, answered)
                    .await
                    .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
            };
            let answer = answered.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
