//! Zips: streamed or from memory, whole or in part, with the same headers.

use http::{Request, StatusCode};
use stoa_frontend::FrontendSettings;
use stoa_shared::config::ZipDelivery;

use crate::scene::{Scene, pattern};

const PATH: &str = "/example.com/m/@v/v1.0.0.zip";

/// One that is streamed and one that is kept in memory.
const SIZES: [usize; 2] = [300_000, 1_000];

async fn scene(size: usize) -> Scene {
    let scene = Scene::new().await;
    scene.store_version("example.com/m", "v1.0.0", &pattern(0..size)).await;
    scene
}

#[tokio::test]
async fn the_whole_zip_arrives() {
    for size in SIZES {
        let scene = scene(size).await;
        for _ in 0..2 {
            let reply = scene.get(PATH).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-length"), size.to_string());
            assert_eq!(reply.header("accept-ranges"), "bytes");
            assert!(reply.body == pattern(0..size), "{size} bytes differ");
        }
    }
}

#[tokio::test]
async fn a_head_says_what_a_get_would() {
    for size in SIZES {
        let scene = scene(size).await;
        for _ in 0..2 {
            let head = scene.head(PATH).await;
            let get = scene.get(PATH).await;
            assert_eq!((head.status, get.status), (StatusCode::OK, StatusCode::OK));
            assert_eq!(head.headers, get.headers);
            assert!(head.body.is_empty());
        }
    }
}

#[tokio::test]
async fn a_part_arrives() {
    for size in SIZES {
        let scene = scene(size).await;
        // Also when the whole is in memory already.
        for _ in 0..2 {
            let table = [
                ("bytes=10-19".to_owned(), 10..20),
                (format!("bytes={}-", size - 5), size - 5..size),
                ("bytes=-7".to_owned(), size - 7..size),
                (format!("bytes=500-{}", size * 2), 500..size),
            ];
            for (range, expected) in table {
                let reply = scene.get_with(PATH, "range", &range).await;
                assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
                assert_eq!(
                    reply.header("content-range"),
                    format!("bytes {}-{}/{size}", expected.start, expected.end - 1)
                );
                assert_eq!(reply.header("content-length"), expected.len().to_string());
                assert!(reply.body == pattern(expected), "{range}");
            }
            assert_eq!(scene.get(PATH).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_part_that_is_not_there_is_refused() {
    let scene = scene(1_000).await;
    let reply = scene.get_with(PATH, "range", "bytes=1000-").await;
    assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(reply.header("content-range"), "bytes */1000");
}

#[tokio::test]
async fn several_parts_are_answered_with_the_whole() {
    let scene = scene(1_000).await;
    let reply = scene.get_with(PATH, "range", "bytes=0-1,5-6").await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 1_000));
}

#[tokio::test]
async fn a_part_of_another_zip_is_not_given() {
    for size in SIZES {
        let scene = scene(size).await;
        let etag = scene.head(PATH).await.header("etag").to_owned();
        let ask =
            |tag: &str| Request::get(PATH).header("range", "bytes=0-9").header("if-range", tag);
        assert_eq!(scene.send(ask(&etag)).await.status, StatusCode::PARTIAL_CONTENT);
        let reply = scene.send(ask("\"another\"")).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, size));
    }
}

#[tokio::test]
async fn who_has_it_is_told_so() {
    for size in SIZES {
        let scene = scene(size).await;
        let etag = scene.head(PATH).await.header("etag").to_owned();
        for _ in 0..2 {
            let reply = scene.get_with(PATH, "if-none-match", &etag).await;
            assert_eq!((reply.status, reply.body.len()), (StatusCode::NOT_MODIFIED, 0));
            assert_eq!(reply.header("etag"), etag);
            let reply = scene.get_with(PATH, "if-none-match", "\"another\"").await;
            assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, size));
        }
    }
}

#[tokio::test]
async fn a_cdn_is_named_by_a_url_that_every_store_reads_alike() {
    let base = "https://cdn.example/go".parse().unwrap();
    let zip_delivery = ZipDelivery::Redirect(Some(base));
    let scene = Scene::with(FrontendSettings { zip_delivery, ..FrontendSettings::default() }).await;
    scene.store_version("example.com/Old", "v2.0.0+incompatible", b"zip").await;
    let reply = scene.get("/example.com/!old/@v/v2.0.0+incompatible.zip").await;
    assert_eq!(reply.status, 307);
    let location = "https://cdn.example/go/example.com/!old/@v/v2.0.0%2Bincompatible.zip";
    assert_eq!(reply.header("location"), location);
}
