//! How requests are counted: by what they asked for, and how each one ended.

use std::{sync::atomic::Ordering, time::Duration};

use http::Request;
use stoa_frontend::FrontendSettings;
use stoa_shared::{
    answer::{Meaning, Question},
    metrics::{Endpoint, Label, Outcome},
    queue::{Job, Lane, Lanes, Queue, Task},
};

use crate::{
    scene::{Scene, fill, good, pattern, seconds_ago, until, versions},
    worker::Does,
};

const INFO: &str = "/example.com/m/@v/v1.0.0.info";
const ZIP: &str = "/example.com/m/@v/v1.0.0.zip";
const LIST: &str = "/example.com/m/@v/list";

/// Every series of requests that is not zero, as `endpoint outcome count`.
async fn requests(scene: &Scene) -> Vec<String> {
    let mut counted = Vec::new();
    for endpoint in Endpoint::ALL {
        for outcome in Outcome::ALL {
            let (endpoint, outcome) = (endpoint.text(), outcome.text());
            let labels = format!("{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}");
            let count = scene.metric(&format!("stoa_requests_total{labels}")).await;
            if count != "0" {
                counted.push(format!("{endpoint} {outcome} {count}"));
            }
        }
    }
    counted
}

#[tokio::test]
async fn a_miss_a_read_and_hits_from_memory() {
    let scene = Scene::new().await;
    scene.worker(Does::Fills);
    for path in [INFO, INFO, INFO, ZIP] {
        assert_eq!(scene.get(path).await.status, 200);
    }
    assert_eq!(requests(&scene).await, ["info hit 2", "info miss 1", "zip hit 1"]);
    // Two of them came from memory.
    assert_eq!(scene.metric(r#"stoa_request_duration_seconds_count{endpoint="info"}"#).await, "1");
    assert_eq!(scene.metric(r#"stoa_sent_bytes_total{endpoint="zip"}"#).await, "7");
    assert_eq!(scene.metric("stoa_wait_duration_seconds_count").await, "1");
    assert_eq!(scene.metric("stoa_memory_cache_entries").await, "2");
    let accepted = r#"stoa_published_jobs_total{lane="interactive",outcome="accepted"}"#;
    assert_eq!(scene.metric(accepted).await, "1");
}

#[tokio::test]
async fn a_stale_list_is_stale_from_memory_too() {
    let scene = Scene::new().await;
    let old = good(seconds_ago(3_600), versions(&["v1.0.0"]));
    scene.store_answer("example.com/m", &Question::List, old).await;
    for _ in 0..2 {
        assert_eq!(scene.get(LIST).await.status, 200);
    }
    assert_eq!(requests(&scene).await, ["list stale 2"]);
    scene.until_published(1).await;
    let accepted = r#"stoa_published_jobs_total{lane="background",outcome="accepted"}"#;
    until(async || scene.metric(accepted).await == "1").await;
}

#[tokio::test]
async fn what_is_no_answer_says_why() {
    let brief = Duration::from_millis(50);
    let scene = Scene::with(FrontendSettings { wait: brief, ..FrontendSettings::default() }).await;
    scene.store_version("example.com/stored", "v1.0.0", &pattern(0..100)).await;
    let stored = "/example.com/stored/@v/v1.0.0.zip";
    scene.send(Request::get(stored).header("range", "bytes=100-")).await;
    scene.send(Request::post(stored)).await;
    scene.get("/no/such/path").await;
    scene.head(INFO).await;
    scene.get(LIST).await;
    scene.queue.is_down.store(true, Ordering::SeqCst);
    scene.get("/example.com/m/@latest").await;
    let expected = [
        "list timeout 1",
        "latest error 1",
        "info not_found 1",
        "zip refused 1",
        "other not_found 1",
        "other refused 1",
    ];
    assert_eq!(requests(&scene).await, expected);
    let refused = r#"stoa_published_jobs_total{lane="interactive",outcome="refused"}"#;
    assert_eq!(scene.metric(refused).await, "1");
}

#[tokio::test]
async fn an_origin_in_trouble_is_an_error_and_absence_is_not() {
    for (meaning, expected) in
        [(Meaning::OriginTimeout, "info error 1"), (Meaning::Absent, "info not_found 1")]
    {
        let scene = Scene::new().await;
        scene.worker(Does::Fails(meaning, "it is so"));
        scene.get(INFO).await;
        assert_eq!(requests(&scene).await, [expected]);
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_is_gone() {
    let scene = Scene::new().await;
    let waiting = scene.begin(INFO);
    scene.until_waiting(1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(requests(&scene).await, ["info gone 1"]);
    scene.until_waiting(0).await;
}

#[tokio::test]
async fn the_queue_is_looked_at_when_metrics_are() {
    let scene = Scene::new().await;
    let job = |version| Job::new(fill(version).task(&"example.com/m".parse().unwrap()));
    for version in ["v1.0.0", "v1.1.0"] {
        scene.queue.inner.publish(&job(version), Lane::Background).await.unwrap();
    }
    let running = scene.queue.inner.receive(Lanes::All).await.unwrap();
    assert!(matches!(running.job, Ok(Job { task: Task::Fill { .. }, .. })));
    for (state, jobs) in [("interactive", "0"), ("background", "1"), ("running", "1")] {
        let metric = format!("stoa_queue_jobs{{state=\"{state}\"}}");
        assert_eq!(scene.metric(&metric).await, jobs, "{state}");
    }
    // A queue in trouble leaves what was known, and the other metrics.
    scene.queue.is_down.store(true, Ordering::SeqCst);
    assert_eq!(scene.metric(r#"stoa_queue_jobs{state="background"}"#).await, "1");
}
