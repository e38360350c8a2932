//! A plain HTTP/1.1 client of a few lines: one request a connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::outcome::{Failure, Naming, Outcome};

/// Longer than the longest wait for a fill, so that the server's own answer comes first.
const TIMEOUT: Duration = Duration::from_secs(130);

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Asks and reads the whole answer. HTTP/1.0, so that no answer comes in chunks.
pub(crate) fn get(authority: &str, path: &str) -> Outcome<Reply> {
    exchange(authority, path).naming(format!("GET http://{authority}{path}"))
}

/// As [`get`]; any status but 200 is a failure that quotes the answer.
pub(crate) fn get_ok(authority: &str, path: &str) -> Outcome<Vec<u8>> {
    let Reply { status, body } = get(authority, path)?;
    if status == 200 {
        return Ok(body);
    }
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().next().unwrap_or_default();
    Err(Failure::new(format!("GET http://{authority}{path}: {status} {line}")))
}

fn exchange(authority: &str, path: &str) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\n\r\n")?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    parse(&raw).ok_or_else(|| std::io::Error::other("no complete HTTP answer"))
}

fn parse(raw: &[u8]) -> Option<Reply> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = raw[end + 4..].to_vec();
    for line in head.lines() {
        if let Some((name, length)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
            && length.trim().parse() != Ok(body.len())
        {
            return None;
        }
    }
    Some(Reply { status, body })
}

/// Free loopback addresses, held together so that they differ.
pub(crate) fn free_addresses<const N: usize>() -> Outcome<[String; N]> {
    let mut listeners = Vec::new();
    let mut addresses = [const { String::new() }; N];
    for address in &mut addresses {
        let listener = TcpListener::bind("127.0.0.1:0").naming("a free port")?;
        *address = listener.local_addr().naming("a free port")?.to_string();
        listeners.push(listener);
    }
    Ok(addresses)
}
