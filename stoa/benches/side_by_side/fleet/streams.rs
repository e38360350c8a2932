//! What a frontend keeps resident while many clients read big zips at once, slower than the
//! bucket has them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures_util::StreamExt;
use stoa_shared::storage::Body;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::site::Site;
use crate::Bench;
use crate::memory::Memory;
use crate::outcome::{Failure, Naming, Outcome};
use crate::report::{Bound, Row, Unit};

const READERS: usize = 64;
/// Bytes.
const ZIP: usize = 100_000_000;
/// What a reader takes at once, in bytes, and how long it rests then: some 5 MB a second,
/// so that the readers are what the frontend waits for.
const BITE: usize = 64 << 10;
const REST: Duration = Duration::from_millis(12);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A module that nobody has. Without a catalog entry the version can be read all the same.
const VERSION: &str = "example.com/big/@v/v1.0.0";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let site = Site::prepare(bench)?;
    put_version(&site)?;
    let frontend = site.frontend()?;
    let before = Memory::of(frontend.process_id())?;
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..READERS).map(|_| scope.spawn(|| read_slowly(frontend.authority()))).collect();
        readers.into_iter().try_for_each(|reader| {
            reader.join().map_err(|_| Failure::new("a reader panicked"))?.naming("a reader")
        })
    })?;
    let memory = Memory::of(frontend.process_id())?;
    let what = format!("fleet, resident while streaming {READERS} zips of 100 MB");
    let figures = format!("{:.1} MiB before", before.resident);
    Ok(vec![Row::new(what, memory.peak, Unit::Mebibytes, Bound::AtMost(150.0)).from(figures, "")])
}

fn put_version(site: &Site) -> Outcome<()> {
    let info = br#"{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}"#;
    let go_mod = b"module example.com/big\n";
    let zip = ReaderStream::with_capacity(tokio::io::repeat(0x5a).take(ZIP as u64), BITE);
    site.bucket.put(&format!("{VERSION}.zip"), Body::Stream(zip.boxed()))?;
    site.bucket.put(&format!("{VERSION}.mod"), Body::from(go_mod.to_vec()))?;
    site.bucket.put(&format!("{VERSION}.info"), Body::from(info.to_vec()))
}

/// Reads the zip to its end, bite by bite.
fn read_slowly(authority: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /{VERSION}.zip HTTP/1.0\r\nHost: {authority}\r\n\r\n")?;
    let (mut received, mut bite) = (0, vec![0; BITE]);
    loop {
        let length = stream.read(&mut bite)?;
        if length == 0 {
            break;
        }
        if received == 0 && !bite.starts_with(b"HTTP/1.0 200") && !bite.starts_with(b"HTTP/1.1 200")
        {
            return Err(std::io::Error::other("the answer is not 200"));
        }
        received += length;
        std::thread::sleep(REST);
    }
    if received > ZIP {
        return Ok(());
    }
    Err(std::io::Error::other(format!("only {received} bytes were received")))
}
