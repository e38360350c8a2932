//! A server of `?go-get=1` pages on loopback, for both sides of the comparison.
//!
//! The go command reaches it as its HTTP proxy (`GET http://host/path`; `CONNECT` is
//! refused, so that hosts under `GOINSECURE` fall back to plain HTTP), Stoa through
//! `STOA_VCS_REWRITE` (`GET /host/path`). Both see the same pages.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is served for one `host/path`.
#[derive(Debug, Clone)]
pub(crate) enum Page {
    /// A status and a body.
    Body(u16, Vec<u8>),
    /// 302 to another `host/path` of this server, in the form that the asker believes in.
    Redirect(String),
    /// 302 to a URL.
    RedirectTo(String),
    /// A head without length, then `<!-- -->` comments as fast as they are read.
    Endless,
    /// A head, then one byte every 200 ms.
    Drip,
    /// No answer at all until the asker goes away.
    Silent,
}

impl Page {
    /// A page with `go-import` tags of the given contents.
    pub(crate) fn import(contents: &[&str]) -> Self {
        let tags: String = contents
            .iter()
            .map(|content| format!("<meta name=\"go-import\" content=\"{content}\">\n"))
            .collect();
        Self::html(&format!("<html><head>\n{tags}</head><body>page</body></html>\n"))
    }

    /// A page with status 200.
    pub(crate) fn html(body: &str) -> Self {
        Self::Body(200, body.as_bytes().to_vec())
    }
}

/// The running server; its threads end with the test process.
#[derive(Debug, Clone)]
pub(crate) struct PageServer {
    authority: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl PageServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            authority: listener.local_addr().unwrap().to_string(),
            pages: Arc::default(),
            asked: Arc::default(),
        };
        let running = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = running.clone();
                // A connection that breaks is the asker's business.
                std::thread::spawn(move || drop(server.answer(stream)));
            }
        });
        server
    }

    /// `host:port` of the server.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The rewrite that leads page requests for a host here.
    pub(crate) fn rewrite(&self, host: &str) -> (String, String) {
        (format!("https://{host}/"), format!("http://{}/{host}/", self.authority))
    }

    /// Serves a page at `host/path`.
    pub(crate) fn serve(&self, address: &str, page: Page) {
        self.pages.lock().unwrap().insert(address.to_owned(), page);
    }

    /// Every `host/path` that was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let mut stream = stream;
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if method == "CONNECT" {
            return send(&mut stream, 502, "", b"no tunnels here\n");
        }
        let address = target.trim_start_matches("http://").trim_start_matches('/');
        let address = address.split('?').next().unwrap_or("").trim_end_matches('/');
        self.asked.lock().unwrap().push(address.to_owned());
        let page = self.pages.lock().unwrap().get(address).cloned();
        match page {
            None => send(&mut stream, 404, "", b"no such page\n"),
            Some(Page::Body(status, body)) => send(&mut stream, status, "", &body),
            Some(Page::Redirect(to)) => {
                let base = if target.starts_with("http:") { "http://" } else { "/" };
                send(&mut stream, 302, &format!("Location: {base}{to}\r\n"), b"")
            }
            Some(Page::RedirectTo(url)) => {
                send(&mut stream, 302, &format!("Location: {url}\r\n"), b"")
            }
            Some(Page::Endless) => {
                begin(&mut stream)?;
                let comments = "<!-- and so on -->\n".repeat(1000);
                loop {
                    stream.write_all(comments.as_bytes())?;
                }
            }
            Some(Page::Drip) => {
                begin(&mut stream)?;
                loop {
                    stream.write_all(b" ")?;
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            Some(Page::Silent) => reader.read_line(&mut line).map(drop),
        }
    }
}

fn begin(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
}

fn send(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
