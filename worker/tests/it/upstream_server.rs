//! A server of the GOPROXY protocol on loopback that says what it is told to, true or not.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use zip::{ZipWriter, write::SimpleFileOptions};

/// What the server says to requests for one path.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// A status and a plain text.
    Status(u16, &'static str),
    /// 200 and a body.
    Body(Vec<u8>),
    /// 200 and a body of which the last byte never comes.
    Short(Vec<u8>),
    /// 200 and the same without saying how long it is.
    ShortWithoutLength(Vec<u8>),
    /// 307 to a URL or path.
    Redirect(String),
    /// No answer until the asker goes away.
    Nothing,
}

/// One request that was made.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
}

/// The running server; its threads end with the test process.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamServer {
    authority: String,
    says: Arc<Mutex<HashMap<String, Says>>>,
    /// Said to everything, if set.
    down: Arc<Mutex<Option<Says>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl UpstreamServer {
    /// One that has nothing: everything is 404.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            authority: listener.local_addr().unwrap().to_string(),
            says: Arc::default(),
            down: Arc::default(),
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

    /// One that has a version of `example.com/m` with everything that belongs to it.
    pub(crate) fn with_version(version: &str) -> Self {
        let server = Self::start();
        server.publish(version);
        server
    }

    /// Base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Says this to requests for a file of `example.com/m`, such as `@v/list`.
    pub(crate) fn say(&self, file: &str, says: Says) {
        self.says.lock().unwrap().insert(format!("/example.com/m/{file}"), says);
    }

    /// Says this to requests for the page at `example.com/m`.
    pub(crate) fn say_of_page(&self, page: &str) {
        let says = Says::Body(page.into());
        self.says.lock().unwrap().insert("/example.com/m?go-get=1".to_owned(), says);
    }

    /// Says this to every request, or again what was set for each.
    pub(crate) fn say_always(&self, says: Option<Says>) {
        *self.down.lock().unwrap() = says;
    }

    /// Has a version of `example.com/m`.
    pub(crate) fn publish(&self, version: &str) {
        let info = format!(r#"{{"Version":"{version}","Time":"2020-01-02T03:04:05Z"}}"#);
        self.say(&format!("@v/{version}.info"), Says::Body(info.into()));
        self.say(&format!("@v/{version}.mod"), Says::Body(GO_MOD.into()));
        self.say(&format!("@v/{version}.zip"), Says::Body(honest_zip(version)));
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        self.asked.lock().unwrap().push(Asked { path: path.clone(), headers });
        let down = self.down.lock().unwrap().clone();
        let says = down.or_else(|| self.says.lock().unwrap().get(&path).cloned());
        let mut stream = stream;
        match says.unwrap_or(Says::Status(404, "not found: no such file")) {
            Says::Status(status, text) => {
                send(&mut stream, status, "", text.len(), text.as_bytes())
            }
            Says::Body(body) => send(&mut stream, 200, "", body.len(), &body),
            Says::Short(body) => send(&mut stream, 200, "", body.len(), &body[..body.len() - 1]),
            Says::ShortWithoutLength(body) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                stream.write_all(&body[..body.len() - 1])
            }
            Says::Redirect(to) => send(&mut stream, 307, &format!("Location: {to}\r\n"), 0, b""),
            Says::Nothing => {
                let mut rest = String::new();
                reader.read_line(&mut rest).map(drop)
            }
        }
    }
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    length: usize,
    body: &[u8],
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// The go.mod of every honest version.
pub(crate) const GO_MOD: &str = "module example.com/m\n";

/// The zip of go-modules §5 for any version.
pub(crate) fn honest_zip(version: &str) -> Vec<u8> {
    zip_of(version, &[("go.mod", GO_MOD), ("a.go", "package m\n"), ("LICENSE", "x\n")])
}

/// A zip of these files of `example.com/m`.
pub(crate) fn zip_of(version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (path, content) in files {
        let name = format!("example.com/m@{version}/{path}");
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
