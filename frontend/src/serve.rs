//! Listening, and shutting down on purpose.
//!
//! On shutdown readiness fails first while connections are still accepted, because
//! whoever balances load learns of it late; after the drain delay the listener closes
//! and connections finish what they are at, within the grace period. Shortly before its
//! end whoever still waits for a job is told to ask again.

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{front_door::FrontDoor, state::Frontend};

/// Between requests and for the headers of one: a client that sends neither is gone.
const HEADER_PATIENCE: Duration = Duration::from_secs(75);

/// Bytes of buffer per connection, each way: bounds a request's headers, and what a
/// slow reader of a zip holds of it.
const LARGEST_BUFFER: usize = 64 << 10;

/// Before the end of the grace period, for answers to whoever still waits: an eighth of it
/// if that is less.
const FAREWELL: Duration = Duration::from_secs(2);

/// After a failed accept (no file descriptors left), a pause for others to finish.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the public router on `public` and `admin`'s router on its listener until
/// `shutdown` is cancelled and the last connection has finished or used up its grace.
pub async fn serve(
    frontend: Frontend,
    public: TcpListener,
    admin: Option<(TcpListener, Router)>,
    shutdown: CancellationToken,
) {
    let closing = Arc::new(Closing::default());
    let tasks = TaskTracker::new();
    let front_door = FrontDoor::new(frontend.clone());
    let grace = frontend.settings.grace;
    let public = accept(public, front_door, &closing, &tasks, grace);
    let admin = async {
        match admin {
            Some((listener, router)) => {
                let service = TowerToHyperService::new(router);
                accept(listener, service, &closing, &tasks, grace).await;
            }
            None => std::future::pending().await,
        }
    };
    let drained = async {
        shutdown.cancelled().await;
        frontend.health.drain();
        tracing::info!(drain_ms = frontend.settings.drain.as_millis(), "draining");
        tokio::time::sleep(frontend.settings.drain).await;
    };
    let watch = frontend.health.watch(&*frontend.storage);
    let watch_registry = async {
        match &frontend.registry {
            Some(registry) => registry.watch().await,
            None => std::future::pending().await,
        }
    };
    let listen = frontend.forget_what_was_refreshed();
    tokio::select! {
        () = drained => {}
        () = public => {}
        () = admin => {}
        () = watch => {}
        () = watch_registry => {}
        () = listen => {}
    }
    closing.begin();
    tasks.close();
    let patience = grace - FAREWELL.min(grace / 8);
    if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
        frontend.health.end_waits();
        tasks.wait().await;
    }
    tracing::info!("drained");
}

/// Accepts connections, each with a task of its own, forever.
async fn accept<S, B>(
    listener: TcpListener,
    service: S,
    closing: &Arc<Closing>,
    tasks: &TaskTracker,
    grace: Duration,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let closing = Arc::clone(closing);
                tasks.spawn(connection(stream, service.clone(), closing, grace));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn connection<S, B>(stream: TcpStream, service: S, closing: Arc<Closing>, grace: Duration)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + 'static,
{
    // Small answers would otherwise wait for the client's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_buf_size(LARGEST_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut told = pin!(closing.token.cancelled());
    // The token wakes this task once polled, and its lock is shared by all connections:
    // it is polled the first time, and again only when there is something to hear.
    let mut listens = false;
    let ended = std::future::poll_fn(|context| {
        if !listens || closing.has_begun() {
            listens = true;
            if told.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
        }
        connection.as_mut().poll(context).map(|_| true)
    })
    .await;
    if !ended {
        connection.as_mut().graceful_shutdown();
        // Whatever is unfinished by then is cut.
        let _ = tokio::time::timeout(grace, connection).await;
    }
}

/// Tells connections to finish.
#[derive(Default)]
struct Closing {
    begun: AtomicBool,
    token: CancellationToken,
}

impl Closing {
    fn begin(&self) {
        // Seen by whoever the token wakes.
        self.begun.store(true, Ordering::Release);
        self.token.cancel();
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }
}

/// Whether accepting failed for a client that has already left.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
