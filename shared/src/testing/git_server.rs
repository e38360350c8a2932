//! A git server on loopback for tests: the real `git http-backend` for a directory
//! of bare repositories, with faults that a test can switch on and requests it can
//! count.
//!
//! Needs nothing but the `git` program. It speaks as much HTTP/1.1 as git, the go
//! command and our own client do: keep-alive, lengths and chunks, no pipelining. As a
//! client's HTTP proxy it serves every host itself, opens no tunnel, and remembers whom
//! it was asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::{AbortHandle, JoinSet};

/// A running server. Stops, connections included, when dropped.
pub struct GitServer {
    address: SocketAddr,
    state: Arc<State>,
    accept: AbortHandle,
}

/// How the server behaves; the default is an honest protocol v2 server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether clients may ask for partial clones (`uploadpack.allowFilter`).
    pub allow_filter: bool,
    /// Whether the `Git-Protocol` header is dropped, as old proxies do: the answer
    /// is protocol v0 then.
    pub drop_git_protocol: bool,
    /// Whether files are served as they are and nothing else (the dumb protocol);
    /// repositories need `git update-server-info` for it.
    pub is_dumb: bool,
    /// Slept before each answer.
    pub delay: Duration,
    /// Kinds of requests that are answered with this HTTP status.
    pub failures: BTreeMap<RequestKind, u16>,
    /// The `Authorization` without which all is answered with 401.
    pub authorization: Option<String>,
    /// Fixed answers by path (with its leading slash); the query does not matter.
    /// They go before repositories.
    pub pages: HashMap<String, Page>,
}

/// A fixed answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Names and values, such as `Location`.
    pub headers: Vec<(String, String)>,
    /// Sent with its length.
    pub body: Vec<u8>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// `GET …/info/refs`, smart or dumb.
    InfoRefs,
    /// `POST …/git-upload-pack` with the v2 command `ls-refs`.
    LsRefs,
    /// Any other `POST …/git-upload-pack`: a fetch of either version.
    Fetch,
    /// One of [`Options::pages`].
    Page,
    /// Anything else.
    Other,
}

/// Requests seen so far, failed ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of [`RequestKind::InfoRefs`].
    pub info_refs: usize,
    /// Number of [`RequestKind::LsRefs`].
    pub ls_refs: usize,
    /// Number of [`RequestKind::Fetch`].
    pub fetch: usize,
    /// Number of [`RequestKind::Page`].
    pub pages: usize,
    /// Number of [`RequestKind::Other`].
    pub other: usize,
}

