//! What an operator sees of a story in `/metrics`.

use std::path::Path;
use std::time::{Duration, Instant};

use stoa_shared::testing::repository::RepositoryBuilder;

use crate::page_server::{Page, PageServer};
use crate::stoa_process::{StoaProcess, StoaSettings};

/// A job's end is counted after its answer is visible.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

/// A fresh Stoa over one repository, found by a page.
fn start(name: &str) -> StoaProcess {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", "module metrics.example/m\n").file("a.go", "package m\n");
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit);
    repository.build(&directory.join("fixtures/m")).unwrap();
    let pages = PageServer::start();
    let tag = "metrics.example/m git https://git.example/m";
    pages.serve("metrics.example/m", Page::import(&[tag]));
    let fixtures = format!("file://{}/", directory.join("fixtures").display());
    let rewrites =
        [pages.rewrite("metrics.example"), ("https://git.example/".to_owned(), fixtures)];
    StoaSettings::new(&directory.join("storage")).rewrite(&rewrites).start()
}

/// One series' value.
pub(crate) fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {metrics}")).parse().unwrap()
}

#[test]
fn a_miss_a_fill_and_hits_are_counted() {
    let stoa = start("metrics-story");
    let file = |name: &str| {
        let reply = stoa.get(&format!("/metrics.example/m/@v/{name}"));
        (reply.status, reply.body.len() as f64)
    };
    let (status, _) = file("v1.0.0.info");
    assert_eq!(status, 200);
    let (status, zip_bytes) = file("v1.0.0.zip");
    assert_eq!(status, 200);
    for _ in 0..3 {
        assert_eq!(file("v1.0.0.info").0, 200);
    }
    assert_eq!(file("v1.9.0.info").0, 404);
    assert_eq!(stoa.get("/nothing").status, 404);

    let started = Instant::now();
    let settled = |metrics: &str| {
        value(metrics, r#"stoa_jobs_total{kind="fill",outcome="failed"}"#) == 1.0
            && value(metrics, r#"stoa_jobs_total{kind="fill",outcome="done"}"#) == 1.0
            && value(metrics, r#"stoa_queue_jobs{state="running"}"#) == 0.0
    };
    let metrics = loop {
        let metrics = stoa.metrics();
        if settled(&metrics) {
            break metrics;
        }
        assert!(started.elapsed() < SETTLED_WITHIN, "{metrics}\n{}", stoa.log());
        std::thread::sleep(Duration::from_millis(20));
    };
    for (series, expected) in [
        (r#"stoa_requests_total{endpoint="info",outcome="miss"}"#, 1.0),
        (r#"stoa_requests_total{endpoint="info",outcome="hit"}"#, 3.0),
        (r#"stoa_requests_total{endpoint="info",outcome="not_found"}"#, 1.0),
        (r#"stoa_requests_total{endpoint="zip",outcome="hit"}"#, 1.0),
        (r#"stoa_requests_total{endpoint="other",outcome="not_found"}"#, 1.0),
        (r#"stoa_sent_bytes_total{endpoint="zip"}"#, zip_bytes),
        // The miss and the absence; what came from memory is not timed.
        (r#"stoa_request_duration_seconds_count{endpoint="info"}"#, 2.0),
        ("stoa_waiters", 0.0),
        ("stoa_wait_duration_seconds_count", 2.0),
        ("stoa_memory_cache_entries", 2.0),
        (r#"stoa_published_jobs_total{lane="interactive",outcome="accepted"}"#, 2.0),
        (r#"stoa_queue_jobs{state="interactive"}"#, 0.0),
        (r#"stoa_job_duration_seconds_count{kind="fill"}"#, 2.0),
        ("stoa_stored_versions_total", 1.0),
        (r#"stoa_vcs_requests_total{operation="advertisement",outcome="ok"}"#, 1.0),
        (r#"stoa_vcs_requests_total{operation="fetch",outcome="ok"}"#, 1.0),
        (r#"stoa_vcs_requests_total{operation="page",outcome="ok"}"#, 1.0),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}\n{metrics}");
    }
    for series in [
        r#"stoa_vcs_requests_total{operation="refs",outcome="ok"}"#,
        "stoa_vcs_received_bytes_total",
        "stoa_memory_cache_bytes",
    ] {
        assert!(value(&metrics, series) > 0.0, "{series}\n{metrics}");
    }
}

#[test]
fn every_metric_of_the_readme_is_there() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, table) = readme.split_once("<!-- metrics:").unwrap();
    let (table, _) = table.split_once("<!-- end of metrics -->").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    assert!(!rows.is_empty(), "{table}");
    let metrics = start("metrics-readme").metrics();
    for row in rows {
        let (name, kind) = (row[1], row[2]);
        assert!(metrics.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {metrics}");
        let is_series = |line: &str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']) || rest.starts_with("_bucket{"))
        };
        assert!(metrics.lines().any(is_series), "{name}: {metrics}");
    }
}
