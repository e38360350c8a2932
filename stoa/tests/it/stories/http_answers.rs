//! Headers, conditions and ranges of every endpoint, over the socket.

use super::{Site, ask, check_error, get_ok, json, module};
use crate::stoa_process::StoaProcess;

const IMMUTABLE: &str = "public, max-age=604800, immutable";
const CHANGING: &str = "public, max-age=60";

/// A site with a module of which everything is stored.
fn stored(name: &str) -> (Site, StoaProcess, String) {
    let site = Site::new(name);
    site.publish("plain", &["v1.0.0", "v1.1.0"]);
    let stoa = site.settings().set("STOA_FRESHNESS_REFS", "1h").start();
    for file in ["@v/v1.1.0.info", "@v/list", "@latest", "@v/main.info"] {
        get_ok(&stoa, &module("plain"), file);
    }
    (site, stoa, module("plain"))
}

#[test]
fn every_endpoint_says_what_it_sends_and_for_how_long() {
    let (_site, stoa, plain) = stored("http-headers");
    let text = "text/plain; charset=utf-8";
    let table = [
        ("@v/v1.1.0.info", "application/json", IMMUTABLE),
        ("@v/v1.1.0.mod", text, IMMUTABLE),
        ("@v/v1.1.0.zip", "application/zip", IMMUTABLE),
        ("@v/list", text, CHANGING),
        ("@latest", "application/json", CHANGING),
        ("@v/main.info", "application/json", CHANGING),
    ];
    // From storage, and from memory.
    for _ in 0..2 {
        for (file, content_type, cache_control) in table {
            let path = format!("/{plain}/{file}");
            let got = get_ok(&stoa, &plain, file);
            let head = ask(&stoa, "HEAD", &path, &[]);
            assert_eq!(head.status, 200, "{file}");
            assert_eq!(head.body, b"", "{file}");
            for reply in [&got, &head] {
                assert_eq!(reply.header("content-type"), content_type, "{file}");
                assert_eq!(reply.header("cache-control"), cache_control, "{file}");
                assert_eq!(reply.header("content-length"), got.body.len().to_string(), "{file}");
            }
            assert_eq!(got.header("etag"), head.header("etag"), "{file}");
            assert_eq!(!got.header("etag").is_empty(), cache_control == IMMUTABLE, "{file}");
        }
    }
}

#[test]
fn a_client_that_has_the_bytes_is_told_so() {
    let (_site, stoa, plain) = stored("http-conditions");
    for file in ["@v/v1.1.0.info", "@v/v1.1.0.mod", "@v/v1.1.0.zip"] {
        let path = format!("/{plain}/{file}");
        let whole = get_ok(&stoa, &plain, file);
        let etag = whole.header("etag");
        for known in [etag, &format!("\"other\", W/{etag}"), "*"] {
            for method in ["GET", "HEAD"] {
                let reply = ask(&stoa, method, &path, &[("If-None-Match", known)]);
                assert_eq!(reply.status, 304, "{method} {file} {known}");
                assert_eq!(reply.header("etag"), etag);
                assert_eq!(reply.body, b"");
            }
        }
        let reply = ask(&stoa, "GET", &path, &[("If-None-Match", "\"other\"")]);
        assert_eq!((reply.status, reply.body), (200, whole.body), "{file}");
    }
}

#[test]
fn a_part_of_a_zip_can_be_asked_for() {
    let (_site, stoa, plain) = stored("http-ranges");
    let path = format!("/{plain}/@v/v1.1.0.zip");
    let whole = get_ok(&stoa, &plain, "@v/v1.1.0.zip");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let size = whole.body.len();
    let ranges = [("bytes=0-0", 0..1), ("bytes=5-", 5..size), ("bytes=-7", size - 7..size)];
    for (range, expected) in ranges {
        let reply = ask(&stoa, "GET", &path, &[("Range", range)]);
        assert_eq!(reply.status, 206, "{range}");
        assert_eq!(reply.body, whole.body[expected.clone()], "{range}");
        let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(reply.header("content-range"), content_range);
        assert_eq!(reply.header("content-length"), expected.len().to_string());
        assert_eq!(reply.header("etag"), whole.header("etag"));
    }
    let beyond = format!("bytes={size}-");
    let reply = ask(&stoa, "GET", &path, &[("Range", &beyond)]);
    assert_eq!((reply.status, &reply.body[..]), (416, &b""[..]));
    assert_eq!(reply.header("content-range"), format!("bytes */{size}"));
    let outdated = [("Range", "bytes=0-0"), ("If-Range", "\"other\"")];
    assert_eq!(ask(&stoa, "GET", &path, &outdated).body, whole.body);
}

#[test]
fn head_starts_nothing() {
    let site = Site::new("http-head");
    site.publish("missing", &["v1.0.0"]);
    let stoa = site.settings().start();
    let questions = ["@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip", "@v/list", "@latest"];
    for question in questions {
        let reply = ask(&stoa, "HEAD", &format!("/{}/{question}", module("missing")), &[]);
        assert_eq!((reply.status, &reply.body[..]), (404, &b""[..]), "{question}");
        assert_eq!(reply.header("cache-control"), "no-store", "{question}");
    }
    // By its end the process has asked for what was started, or left it in the queue.
    assert!(stoa.stop().success());
    assert_eq!(site.git.asked(), 0);
    let jobs = std::fs::read_dir(site.storage().join("_stoa/queue/jobs")).unwrap();
    assert_eq!(jobs.count(), 0);
}

#[test]
fn who_wants_no_fetch_gets_what_is_stored() {
    let (site, stoa, plain) = stored("http-no-fetch");
    site.git.reset_counts();
    let only_stored = |file: &str| {
        ask(&stoa, "GET", &format!("/{plain}/{file}"), &[("Disable-Module-Fetch", "true")])
    };
    for file in ["@v/v1.1.0.info", "@v/v1.1.0.mod", "@v/v1.1.0.zip", "@v/list", "@latest"] {
        let reply = only_stored(file);
        assert_eq!((reply.status, reply.body), (200, get_ok(&stoa, &plain, file).body), "{file}");
    }
    for file in ["@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip", "@v/other.info"] {
        let reply = only_stored(file);
        check_error(&reply, 404, "not found: ");
        // Others may well ask for it to be fetched.
        assert_eq!(reply.header("cache-control"), "no-store", "{file}");
    }
    assert!(!site.stored(&plain, "v1.0.0.info").exists());
    assert_eq!(site.git.asked(), 0);
    get_ok(&stoa, &plain, "@v/v1.0.0.info");
}

#[test]
fn only_reading_is_allowed() {
    let (_site, stoa, plain) = stored("http-methods");
    for method in ["POST", "PUT", "DELETE"] {
        for file in ["@v/v1.1.0.info", "@v/v9.9.9.zip", "@v/list"] {
            let reply = ask(&stoa, method, &format!("/{plain}/{file}"), &[]);
            check_error(&reply, 405, "method not allowed: ");
            assert_eq!(reply.header("allow"), "GET, HEAD");
        }
    }
    assert_eq!(json(&get_ok(&stoa, &plain, "@latest"))["Version"], "v1.1.0");
}
