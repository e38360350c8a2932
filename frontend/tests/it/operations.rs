//! Probes, build, metrics and the start page.

use http::Request;
use stoa_frontend::operators;

use crate::scene::{Scene, send};

#[tokio::test]
async fn alive_needs_nothing_and_ready_needs_storage() {
    let scene = Scene::new().await;
    scene.storage.fail_every(1);
    assert_eq!(scene.get("/healthz").await.status, 200);
    let reply = scene.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.text(), "not ready: storage has not answered yet\n");
}

#[tokio::test]
async fn the_build_is_told_as_json() {
    let scene = Scene::new().await;
    let reply = scene.get("/version").await;
    assert_eq!(reply.header("content-type"), "application/json");
    let build: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn metrics_are_for_operators_alone() {
    let scene = Scene::new().await;
    assert_eq!(scene.get("/metrics").await.status, 404);
    let admin = operators(scene.frontend.clone());
    let reply = send(admin.clone(), Request::get("/metrics")).await;
    assert_eq!(reply.status, 200);
    let counted = r#"stoa_requests_total{endpoint="other",outcome="not_found"} 1"#;
    assert!(reply.text().contains(counted), "{}", reply.text());
    let alive = send(admin, Request::get("/healthz").header("x-request-id", "build-42")).await;
    assert_eq!((alive.status.as_u16(), alive.request_id.as_str()), (200, "build-42"));
}

#[tokio::test]
async fn a_person_learns_how_to_use_it() {
    let scene = Scene::new().await;
    let text = scene.send(Request::get("/").header("host", "go.example:3000")).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.text().contains("GOPROXY=http://go.example:3000,direct"), "{}", text.text());

    let page = Request::get("/").header("host", "go.example").header("accept", "text/html,*/*");
    let page = scene.send(page).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("GOPROXY=http://go.example,direct"), "{}", page.text());

    let hostile = Request::get("/").header("host", "<script>").header("accept", "text/html");
    assert!(!scene.send(hostile).await.text().contains("<script>"));
}

#[tokio::test]
async fn every_answer_carries_the_requests_id() {
    let scene = Scene::new().await;
    let own = scene.get_with("/healthz", "X-Request-Id", "build-42.a").await;
    assert_eq!(own.request_id, "build-42.a");
    let (first, second) = (scene.get("/nothing").await, scene.get("/nothing").await);
    assert!(!first.request_id.is_empty());
    assert_ne!(first.request_id, second.request_id);
    let odd = scene.get_with("/healthz", "X-Request-Id", "two words").await;
    assert_ne!(odd.request_id, "two words");
}
