//! A store that takes every write whatever its conditions say, or none that has any.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const UPLOAD: &str = "<InitiateMultipartUploadResult><UploadId>u</UploadId>\
                      </InitiateMultipartUploadResult>";
const REFUSAL: &str = "<Error><Code>NoConditions</Code><Message>not here</Message></Error>";

/// What the store makes of conditions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carelessness {
    Ignores,
    /// With this status.
    Refuses(u16),
}

/// Starts it for as long as the test runs.
pub(super) async fn start(carelessness: Carelessness) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, carelessness));
        }
    });
    address
}

async fn serve(connection: TcpStream, carelessness: Carelessness) -> Option<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut method, mut length, mut is_conditional) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
            is_conditional |= line.starts_with("if-");
            if method.is_empty() {
                method = line.split(' ').next()?.to_owned();
            } else if line.is_empty() {
                break;
            }
        }
        let mut received = vec![0; length];
        connection.read_exact(&mut received).await.ok()?;
        let (status, body) = match carelessness {
            _ if matches!(method.as_str(), "get" | "head") => (404, UPLOAD),
            Carelessness::Refuses(status) if is_conditional => (status, REFUSAL),
            _ => (200, UPLOAD),
        };
        let answer = format!(
            "HTTP/1.1 {status} X\r\netag: \"x\"\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = answer.as_bytes();
        let sent = if method == "head" { &answer[..answer.len() - body.len()] } else { answer };
        connection.write_all(sent).await.ok()?;
    }
}
