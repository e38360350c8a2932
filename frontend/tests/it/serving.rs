//! Behind a listener: the hot path, and shutting down on purpose.

use std::{
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use stoa_frontend::{FrontendSettings, operators, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    scene::{Scene, info, until},
    worker::Does,
};

struct Served {
    public: SocketAddr,
    admin: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

async fn served(scene: &Scene) -> Served {
    let served = started(scene).await;
    until(async || get_ok(served.public, "/readyz").await).await;
    served
}

async fn started(scene: &Scene) -> Served {
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (public_address, admin_address) =
        (public.local_addr().unwrap(), listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let frontend = scene.frontend.clone();
    let admin = Some((listener, operators(frontend.clone())));
    let server = tokio::spawn(serve(frontend, public, admin, shutdown.clone()));
    Served { public: public_address, admin: admin_address, shutdown, server }
}

async fn get_ok(address: SocketAddr, path: &str) -> bool {
    get(address, path).await.is_some_and(|reply| reply.starts_with("HTTP/1.1 200"))
}

/// One request on a connection of its own; `None` if there is no one to talk to.
async fn get(address: SocketAddr, path: &str) -> Option<String> {
    get_with(address, path, "accept: */*").await
}

async fn get_with(address: SocketAddr, path: &str, header: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: stoa\r\n{header}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.ok()?;
    (!reply.is_empty()).then_some(reply)
}

#[tokio::test]
async fn what_is_in_memory_goes_out_as_it_did_the_first_time() {
    let scene = Scene::new().await;
    scene.store_version("example.com/m", "v1.0.0", b"zip").await;
    let served = served(&scene).await;
    for _ in 0..3 {
        let reply = get(served.public, "/example.com/m/@v/v1.0.0.info").await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        assert!(reply.ends_with(&format!("\r\n\r\n{}", info("v1.0.0"))), "{reply}");
        assert!(reply.contains(&format!("\r\ncontent-length: {}\r\n", info("v1.0.0").len())));
    }
    let metrics = get(served.admin, "/metrics").await.unwrap();
    let hits = r#"stoa_requests_total{endpoint="info",outcome="hit"} 3"#;
    assert!(metrics.contains(hits), "{metrics}");
    served.shutdown.cancel();
    served.server.await.unwrap();
}

#[tokio::test]
async fn who_has_it_is_told_so_without_a_length() {
    let scene = Scene::new().await;
    scene.store_version("example.com/m", "v1.0.0", b"zip").await;
    let served = served(&scene).await;
    // From storage, then from memory.
    for _ in 0..2 {
        let path = "/example.com/m/@v/v1.0.0.mod";
        let reply = get_with(served.public, path, "if-none-match: *").await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 304 "), "{reply}");
        assert!(!reply.contains("content-length: 0"), "{reply}");
        assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    }
    served.shutdown.cancel();
    served.server.await.unwrap();
}

#[tokio::test]
async fn without_its_queue_it_is_ready_and_says_what_is_missing() {
    let scene = Scene::new().await;
    let served = served(&scene).await;
    assert_eq!(scene.metric("stoa_queue_connected ").await, "1");
    scene.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(scene.metric("stoa_queue_connected ").await, "0");
    let miss = get(served.public, "/example.com/m/@v/list").await.unwrap();
    assert!(miss.starts_with("HTTP/1.1 503 "), "{miss}");
    let ready = get(served.public, "/readyz").await.unwrap();
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    assert!(ready.contains("\ndegraded: the job queue is unavailable"), "{ready}");
    served.shutdown.cancel();
    served.server.await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_was_deleted_is_no_storage() {
    let scene = Scene::new().await;
    scene.storage.is_gone.store(true, Ordering::SeqCst);
    let served = started(&scene).await;
    let looked_at = || scene.storage.calls.load(Ordering::SeqCst);
    until(async || looked_at() > 1).await;
    assert!(!get_ok(served.public, "/readyz").await);
    scene.storage.is_gone.store(false, Ordering::SeqCst);
    until(async || get_ok(served.public, "/readyz").await).await;
    served.shutdown.cancel();
    served.server.await.unwrap();
}

#[tokio::test]
async fn while_draining_it_is_unready_but_accepts() {
    let drain = Duration::from_secs(60);
    let scene = Scene::with(FrontendSettings { drain, ..FrontendSettings::default() }).await;
    let served = served(&scene).await;
    served.shutdown.cancel();
    until(async || !get_ok(served.public, "/readyz").await).await;
    let reply = get(served.public, "/readyz").await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    assert!(
        reply.ends_with(
            "not ready: shutting down
"
        ),
        "{reply}"
    );
    assert!(get(served.public, "/healthz").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(!served.server.is_finished());
    served.server.abort();
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_an_idle_connection_is_not_waited_for() {
    let scene = Scene::new().await;
    let served = served(&scene).await;
    let _idle = TcpStream::connect(served.public).await.unwrap();
    let waiting = tokio::spawn(get(served.public, "/example.com/m/@v/v1.0.0.info"));
    scene.until_published(1).await;
    served.shutdown.cancel();
    until(async || get(served.public, "/healthz").await.is_none()).await;
    scene.worker(Does::Fills);
    let reply = waiting.await.unwrap().unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    tokio::time::timeout(Duration::from_secs(10), served.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_still_waits_when_the_grace_ends_is_told_to_ask_again() {
    let grace = Duration::from_secs(1);
    let scene = Scene::with(FrontendSettings { grace, ..FrontendSettings::default() }).await;
    let served = served(&scene).await;
    let ask = |path| tokio::spawn(get(served.public, path));
    let waiting = ["/example.com/m/@v/v1.0.0.info", "/example.com/m/@v/list"].map(ask);
    scene.until_published(2).await;
    let begun = Instant::now();
    served.shutdown.cancel();
    for waiting in waiting {
        let reply = waiting.await.unwrap().unwrap();
        assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
        assert!(reply.contains("\r\nretry-after: 1\r\n"), "{reply}");
        assert!(reply.contains("\r\n\r\nshutting down: example.com/m"), "{reply}");
    }
    assert!(begun.elapsed() >= grace / 2, "they had most of the grace");
    tokio::time::timeout(Duration::from_secs(10), served.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_finish_within_the_grace_is_cut() {
    let grace = Duration::from_millis(50);
    let scene = Scene::with(FrontendSettings { grace, ..FrontendSettings::default() }).await;
    // More than all buffers between two sockets hold.
    scene.store_version("example.com/m", "v1.0.0", &vec![7; 32 << 20]).await;
    let served = served(&scene).await;
    let mut stream = TcpStream::connect(served.public).await.unwrap();
    let request = "GET /example.com/m/@v/v1.0.0.zip HTTP/1.1\r\nhost: stoa\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 1000]).await.unwrap();
    served.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), served.server).await.unwrap().unwrap();
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest).await;
    assert!(ended.is_err() || rest.len() < 32 << 20, "{ended:?}");
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let scene = Scene::new().await;
    let served = served(&scene).await;
    let mut stream = TcpStream::connect(served.public).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: stoa\r\nx: ").await.unwrap();
    let written = async { while stream.write_all(&[b'a'; 16 << 10]).await.is_ok() {} };
    let refused = tokio::time::timeout(Duration::from_secs(10), written).await;
    refused.expect("the connection is closed");
    assert!(get(served.public, "/healthz").await.is_some());
    served.shutdown.cancel();
    served.server.await.unwrap();
}
