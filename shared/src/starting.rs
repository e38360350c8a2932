//! The time between listening and serving: a process listens before it has reached its
//! storage, and a bucket may let it wait for any time. Whoever probes it meanwhile is told
//! that it is alive and not ready, and must not take it for dead.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backends::{BackendError, open_storage},
    config::Config,
    storage::Storage,
};

/// What is not ready yet, in a line for people.
pub const NOT_READY: &str = "not ready: storage has not answered yet";

/// Longest time of one connection, which is for one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of a request that are read.
const LONGEST_HEAD: u64 = 64 << 10;

/// After a failed accept (no file descriptors left), a pause for others to finish.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the storage and answers on the listeners until it is open. `None` when told to
/// stop before that.
pub async fn storage(
    config: &Config,
    listeners: &[&TcpListener],
    shutdown: &CancellationToken,
) -> Result<Option<Arc<dyn Storage>>, BackendError> {
    let opening = async {
        tokio::select! {
            storage = open_storage(config) => storage.map(Some),
            () = shutdown.cancelled() => Ok(None),
        }
    };
    answer_while(listeners, opening).await
}

/// Answers until `opening` is done. The listeners go on listening: whoever connects from
/// then on is answered by whoever accepts next.
async fn answer_while<T>(listeners: &[&TcpListener], opening: impl Future<Output = T>) -> T {
    let answering = async {
        join_all(listeners.iter().map(|listener| accept(listener))).await;
        pending::<Infallible>().await
    };
    tokio::select! {
        opened = opening => opened,
        never = answering => match never {},
    }
}

async fn accept(listener: &TcpListener) {
    loop {
        match listener.accept().await {
            // A task of its own, so that an answer under way is finished. Whoever sends
            // nothing, or has left, needs none.
            Ok((stream, _)) => drop(tokio::spawn(timeout(PATIENCE, connection(stream)))),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader.take(LONGEST_HEAD)).split(b'\n');
    let request = lines.next_segment().await?.unwrap_or_default();
    // To the end of the head: closed over unread bytes, a connection may lose its answer.
    while lines.next_segment().await?.is_some_and(|line| line != b"\r") {}
    writer.write_all(answer(&String::from_utf8_lossy(&request)).as_bytes()).await?;
    writer.shutdown().await
}

/// The answer to a request that begins with this line. What comes next may be a request
/// that can be served, so the connection ends.
fn answer(request: &str) -> String {
    let mut words = request.split([' ', '?']);
    let (method, path) = (words.next(), words.next());
    let (status, line) = match path {
        Some("/healthz") => ("200 OK", "ok"),
        _ => ("503 Service Unavailable\r\nretry-after: 5", NOT_READY),
    };
    let body = if method == Some("HEAD") { String::new() } else { format!("{line}\n") };
    let length = line.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {length}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::sync::oneshot;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Kept alive, if that were up to the client.
        let request = format!("GET {path} HTTP/1.1\r\nhost: stoa\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }

    #[tokio::test]
    async fn until_it_is_open_a_process_is_alive_and_not_ready() {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (public, admin) = (bind().await.unwrap(), bind().await.unwrap());
        let (open, opening) = oneshot::channel();
        let asking = async {
            // Whoever says nothing keeps nobody waiting.
            let _silent = TcpStream::connect(public.local_addr().unwrap()).await.unwrap();
            for listener in [&public, &admin] {
                let address = listener.local_addr().unwrap();
                let alive = get(address, "/healthz").await;
                assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
                for path in ["/readyz", "/example.com/m/@v/list"] {
                    let unready = get(address, path).await;
                    assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
                    assert!(unready.contains("\r\nretry-after: 5\r\n"), "{unready}");
                    assert!(unready.ends_with("\r\n\r\nnot ready: storage has not answered yet\n"));
                }
            }
            assert!(answer("HEAD /healthz HTTP/1.1\r").ends_with("\r\n\r\n"));
            open.send("storage").unwrap();
        };
        let listeners = [&public, &admin];
        let (opened, ()) = tokio::join!(answer_while(&listeners, opening), asking);
        assert_eq!(opened.unwrap(), "storage");
        // The listener is the process's own again.
        let client = TcpStream::connect(public.local_addr().unwrap());
        let (accepted, connected) = tokio::join!(public.accept(), client);
        assert_eq!(accepted.unwrap().1, connected.unwrap().local_addr().unwrap());
    }
}