impl GitServer {
    /// Serves the repositories below `root` on a free loopback port. Fails if no
    /// port can be bound.
    pub async fn start(root: PathBuf, options: Options) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), root, options).await
    }

    /// Like [`start`](Self::start) at a given address, such as that of a server which
    /// was stopped. Fails if the address cannot be bound.
    pub async fn start_at(
        address: SocketAddr,
        root: PathBuf,
        options: Options,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            root,
            options: Mutex::new(options),
            counts: Mutex::new(Counts::default()),
            hosts: Mutex::default(),
        });
        let accept = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, accept })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL without a trailing slash: a repository's is `{url}/{directory}`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests seen so far.
    pub fn counts(&self) -> Counts {
        *locked(&self.state.counts)
    }

    /// The hosts that requests were for so far, each with its port if it named one.
    pub fn hosts(&self) -> BTreeSet<String> {
        locked(&self.state.hosts).clone()
    }

    /// Forgets the requests seen so far.
    pub fn reset_counts(&self) {
        *locked(&self.state.counts) = Counts::default();
        locked(&self.state.hosts).clear();
    }

    /// Behaves differently from the next request on.
    pub fn set_options(&self, options: Options) {
        *locked(&self.state.options) = options;
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Options {
    /// With every kind of request answered by this HTTP status.
    pub fn failing(mut self, status: u16) -> Self {
        use RequestKind::{Fetch, InfoRefs, LsRefs, Other, Page};
        self.failures = [InfoRefs, LsRefs, Fetch, Page, Other].map(|kind| (kind, status)).into();
        self
    }

    /// With a fixed answer for a path.
    pub fn with_page(mut self, path: &str, page: Page) -> Self {
        self.pages.insert(path.to_owned(), page);
        self
    }
}

impl Page {
    /// Status 200, HTML.
    pub fn html(body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
        Self { status: 200, headers, body: body.as_bytes().to_vec() }
    }

    /// A redirect with this status to another URL.
    pub fn redirect(status: u16, location: &str) -> Self {
        let headers = vec![("Location".to_owned(), location.to_owned())];
        Self { status, headers, body: Vec::new() }
    }
}

struct State {
    root: PathBuf,
    options: Mutex<Options>,
    counts: Mutex<Counts>,
    hosts: Mutex<BTreeSet<String>>,
}

struct Request {
    method: String,
    host: String,
    path: String,
    query: String,
    /// Names in lower case.
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Owned by this task, so that aborting it ends the connections too.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_connection(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, state: Arc<State>) -> io::Result<()> {
    // Answers leave in several writes; held back until the client acknowledges the
    // first, each would cost the 40 ms that a client may take for that.
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = Request::read(&mut reader, &mut writer).await? {
        let options = locked(&state.options).clone();
        let kind = request.kind(&options);
        locked(&state.counts).add(kind);
        locked(&state.hosts).insert(request.host.clone());
        tokio::time::sleep(options.delay).await;
        if request.method == "CONNECT" {
            write_whole(&mut writer, 502, &[], b"no tunnels here\n").await?;
        } else if let Some(authorization) = &options.authorization
            && request.headers.get("authorization") != Some(authorization)
        {
            let headers = [("WWW-Authenticate".to_owned(), "Basic".to_owned())];
            write_whole(&mut writer, 401, &headers, b"who are you?\n").await?;
        } else if let Some(status) = options.failures.get(&kind) {
            write_whole(&mut writer, *status, &[], b"failing on purpose\n").await?;
        } else if let Some(page) = options.pages.get(&request.path) {
            write_whole(&mut writer, page.status, &page.headers, &page.body).await?;
        } else if options.is_dumb {
            serve_file(&state.root, &request, &mut writer).await?;
        } else {
            serve_backend(&state.root, &options, &request, &mut writer).await?;
        }
    }
    Ok(())
}

impl Request {
    /// The next request of a connection, `None` at its end.
    async fn read(
        reader: &mut BufReader<OwnedReadHalf>,
        writer: &mut OwnedWriteHalf,
    ) -> io::Result<Option<Self>> {
        let first = read_line(reader).await?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        // Proxies are told of the host here, all others in a header.
        let absolute = target.strip_prefix("http://").map(|rest| {
            let at = rest.find('/').unwrap_or(rest.len());
            rest.split_at(at)
        });
        let (named, target) = absolute.map_or((None, target), |(host, rest)| (Some(host), rest));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HashMap::new();
        loop {
            let line = read_line(reader).await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        if headers.contains_key("expect") {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = Vec::new();
        if let Some(length) = headers.get("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            reader.take(length).read_to_end(&mut body).await?;
        } else if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            loop {
                let size =
                    u64::from_str_radix(&read_line(reader).await?, 16).map_err(io::Error::other)?;
                reader.take(size).read_to_end(&mut body).await?;
                read_line(reader).await?;
                if size == 0 {
                    break;
                }
            }
        }
        let host = named.map(str::to_owned).or_else(|| headers.get("host").cloned());
        let host = host.unwrap_or_default();
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Ok(Some(Self { method, host, path, query, headers, body }))
    }

    fn kind(&self, options: &Options) -> RequestKind {
        if options.pages.contains_key(&self.path) {
            RequestKind::Page
        } else if self.path.ends_with("/info/refs") {
            RequestKind::InfoRefs
        } else if !self.path.ends_with("/git-upload-pack") {
            RequestKind::Other
        } else if self.body.get(4..).is_some_and(|line| line.starts_with(b"command=ls-refs")) {
            RequestKind::LsRefs
        } else {
            RequestKind::Fetch
        }
    }
}

impl Counts {
    fn add(&mut self, kind: RequestKind) {
        *match kind {
            RequestKind::InfoRefs => &mut self.info_refs,
            RequestKind::LsRefs => &mut self.ls_refs,
            RequestKind::Fetch => &mut self.fetch,
            RequestKind::Page => &mut self.pages,
            RequestKind::Other => &mut self.other,
        } += 1;
    }
}

async fn serve_file(root: &Path, request: &Request, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let path = Path::new(request.path.trim_start_matches('/'));
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    match tokio::fs::read(root.join(path)).await {
        Ok(bytes) if is_below => {
            let headers = [("Content-Type".to_owned(), "text/plain".to_owned())];
            write_whole(writer, 200, &headers, &bytes).await
        }
        _ => write_whole(writer, 404, &[], b"no such file\n").await,
    }
}

/// Runs `git http-backend` as a CGI program and streams what it says.
async fn serve_backend(
    root: &Path,
    options: &Options,
    request: &Request,
    writer: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
    let mut command = Command::new("git");
    command
        .args(["-c", "safe.directory=*", "-c"])
        .arg(format!("uploadpack.allowFilter={}", options.allow_filter))
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROJECT_ROOT", root)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("REQUEST_METHOD", &request.method)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env_remove("GIT_PROTOCOL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if !options.drop_git_protocol {
        command.env("GIT_PROTOCOL", header("git-protocol"));
    }
    let mut child = command.spawn()?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("no pipes to git http-backend"));
    };
    let body = request.body.clone();
    // Beside the reading, because the program answers before it has read everything.
    tokio::spawn(async move { input.write_all(&body).await });

    let mut output = BufReader::new(output);
    let mut status = "200 OK".to_owned();
    let mut headers = String::new();
    loop {
        let line = read_line(&mut output).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("status") {
            status = value.trim().to_owned();
        } else {
            headers.push_str(&format!("{line}\r\n"));
        }
    }
    let head = format!("HTTP/1.1 {status}\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
    writer.write_all(head.as_bytes()).await?;
    loop {
        let chunk = output.fill_buf().await?;
        let length = chunk.len();
        writer.write_all(format!("{length:x}\r\n").as_bytes()).await?;
        writer.write_all(chunk).await?;
        writer.write_all(b"\r\n").await?;
        if length == 0 {
            break;
        }
        output.consume(length);
    }
    child.wait().await?;
    Ok(())
}

async fn write_whole(
    writer: &mut OwnedWriteHalf,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(body);
    writer.write_all(&answer).await
}

/// One line without its end; empty at the end of the stream.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(directory)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .await
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    async fn repository(root: &Path) {
        let bare = root.join("module.git");
        git(root, &["init", "--quiet", "--bare", "-b", "main", "module.git"]).await.unwrap();
        let tree = git(&bare, &["mktree"]).await.unwrap();
        let identity = ["-c", "user.name=n", "-c", "user.email=e@e.example"];
        let commit = [&identity[..], &["commit-tree", "-m", "first", tree.trim()]].concat();
        let commit = git(&bare, &commit).await.unwrap();
        git(&bare, &["update-ref", "refs/heads/main", commit.trim()]).await.unwrap();
        git(&bare, &["update-server-info"]).await.unwrap();
    }

    #[tokio::test]
    async fn git_clones_from_it_in_every_protocol_and_each_request_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        repository(directory.path()).await;
        let server = GitServer::start(directory.path().to_owned(), Options::default()).await;
        let server = server.unwrap();
        let url = format!("{}/module.git", server.url());
        let v0 = Options { drop_git_protocol: true, ..Options::default() };
        let dumb = Options { is_dumb: true, ..Options::default() };
        for (name, options, ls_refs, fetch) in
            [("v2", Options::default(), 1, 1), ("v0", v0, 0, 1), ("dumb", dumb, 0, 0)]
        {
            server.set_options(options);
            server.reset_counts();
            let clone = git(directory.path(), &["clone", "--quiet", &url, name]).await;
            assert!(clone.is_some(), "{name}");
            let counts = server.counts();
            assert_eq!((counts.info_refs, counts.ls_refs, counts.fetch), (1, ls_refs, fetch));
        }
    }

    #[tokio::test]
    async fn pages_go_first_and_failures_before_everything() {
        let directory = tempfile::tempdir().unwrap();
        repository(directory.path()).await;
        let page = Options::default().with_page("/m.example/a", Page::html("<p>hello"));
        let server = GitServer::start(directory.path().to_owned(), page).await.unwrap();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET /m.example/a?go-get=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = BufReader::new(stream);
        assert_eq!(read_line(&mut answer).await.unwrap(), "HTTP/1.1 200 -");
        assert_eq!(server.counts(), Counts { pages: 1, ..Counts::default() });

        server.set_options(Options::default().failing(503));
        let url = format!("{}/module.git", server.url());
        assert_eq!(git(directory.path(), &["ls-remote", &url]).await, None);
        server.set_options(Options::default());
        assert!(git(directory.path(), &["ls-remote", &url]).await.is_some());
    }
}
