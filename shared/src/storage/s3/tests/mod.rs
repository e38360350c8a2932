//! What only this store can get wrong, against a real S3 server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod careless_store;
mod faults;
mod listing;
mod opening;
mod uploads;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::*;
use crate::{
    storage::contract,
    testing::{
        faulty_proxy::{FaultyProxy, Plan},
        services,
    },
};

/// A prefix of the shared bucket that belongs to one test.
struct Space {
    config: S3Config,
    storage: Arc<S3Storage>,
}

impl Space {
    async fn new() -> Self {
        let config = services::s3();
        let storage = Arc::new(S3Storage::open(config.clone()).await.unwrap());
        Self { config, storage }
    }

    /// The same prefix by way of a proxy.
    async fn behind(&self, plan: Plan) -> (FaultyProxy, S3Storage) {
        let endpoint = self.config.endpoint.as_ref().unwrap();
        let address = endpoint.strip_prefix("http://").unwrap().trim_end_matches('/');
        let address = tokio::net::lookup_host(address).await.unwrap().next().unwrap();
        let proxy = FaultyProxy::start(address, Plan::default()).await.unwrap();
        let config = S3Config { endpoint: Some(proxy.url()), ..patient(self.config.clone()) };
        let storage = S3Storage::open(config).await.unwrap();
        proxy.set_plan(plan);
        (proxy, storage)
    }

    /// All keys, without the format marker.
    async fn keys(&self) -> Vec<String> {
        let page = self.storage.list(&KeyPrefix::everything(), None, 10_000).await.unwrap();
        let marker = StorageKey::format();
        page.keys.into_iter().filter(|key| key != marker.as_str()).collect()
    }

    /// How many uploads have begun and not ended.
    async fn uploads(&self) -> usize {
        let bucket = &self.storage.bucket;
        let (uploads, _) = bucket.uploads((None, None)).await.unwrap();
        let is_ours = |name: &str| name.starts_with(&bucket.prefix);
        uploads.iter().filter(|upload| upload.key().is_some_and(is_ours)).count()
    }

    /// Waits for what is cleaned up in the background.
    async fn no_upload_is_left(&self) {
        while self.uploads().await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn clear(self) {
        for key in self.keys().await {
            self.storage.delete(&StorageKey::listed(key)).await.unwrap();
        }
        self.storage.delete(&StorageKey::format()).await.unwrap();
        self.storage.discard_unfinished(Duration::ZERO).await.unwrap();
    }
}

/// Many quick attempts, for a way that breaks often.
fn patient(config: S3Config) -> S3Config {
    S3Config {
        attempts: NonZeroU32::new(12).unwrap(),
        attempt_timeout: Duration::from_secs(1),
        stall_timeout: Duration::from_millis(500),
        backoff_base: Duration::from_millis(10),
        backoff_max: Duration::from_millis(100),
        ..config
    }
}

fn key(name: &str) -> StorageKey {
    StorageKey::for_contract(name)
}

/// Bytes in which no two places look alike from afar.
fn bytes(size: usize) -> Bytes {
    (0..size).map(|at| ((at % 251) ^ (at / 65_536)) as u8).collect()
}

fn streamed(bytes: &Bytes) -> Body {
    let chunks: Vec<_> = bytes.chunks(300_007).map(Bytes::copy_from_slice).collect();
    Body::Stream(stream::iter(chunks.into_iter().map(Ok)).boxed())
}

async fn read(storage: &S3Storage, key: &StorageKey) -> Bytes {
    let object = storage.get(key, GetOptions::default()).await.unwrap();
    object.body.try_collect::<Vec<_>>().await.unwrap().concat().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_and_nothing_stays() {
    let space = Space::new().await;
    contract::run(space.storage.clone()).await;
    space.no_upload_is_left().await;
    assert_eq!(space.keys().await, [""; 0]);
    assert_eq!(read(&space.storage, &StorageKey::format()).await, "1\n");
    space.clear().await;
}

#[tokio::test]
async fn a_signed_url_needs_no_credentials_and_is_for_one_object() {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };
    async fn get(url: &str) -> String {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut connection = TcpStream::connect(host).await.unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
    let space = Space::new().await;
    let (mine, other) = (key("a+b@v1"), key("other"));
    for key in [&mine, &other] {
        space.storage.create(key, Bytes::from("the bytes").into()).await.unwrap();
    }
    let minute = Duration::from_secs(60);
    let url = space.storage.signed_url(&mine, minute).await.unwrap().unwrap();
    let answer = get(&url).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("the bytes"), "{answer}");
    let of_other = space.storage.signed_url(&other, minute).await.unwrap().unwrap();
    let (place, _) = of_other.split_once('?').unwrap();
    let forged = format!("{place}?{}", url.split_once('?').unwrap().1);
    assert!(get(&forged).await.starts_with("HTTP/1.1 403"));
    // Longer than any signature lives is as long as one lives.
    let long = space.storage.signed_url(&mine, Duration::from_secs(1 << 40)).await.unwrap();
    assert!(long.unwrap().contains("X-Amz-Expires=604800"));
    space.clear().await;
}

#[tokio::test]
async fn what_no_object_can_be_called_is_not_there() {
    let space = Space::new().await;
    for name in ["x".repeat(300), "x/".repeat(600)] {
        let key = key(&name);
        assert!(space.storage.head(&key).await.unwrap_err().is_not_found());
        let got = space.storage.get(&key, GetOptions::default()).await;
        assert!(got.unwrap_err().is_not_found());
        space.storage.delete(&key).await.unwrap();
        let created = space.storage.create(&key, Bytes::from("x").into()).await;
        assert!(matches!(created, Err(StorageError::Unavailable { .. })), "{created:?}");
    }
    space.clear().await;
}
