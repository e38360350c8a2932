//! Lists, latest versions and queries: fresh, stale while one job refreshes, or waited for.

use http::StatusCode;
use stoa_shared::answer::{Meaning, Question};

use crate::{
    scene::{Scene, failed, good, info, seconds_ago, until, version_info, versions},
    worker::Does,
};

const MODULE: &str = "example.com/m";
const LIST: &str = "/example.com/m/@v/list";
const LATEST: &str = "/example.com/m/@latest";
const QUERY: &str = "/example.com/m/@v/main.info";

fn main_branch() -> Question {
    Question::Query("main".parse().unwrap())
}

#[tokio::test]
async fn a_fresh_answer_is_served_without_a_job() {
    let scene = Scene::new().await;
    let at = seconds_ago(30);
    let list = good(at, versions(&["v1.0.0", "v1.1.0"]));
    scene.store_answer(MODULE, &Question::List, list).await;
    scene.store_answer(MODULE, &Question::Latest, good(at, version_info("v1.1.0"))).await;
    scene
        .store_answer(
            MODULE,
            &main_branch(),
            good(at, version_info("v1.1.1-0.20240501100000-0123456789ab")),
        )
        .await;
    let table = [
        (LIST, "text/plain; charset=utf-8", "v1.0.0\nv1.1.0\n".to_owned()),
        (LATEST, "application/json", info("v1.1.0")),
        (QUERY, "application/json", info("v1.1.1-0.20240501100000-0123456789ab")),
    ];
    for _ in 0..2 {
        for (path, content_type, body) in &table {
            let reply = scene.get(path).await;
            assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{path}");
            assert_eq!(reply.header("content-type"), *content_type, "{path}");
            assert_eq!(reply.header("cache-control"), "public, max-age=60", "{path}");
            let head = scene.head(path).await;
            assert_eq!(head.headers, reply.headers, "{path}");
        }
    }
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_repository_without_tags_has_an_empty_list() {
    let scene = Scene::new().await;
    scene.worker(Does::Answers(versions(&[])));
    let reply = scene.get(LIST).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, ""));
    assert_eq!(reply.header("content-length"), "0");
}

#[tokio::test]
async fn what_is_unknown_is_asked_and_waited_for() {
    let table = [
        (LIST, versions(&["v1.0.0"]), "list example.com/m", "v1.0.0\n".to_owned()),
        (LATEST, version_info("v1.0.0"), "latest example.com/m", info("v1.0.0")),
        (QUERY, version_info("v1.0.0"), "query example.com/m@main", info("v1.0.0")),
    ];
    for (path, value, job, body) in table {
        let scene = Scene::new().await;
        scene.worker(Does::Answers(value));
        let reply = scene.get(path).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, body.as_str()), "{path}");
        assert_eq!(scene.published(), [format!("Interactive {job}")]);
    }
}

#[tokio::test]
async fn a_stale_answer_is_served_while_one_job_refreshes_it() {
    let scene = Scene::new().await;
    let stale = good(seconds_ago(61), versions(&["v1.0.0"]));
    scene.store_answer(MODULE, &Question::List, stale).await;
    for _ in 0..20 {
        let reply = scene.get(LIST).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, "v1.0.0\n"));
    }
    scene.until_published(1).await;
    assert_eq!(scene.published(), ["Background list example.com/m"]);

    scene.worker(Does::Answers(versions(&["v1.0.0", "v1.1.0"])));
    until(async || scene.get(LIST).await.text() == "v1.0.0\nv1.1.0\n").await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn a_stale_answer_outlives_a_failed_refresh() {
    let scene = Scene::new().await;
    let mut answer = good(seconds_ago(3_600), versions(&["v1.0.0"]));
    answer.failure = failed(seconds_ago(5), Meaning::OriginUnavailable, "refused").failure;
    scene.store_answer(MODULE, &Question::List, answer).await;
    let reply = scene.get(LIST).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "v1.0.0\n"));
}

#[tokio::test]
async fn absence_ends_a_good_answer() {
    let scene = Scene::new().await;
    let mut answer = good(seconds_ago(3_600), versions(&["v1.0.0"]));
    answer.failure = failed(seconds_ago(5), Meaning::Absent, "no such repository").failure;
    scene.store_answer(MODULE, &Question::List, answer).await;
    let reply = scene.get(LIST).await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.text(), "not found: example.com/m: no such repository");
    assert_eq!(scene.published(), [] as [&str; 0]);
}

#[tokio::test]
async fn an_old_failure_does_not_end_a_new_wait() {
    let scene = Scene::new().await;
    let old = failed(seconds_ago(3_600), Meaning::Absent, "no such repository");
    scene.store_answer(MODULE, &Question::Latest, old).await;
    scene.worker(Does::Answers(version_info("v1.0.0")));
    let reply = scene.get(LATEST).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, info("v1.0.0").as_str()));
}

#[tokio::test]
async fn a_failed_question_says_so() {
    let scene = Scene::new().await;
    scene.worker(Does::Fails(Meaning::Absent, "unknown revision main"));
    let reply = scene.get(QUERY).await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.text(), "not found: example.com/m@main: unknown revision main");
}

#[tokio::test]
async fn who_wants_only_what_is_stored_gets_a_stale_answer_too() {
    let scene = Scene::new().await;
    let stale = good(seconds_ago(3_600), versions(&["v1.0.0"]));
    scene.store_answer(MODULE, &Question::List, stale).await;
    let reply = scene.get_with(LIST, "Disable-Module-Fetch", "true").await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "v1.0.0\n"));
    assert_eq!(scene.head(LIST).await.status, 200);
    assert_eq!(scene.published(), [] as [&str; 0]);
}
