//! A store that takes every write, whatever its conditions say.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Starts it for as long as the test runs.
pub(super) async fn start() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection));
        }
    });
    address
}

async fn serve(connection: TcpStream) -> Option<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut method, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
            if method.is_empty() {
                method = line.split(' ').next()?.to_owned();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.ok()?;
        let status = if matches!(method.as_str(), "get" | "head") { "404" } else { "200" };
        let upload = "<InitiateMultipartUploadResult><UploadId>u</UploadId>\
                      </InitiateMultipartUploadResult>";
        let answer = format!(
            "HTTP/1.1 {status} X\r\netag: \"x\"\r\ncontent-length: {}\r\n\r\n{upload}",
            upload.len()
        );
        let answer = answer.as_bytes();
        let sent = if method == "head" { &answer[..answer.len() - upload.len()] } else { answer };
        connection.write_all(sent).await.ok()?;
    }
}
