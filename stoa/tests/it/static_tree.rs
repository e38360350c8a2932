//! A directory served as it lies: the plainest GOPROXY server there is, on loopback.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A running server of one tree; dropping it stops it.
#[derive(Debug)]
pub(crate) struct StaticTree {
    authority: String,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    is_stopped: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl StaticTree {
    pub(crate) fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            root: root.to_path_buf(),
            is_stopped: AtomicBool::default(),
            asked: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                // A connection that breaks is the asker's business.
                std::thread::spawn(move || drop(serving.answer(stream)));
            }
        });
        Self { authority, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The path of each request for a file, there or not.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Refuses connections from now on.
    pub(crate) fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            self.shared.is_stopped.store(true, Ordering::SeqCst);
            // Wakes the thread, which then closes the listener.
            let _ = TcpStream::connect(&self.authority);
            accepting.join().unwrap();
        }
    }
}

impl Drop for StaticTree {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        // Of what is escaped in a URL, a module's path has the bang alone.
        let path = request.split(' ').nth(1).unwrap_or_default().replace("%21", "!");
        self.asked.lock().unwrap().push(path.clone());
        let file = self.root.join(path.trim_start_matches('/'));
        if !file.is_file() {
            return stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
                  Connection: close\r\n\r\nno such file\n",
            );
        }
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        std::io::copy(&mut file, &mut stream).map(drop)
    }
}
