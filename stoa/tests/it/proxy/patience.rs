//! An upstream that takes long: it may have to fetch what it is asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Deployment;
use crate::http_client;
use crate::stories::until;

/// How long a job waits for an upstream before it needs the right to wait on, of which
/// there are two.
const SLOT_IS_HELD: Duration = Duration::from_secs(8);

/// Says nothing of modules called `hang…`, and of all others that there is a v1.0.0.
struct Upstream {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let asking = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&asking);
                // A connection that breaks is the asker's business.
                std::thread::spawn(move || drop(answer(stream, &asked)));
            }
        });
        Self { url, asked }
    }

    fn hanging(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.contains("/hang")).count()
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    asked.lock().unwrap().push(request.clone());
    if request.contains("/hang") {
        return reader.read_to_end(&mut Vec::new()).map(drop);
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n";
    writeln!(stream, "{head}v1.0.0")
}

#[test]
fn who_waits_does_not_wait_for_fills_behind_the_scenes() {
    let upstream = Upstream::start();
    let mut site = Deployment::site_of_proxy("hanging", &upstream.url);
    site.set("STOA_UPSTREAM_DELAY", "0s");
    let proxy = Deployment::start(site, "hanging");
    let get = |path: &str| http_client::get(proxy.frontend.authority(), path).unwrap();
    for number in 0..8 {
        let reply = get(&format!("/a.example/hang{number}/@v/v1.0.0.zip"));
        assert_eq!(reply.status, 307, "{reply:?}");
    }
    until("all slots but one wait for the upstream", || upstream.hanging() >= 3);
    let begun = Instant::now();
    let reply = get("/a.example/fine/@v/list");
    assert_eq!((reply.status, reply.text().as_str()), (200, "v1.0.0\n"), "{reply:?}");
    assert!(begun.elapsed() < SLOT_IS_HELD, "{:?}", begun.elapsed());
}
