//! A proxy on loopback that breaks what passes through it, in front of any server that
//! speaks HTTP/1.1: by a plan that a seed fixes, or one request after the other as a test
//! says.
//!
//! Messages are passed on whole and byte by byte, so that signatures stay valid; a test's
//! bodies fit into memory.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time,
};

/// Longer than any client waits.
const FOREVER: Duration = Duration::from_secs(600);

/// A running proxy. Stops, connections included, when dropped.
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<State>,
    accept: AbortHandle,
}

/// What may happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this HTTP status, and not forwarded.
    Answer(u16),
    /// It is answered with status 200 and an error of this code in the body, and not
    /// forwarded.
    ErrorInBody(&'static str),
    /// The connection is closed, and it is not forwarded.
    Reset,
    /// It is forwarded; once the answer is there, the connection is closed instead.
    LoseAnswer,
    /// It is forwarded after so long.
    Delay(Duration),
    /// It is forwarded; of the answer comes the first half of its body, then nothing. An
    /// answer without a body does not come.
    Stall,
}

/// Which requests are broken, and how. The default breaks none.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The same seed breaks the same requests, counted as they arrive.
    pub seed: u64,
    /// One request in so many is broken; 0 for none.
    pub one_in: u64,
    /// Drawn from for each request to be broken.
    pub faults: Vec<Fault>,
}

/// What the proxy has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that arrived, broken ones included.
    pub requests: usize,
    /// Number of [`Fault::Answer`] and [`Fault::ErrorInBody`].
    pub answered: usize,
    /// Number of [`Fault::Reset`].
    pub reset: usize,
    /// Number of [`Fault::LoseAnswer`], counted when the connection is closed.
    pub lost: usize,
    /// Number of [`Fault::Delay`].
    pub delayed: usize,
    /// Number of [`Fault::Stall`].
    pub stalled: usize,
}

impl FaultyProxy {
    /// Stands in front of `server` on a free loopback port. Fails if none can be bound.
    pub async fn start(server: SocketAddr, plan: Plan) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            server,
            plan: Mutex::new(plan),
            orders: Mutex::default(),
            counts: Mutex::default(),
        });
        let accept = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, accept })
    }

    /// Base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks, besides what the plan breaks, the next request whose first line contains
    /// `part`. Several for one part are used up in order.
    pub fn break_next(&self, part: &str, fault: Fault) {
        locked(&self.state.orders).push((part.to_owned(), fault));
    }

    /// Goes by another plan from the next request on.
    pub fn set_plan(&self, plan: Plan) {
        *locked(&self.state.plan) = plan;
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        *locked(&self.state.counts)
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

struct State {
    server: SocketAddr,
    plan: Mutex<Plan>,
    orders: Mutex<Vec<(String, Fault)>>,
    counts: Mutex<Counts>,
}

impl State {
    /// What happens to the next request, which begins with `line`.
    fn fault(&self, line: &str) -> Option<Fault> {
        let mut counts = locked(&self.counts);
        let fault = self.ordered(line).or_else(|| locked(&self.plan).fault(counts.requests));
        counts.requests += 1;
        match fault {
            Some(Fault::Answer(_) | Fault::ErrorInBody(_)) => counts.answered += 1,
            Some(Fault::Reset) => counts.reset += 1,
            Some(Fault::Delay(_)) => counts.delayed += 1,
            Some(Fault::Stall) => counts.stalled += 1,
            Some(Fault::LoseAnswer) | None => {}
        }
        fault
    }

    fn ordered(&self, line: &str) -> Option<Fault> {
        let mut orders = locked(&self.orders);
        let place = orders.iter().position(|(part, _)| line.contains(part.as_str()))?;
        Some(orders.remove(place).1)
    }
}

impl Plan {
    fn fault(&self, request: usize) -> Option<Fault> {
        let drawn = scattered(self.seed.wrapping_add(request as u64));
        let is_broken = self.one_in > 0 && drawn.is_multiple_of(self.one_in);
        let choice = scattered(drawn) as usize;
        if is_broken { self.faults.get(choice % self.faults.len().max(1)).copied() } else { None }
    }
}

/// Numbers in a row become numbers without order (the finisher of SplitMix64).
fn scattered(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropping the set ends the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let state = Arc::clone(&state);
        // A connection that fails is what this is for.
        connections.spawn(async move { serve(client, &state).await.ok() });
    }
}

