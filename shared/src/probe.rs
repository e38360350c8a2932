//! `--probe`: asks the process that runs with the same configuration whether it is ready.
//!
//! Images have no program that could ask over HTTP; ours is always there.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Where every listener says whether its process is ready.
pub const PATH: &str = "/readyz";

/// Longest wait for each step: shorter than whoever runs the probe waits for its end.
const PATIENCE: Duration = Duration::from_secs(3);

/// Most bytes of an answer that are read: a head and two lines are some hundred.
const LONGEST_ANSWER: u64 = 16 << 10;

/// Why the process does not count as ready. One line each.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Any free port may have been taken.
    #[error("STOA_ADMIN_LISTEN has port 0: nobody knows where to ask")]
    AnyPort,
    /// Nobody answers.
    #[error("http://{address}{PATH}: {source}")]
    Unreachable {
        /// Who was asked.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Somebody listens, or may, and says nothing in time.
    #[error("http://{address}{PATH}: no answer within {} s", PATIENCE.as_secs())]
    Silent {
        /// Who was asked.
        address: SocketAddr,
    },
    /// It answers that it is not ready, or something else that is no 200.
    #[error("http://{address}{PATH}: {answer}")]
    NotReady {
        /// Who was asked.
        address: SocketAddr,
        /// The first line of its answer's body, or else its status.
        answer: String,
    },
}

/// What the process that listens at `address` says of its readiness, in one line.
pub fn probe(address: SocketAddr) -> Result<String, ProbeError> {
    if address.port() == 0 {
        return Err(ProbeError::AnyPort);
    }
    let address = SocketAddr::new(reachable(address.ip()), address.port());
    let answer = ask(address).map_err(|source| match source.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ProbeError::Silent { address },
        _ => ProbeError::Unreachable { address, source },
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let lines: Vec<&str> = body.lines().collect();
    let said = if lines.is_empty() { status.to_owned() } else { lines.join("; ") };
    if status.split(' ').nth(1) == Some("200") {
        Ok(said)
    } else {
        Err(ProbeError::NotReady { address, answer: said })
    }
}

/// Who listens on all addresses is asked on loopback.
fn reachable(listens: IpAddr) -> IpAddr {
    match listens {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        one => one,
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// What is said of a process that gives this answer to whoever asks first.
    fn said_of(answer: &'static str) -> Result<String, ProbeError> {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = listener.local_addr().unwrap();
        let process = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let said = probe(address);
        assert!(process.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        said
    }

    #[test]
    fn only_a_200_is_ready() {
        assert_eq!(said_of("HTTP/1.1 200 OK\r\n\r\nready\n").unwrap(), "ready");
        let degraded = "HTTP/1.1 200 OK\r\n\r\nready\ndegraded: no queue\n";
        assert_eq!(said_of(degraded).unwrap(), "ready; degraded: no queue");
        for (answer, reason) in [
            (
                "HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: draining\n",
                "not ready: draining",
            ),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 404 Not Found"),
            ("220 mail.example.org\r\n", "220 mail.example.org"),
        ] {
            let error = said_of(answer).unwrap_err().to_string();
            assert!(error.ends_with(&format!("/readyz: {reason}")), "{error}");
        }
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = probe(free).unwrap_err();
        assert!(matches!(&error, ProbeError::Unreachable { address, .. } if *address == free));
        assert!(matches!(probe("[::]:0".parse().unwrap()), Err(ProbeError::AnyPort)));
    }

    #[test]
    fn a_process_that_says_nothing_is_told_apart() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let said = probe(address).unwrap_err().to_string();
        assert_eq!(said, format!("http://{address}/readyz: no answer within 3 s"));
    }
}
