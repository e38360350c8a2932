//! A vhost of a test's own on a real broker, and what only an operator does to one.
//!
//! The broker is found by two variables that `make services` exports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    env,
    io::{self, Read, Write},
    net::TcpStream,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use url::Url;

/// The broker's URL.
const QUEUE: &str = "STOA_QUEUE";
/// The URL of its management API, credentials in it.
const MANAGEMENT: &str = "STOA_TEST_RABBITMQ_MANAGEMENT";

/// Far more than the broker takes to do what it was asked to.
const PATIENCE: Duration = Duration::from_secs(60);

/// A vhost of its own, deleted with everything in it when it is dropped.
pub struct Vhost {
    name: String,
    amqp: Url,
    management: Url,
    /// The connections that were closed by name.
    closed: Mutex<BTreeSet<String>>,
}

impl Vhost {
    /// A new vhost on the broker that the environment names. Panics, saying what to do,
    /// where it names none.
    pub fn create() -> Self {
        let named = |name: &str| {
            let value = env::var(name).ok().filter(|value| !value.is_empty());
            let value = value.unwrap_or_else(|| {
                panic!("{name} is not set: run eval \"$(make -s services)\" first (or make test)")
            });
            Url::parse(&value).unwrap_or_else(|error| panic!("{name} is no URL: {error}"))
        };
        let name = format!("stoa-test-{:016x}", rand::random::<u64>());
        let (amqp, management) = (named(QUEUE), named(MANAGEMENT));
        let vhost = Self { name, amqp, management, closed: Mutex::default() };
        vhost.ask("PUT", &format!("vhosts/{}", vhost.name), None);
        vhost
    }

    /// The URL of the vhost.
    pub fn url(&self) -> String {
        let mut url = self.amqp.clone();
        url.set_path(&self.name);
        url.to_string()
    }

    /// The URL of the vhost through something that listens on `port` of this machine.
    pub fn url_through(&self, port: u16) -> String {
        let mut url = Url::parse(&self.url()).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.to_string()
    }

    /// Host and port of the broker.
    pub fn address(&self) -> (String, u16) {
        (self.amqp.host_str().unwrap().to_owned(), self.amqp.port().unwrap_or(5672))
    }

    /// Has every connection to the vhost closed, as an operator would, and returns how
    /// many there were. The management API learns of a new connection with a delay: waits
    /// until it knows of `at_least` that were not closed before.
    pub fn close_connections(&self, at_least: usize) -> usize {
        let begun = Instant::now();
        let mut closed = self.closed.lock().unwrap();
        loop {
            let known = self.ask("GET", &format!("vhosts/{}/connections", self.name), None);
            let known: Vec<Value> = serde_json::from_str(&known).unwrap();
            let names = known.iter().map(|connection| connection["name"].as_str().unwrap());
            let open: Vec<_> = names.filter(|name| !closed.contains(*name)).collect();
            if open.len() >= at_least {
                for name in &open {
                    closed.insert((*name).to_owned());
                    let (management, path) =
                        (self.management.clone(), format!("connections/{}", escaped(name)));
                    // The answer may take a minute, or be an error: whoever loses one
                    // connection may end another itself at the same time.
                    thread::spawn(move || request(&management, "DELETE", &path, None));
                }
                return open.len();
            }
            assert!(begun.elapsed() < PATIENCE, "{} connections only", open.len());
            pause();
        }
    }

    /// The URL of the vhost for a user of its own, who may write everything and read what
    /// the pattern matches.
    pub fn url_for_reader_of(&self, pattern: &str) -> String {
        self.url_with_rights(".*", ".*", pattern)
    }

    /// The URL for a user of its own who may do that much, by patterns of names.
    pub fn url_with_rights(&self, configure: &str, write: &str, read: &str) -> String {
        let password = format!("{:016x}", rand::random::<u64>());
        let user = json!({ "password": password, "tags": "" });
        self.ask("PUT", &format!("users/{}", self.name), Some(&user));
        let permissions = json!({ "configure": configure, "write": write, "read": read });
        self.ask("PUT", &format!("permissions/{0}/{0}", self.name), Some(&permissions));
        let mut url = Url::parse(&self.url()).unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(&password)).unwrap();
        url.to_string()
    }

    /// Declares a queue with these arguments.
    pub fn declare_queue(&self, queue: &str, arguments: &Value) {
        let body = json!({ "durable": true, "auto_delete": false, "arguments": arguments });
        self.ask("PUT", &format!("queues/{}/{}", self.name, escaped(queue)), Some(&body));
    }

    /// Deletes a queue.
    pub fn delete_queue(&self, queue: &str) {
        self.ask("DELETE", &format!("queues/{}/{}", self.name, escaped(queue)), None);
    }

    /// Deletes an exchange.
    pub fn delete_exchange(&self, exchange: &str) {
        self.ask("DELETE", &format!("exchanges/{}/{}", self.name, escaped(exchange)), None);
    }

    /// The names of the queues.
    pub fn queues(&self) -> Vec<String> {
        let queues = self.ask("GET", &format!("queues/{}", self.name), None);
        let queues: Vec<Value> = serde_json::from_str(&queues).unwrap();
        queues.iter().map(|queue| queue["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Puts a text on a queue, without any header.
    pub fn publish(&self, queue: &str, text: &str) {
        self.publish_with(&json!({}), queue, text);
    }

    /// Puts a text on a queue, with properties such as a `message_id`.
    pub fn publish_with(&self, properties: &Value, queue: &str, text: &str) {
        let body = json!({
            "properties": properties, "routing_key": queue, "payload": text, "payload_encoding": "string",
        });
        let path = format!("exchanges/{}/amq.default/publish", self.name);
        let told = self.ask("POST", &path, Some(&body));
        assert_eq!(told, r#"{"routed":true}"#);
    }

    /// One request to the management API; returns the body of a good answer.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> String {
        let (status, answer) = request(&self.management, method, path, body).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // Most have no user of their own.
        let _ = request(&self.management, "DELETE", &format!("users/{}", self.name), None);
        let deleted = request(&self.management, "DELETE", &format!("vhosts/{}", self.name), None);
        // A test that fails already must not fail in another way.
        if !thread::panicking() {
            assert_eq!(deleted.unwrap().0, 204, "the vhost is deleted");
        }
    }
}

/// One request to the management API: status and body of the answer.
fn request(
    management: &Url,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> io::Result<(u16, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decoded(management.username());
    let password = decoded(management.password().unwrap_or_default());
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let body = body.map(Value::to_string).unwrap_or_default();
    let host = management.host_str().unwrap_or_default();
    let base = management.path().trim_end_matches('/');
    let length = body.len();
    // HTTP/1.0, so that the end of the answer is the end of the connection.
    let request = format!(
        "{method} {base}/api/{path} HTTP/1.0\r\nHost: {host}\r\n\
         Authorization: Basic {credentials}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect((host, management.port_or_known_default().unwrap_or(80)))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| io::Error::other(format!("not HTTP: {answer}")))
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn pause() {
    // The caller waits for the broker with its whole thread anyway.
    thread::park_timeout(Duration::from_millis(100));
}
