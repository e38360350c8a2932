//! A way over loopback to a server, which can be cut and restored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Forwards connections to a server. While it is cut, connections are refused, and
/// those that were open are reset.
pub struct Forwarder {
    port: u16,
    is_open: watch::Sender<bool>,
    forwarding: JoinHandle<()>,
    is_cut: watch::Receiver<bool>,
}

impl Forwarder {
    /// A forwarder to `host` and `port`, open.
    pub async fn start(host: &str, port: u16) -> Self {
        let listener = listen(0);
        let own_port = listener.local_addr().unwrap().port();
        let (is_open, opened) = watch::channel(true);
        let (cut, is_cut) = watch::channel(false);
        let forwarding =
            tokio::spawn(forward(listener, own_port, (host.to_owned(), port), opened, cut));
        Self { port: own_port, is_open, forwarding, is_cut }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Resets every connection and refuses new ones; done when it returns.
    pub async fn cut(&mut self) {
        self.is_open.send_replace(false);
        self.is_cut.wait_for(|is_cut| *is_cut).await.unwrap();
    }

    /// Forwards again; done when it returns.
    pub async fn restore(&mut self) {
        self.is_open.send_replace(true);
        self.is_cut.wait_for(|is_cut| !*is_cut).await.unwrap();
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(
    listener: TcpListener,
    port: u16,
    target: (String, u16),
    mut is_open: watch::Receiver<bool>,
    is_cut: watch::Sender<bool>,
) {
    let mut listener = Some(listener);
    loop {
        let mut connections = JoinSet::new();
        while let Some(open) = &listener {
            tokio::select! {
                accepted = open.accept() => {
                    let (near, _) = accepted.unwrap();
                    let target = target.clone();
                    connections.spawn(async move { pass(near, target).await });
                }
                _ = is_open.wait_for(|is_open| !*is_open) => listener = None,
            }
        }
        connections.shutdown().await;
        is_cut.send_replace(true);
        if is_open.wait_for(|is_open| *is_open).await.is_err() {
            return;
        }
        listener = Some(listen(port));
        is_cut.send_replace(false);
    }
}

async fn pass(mut near: TcpStream, (host, port): (String, u16)) {
    if let Ok(mut far) = TcpStream::connect((host.as_str(), port)).await {
        // Either end may go at any time; that is what it is here for.
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

fn listen(port: u16) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket.listen(64).unwrap()
}