/// Passes on requests and answers until either side closes or a fault does.
async fn serve(client: TcpStream, state: &State) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(TcpStream::connect(state.server).await?);
    while let Some(head) = read_head(&mut client).await? {
        let fault = state.fault(head.first_line());
        if fault == Some(Fault::Reset) {
            return Ok(());
        }
        if head.value("expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = read_body(&mut client, &head, false).await?;
        match fault {
            Some(Fault::Answer(status)) => {
                let answer = format!("HTTP/1.1 {status} Broken\r\ncontent-length: 0\r\n\r\n");
                client.write_all(answer.as_bytes()).await?;
                continue;
            }
            Some(Fault::ErrorInBody(code)) => {
                let body = format!("<Error><Code>{code}</Code><Message>Broken</Message></Error>");
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                client.write_all(answer.as_bytes()).await?;
                continue;
            }
            Some(Fault::Delay(delay)) => time::sleep(delay).await,
            _ => {}
        }
        server.write_all(&head.0).await?;
        server.write_all(&body).await?;
        let (answer, body) = read_answer(&mut server, &head).await?;
        match fault {
            Some(Fault::LoseAnswer) => {
                locked(&state.counts).lost += 1;
                return Ok(());
            }
            Some(Fault::Stall) => {
                if !body.is_empty() {
                    client.write_all(&answer.0).await?;
                    client.write_all(&body[..body.len() / 2]).await?;
                }
                // Until the client gives up.
                let _ = time::timeout(FOREVER, client.read_u8()).await;
                return Ok(());
            }
            _ => {}
        }
        client.write_all(&answer.0).await?;
        client.write_all(&body).await?;
        if [&head, &answer].iter().any(|head| head.value("connection") == Some("close")) {
            return Ok(());
        }
    }
    Ok(())
}

/// The final answer to the request that began with `request`.
async fn read_answer(
    server: &mut BufReader<TcpStream>,
    request: &Head,
) -> io::Result<(Head, Vec<u8>)> {
    loop {
        let head = read_head(server).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.first_line().split(' ').nth(1).unwrap_or_default();
        if status.starts_with('1') {
            continue;
        }
        let has_no_body =
            request.first_line().starts_with("HEAD ") || ["204", "304"].contains(&status);
        let body = if has_no_body { Vec::new() } else { read_body(server, &head, true).await? };
        return Ok((head, body));
    }
}

/// First line and headers, with the empty line at their end.
struct Head(Vec<u8>);

impl Head {
    fn first_line(&self) -> &str {
        self.lines().next().unwrap_or_default()
    }

    /// A header's value; names are not told apart by case.
    fn value(&self, name: &str) -> Option<&str> {
        let mut fields = self.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        str::from_utf8(&self.0).unwrap_or_default().split("\r\n")
    }
}

/// Reads a head; `None` if the connection was closed before it.
async fn read_head(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Head>> {
    let mut head = Vec::new();
    loop {
        let read = reader.read_until(b'\n', &mut head).await?;
        match read {
            0 if head.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if head.ends_with(b"\r\n\r\n") => return Ok(Some(Head(head))),
            _ => {}
        }
    }
}

/// Reads a body as it stands on the wire. An answer of untold length ends with its
/// connection; a request of untold length has no body.
async fn read_body(
    reader: &mut (impl AsyncBufRead + Unpin),
    head: &Head,
    is_answer: bool,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let is_chunked =
        head.value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    if is_chunked {
        read_chunks(reader, &mut body).await?;
    } else if let Some(length) = head.value("content-length") {
        let length: usize = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        body.resize(length, 0);
        reader.read_exact(&mut body).await?;
    } else if is_answer {
        reader.read_to_end(&mut body).await?;
    }
    Ok(body)
}

/// Reads chunks with their sizes, the last one and what trails it included.
async fn read_chunks(
    reader: &mut (impl AsyncBufRead + Unpin),
    body: &mut Vec<u8>,
) -> io::Result<()> {
    loop {
        let start = body.len();
        reader.read_until(b'\n', body).await?;
        let line = str::from_utf8(&body[start..]).map_err(|_| io::ErrorKind::InvalidData)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if size == 0 {
            break;
        }
        let start = body.len();
        body.resize(start + size + 2, 0);
        reader.read_exact(&mut body[start..]).await?;
    }
    // Trailers, until the empty line.
    loop {
        let start = body.len();
        let read = reader.read_until(b'\n', body).await?;
        if read == 0 || &body[start..] == b"\r\n" {
            return Ok(());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
