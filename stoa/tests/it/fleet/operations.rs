//! What operators and users of a fleet see.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stoa_shared::testing::forwarder::Forwarder;
use stoa_shared::testing::git_server::{Options, RequestKind};

use super::process::Process;
use super::{Site, get_ok, module};
use crate::go_command::GoCommand;
use crate::http_client;
use crate::stories::until;

#[test]
fn a_go_command_builds_through_a_fleet_and_every_line_carries_the_requests_id() {
    let mut site = Site::new("go");
    site.publish("used", &["v1.0.0"], 100_000);
    site.set("STOA_LOG", "info");
    site.set("STOA_LOG_FORMAT", "json");
    let (frontend, worker) = (site.frontend("frontend"), site.worker("worker"));
    let go = GoCommand::through(&site.directory.join("client"), frontend.authority());
    let argument = format!("{}@v1.0.0", module("used"));
    let output = go.run(&["mod", "download", &argument]);
    assert!(output.success, "{}\n{}", output.stderr, worker.log());

    site.publish("asked", &["v1.0.0"], 10);
    let path = format!("/{}/@v/v1.0.0.info", module("asked"));
    let headers = [("X-Request-Id", "complaint-7")];
    let reply = http_client::request(frontend.authority(), "GET", &path, &headers).unwrap();
    assert_eq!((reply.status, reply.header("x-request-id")), (200, "complaint-7"));
    until("the worker says that it is done", || worker.log().contains("complaint-7"));
    let log = worker.log();
    let line = log.lines().find(|line| line.contains("complaint-7")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["span"]["request.id"], "complaint-7", "{line}");
    assert!(!site.bucket.keys("_stoa/claims/").is_empty());
    assert!(frontend.stop().success());
    assert!(worker.stop().success());
}

#[test]
fn lines_of_every_level_carry_the_requests_id() {
    let mut site = Site::new("warnings");
    site.publish("broken", &["v1.0.0"], 10);
    site.set("STOA_LOG", "warn");
    let (frontend, worker) = (site.frontend("frontend"), site.worker("worker"));
    let failures = [(RequestKind::InfoRefs, 500), (RequestKind::LsRefs, 500)].into();
    site.git.behave(Options { failures, ..Options::default() });
    let path = format!("/{}/@v/v1.0.0.info", module("broken"));
    let headers = [("X-Request-Id", "complaint-8")];
    let reply = http_client::request(frontend.authority(), "GET", &path, &headers).unwrap();
    assert!(reply.status >= 500, "{}", reply.text());
    let is_told = |line: &str| line.contains("tried again") && line.contains("complaint-8");
    until("the worker says whose job failed", || worker.log().lines().any(is_told));
}

#[test]
fn a_job_that_was_given_up_is_listed_replayed_and_dropped() {
    let mut site = Site::new("dead-letters");
    site.publish("late", &["v1.0.0"], 10);
    site.set("STOA_ADMIN_TOKEN", "hunter2");
    site.set("STOA_LOG", "warn");
    // Not the message of any job: it is buried at once.
    let queue = "stoa.fill.interactive.v1";
    let (frontend, worker) = (site.frontend("frontend"), site.worker("worker"));
    site.vhost.publish(queue, "no job at all");
    until("it is buried", || frontend.metric(r#"stoa_queue_jobs{state="dead"}"#) == 1.0);
    assert_eq!(frontend.ask("/admin/dead-letters").status, 401);

    let operate = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_stoa"))
            .args(["dead-letters", "--url", &format!("http://{}", frontend.admin())])
            .args(arguments)
            .env_clear()
            .env("STOA_ADMIN_TOKEN", "hunter2")
            .env("HOME", &site.directory)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), error)
    };
    let (is_fine, listed, error) = operate(&["list"]);
    assert!(
        is_fine && listed.contains("no job at all") && listed.contains("unreadable"),
        "{error}"
    );
    let id = listed.split('\t').next().unwrap().to_owned();
    let (_, shown, _) = operate(&["show", &id]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["id"], &shown["message"]), (&id.clone().into(), &"no job at all".into()));

    // Tried anew, it is buried again, under another id.
    assert!(operate(&["replay", &id]).0);
    until("it is buried again", || {
        let listed = operate(&["list"]).1;
        listed.contains("no job at all") && !listed.contains(&id)
    });
    let (is_fine, _, error) = operate(&["drop", &id]);
    assert!(!is_fine && error.contains(&id), "{error}");
    let (is_fine, _, error) = operate(&["drop", "all"]);
    assert!(!is_fine && error.contains("there is no dead letter all"), "{error}");
    assert!(operate(&["drop", "--all"]).0);
    assert_eq!(operate(&["list"]).1, "");
    let log = frontend.log();
    for action in ["admin action", "admin request refused"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(action)).collect();
        let are_found = lines.iter().all(|line| line.contains("request{request.id="));
        assert!(!lines.is_empty() && are_found, "{action}: {log}");
    }
    assert!(!log.contains("hunter2"));
    drop(worker);
}

#[test]
fn letters_that_others_put_there_harm_neither_their_neighbours_nor_the_terminal() {
    let mut site = Site::new("odd-letters");
    site.set("STOA_ADMIN_TOKEN", "hunter2");
    let frontend = site.frontend("frontend");
    for (id, text) in [("a", "plain"), ("a?b", "two\nlines"), ("..", "\u{1b}[2J"), ("all", "all")] {
        site.vhost.publish_with(&json!({ "message_id": id }), "stoa.dead.v1", text);
    }
    until("all are there", || frontend.metric(r#"stoa_queue_jobs{state="dead"}"#) == 4.0);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stoa"));
        command
            .args(["dead-letters", "--url", &format!("http://{}", frontend.admin())])
            .args(arguments)
            .env_clear()
            .env("STOA_ADMIN_TOKEN", "hunter2")
            .env("HOME", &site.directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let operate = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (_, listed, _) = operate(&["list"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.contains(r"two\nlines") && !listed.contains('\u{1b}'), "{listed:?}");

    // None of these names another letter, and the last one is done all the same.
    let (is_fine, done, error) = operate(&["drop", "a?b", "..", "../../healthz", "all"]);
    assert!(!is_fine && error.ends_with("3 failed, as told above\n"), "{error}");
    assert_eq!(done, "all dropped\n");
    let (_, listed, _) = operate(&["list"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("a\t")), "{listed}");

    // Whoever reads no further is no error.
    let mut listing = command(&["list"]).spawn().unwrap();
    drop(listing.stdout.take());
    let output = listing.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && error.is_empty(), "{error}");

    let (is_fine, done, error) = operate(&["drop", "--all"]);
    assert!(is_fine && done.lines().count() == 3, "{done}{error}");
    assert_eq!(operate(&["list"]).1, "");
}

#[test]
fn zips_are_handed_out_by_signed_urls_or_by_the_cdn() {
    let mut site = Site::new("delivery");
    site.publish("zipped", &["v1.0.0"], 100_000);
    let _worker = site.worker("worker");
    let streaming = site.frontend("streaming");
    let zip = get_ok(&streaming, &module("zipped"), "@v/v1.0.0.zip").body;
    site.set("STOA_ZIP_DELIVERY", "redirect");
    let signing = site.frontend("signing");
    let path = format!("/{}/@v/v1.0.0.zip", module("zipped"));
    let reply = signing.get(&path);
    assert_eq!(reply.status, 307);
    let location = reply.header("location").to_owned();
    let rest = location.strip_prefix("http://").unwrap();
    let (authority, signed) = rest.split_once('/').unwrap();
    let direct = http_client::get(authority, &format!("/{signed}")).unwrap();
    assert_eq!((direct.status, direct.body == zip), (200, true), "{location}");
    let go = GoCommand::through(&site.directory.join("client"), signing.authority());
    let output = go.run(&["mod", "download", &format!("{}@v1.0.0", module("zipped"))]);
    assert!(output.success, "{}", output.stderr);

    site.set("STOA_CDN_URL", "https://cdn.example/go");
    let pointing = site.frontend("pointing");
    let reply = pointing.get(&path);
    assert_eq!(reply.header("location"), format!("https://cdn.example/go{path}"));
    // What is small is answered as ever.
    get_ok(&pointing, &module("zipped"), "@v/v1.0.0.mod");
}

#[test]
fn a_worker_that_is_told_to_stop_finishes_what_it_has_in_hand() {
    let site = Site::new("drain");
    site.publish("slow", &["v1.0.0"], 10);
    site.git.behave(Options { delay: std::time::Duration::from_secs(2), ..Options::default() });
    let (frontend, worker) = (site.frontend("frontend"), site.worker("worker"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get_ok(&frontend, &module("slow"), "@v/v1.0.0.info"));
        until("the worker fetches", || site.git.asked() > 0);
        assert!(worker.stop().success());
        waiting.join().unwrap();
    });
    assert_eq!(site.git.counts().fetch, 1);
}

#[test]
fn a_frontend_without_its_broker_serves_hits_and_says_that_it_is_degraded() {
    let mut site = Site::new("no-broker");
    site.publish("there", &["v1.0.0"], 10);
    {
        let (frontend, _worker) = (site.frontend("first"), site.worker("worker"));
        get_ok(&frontend, &module("there"), "@v/v1.0.0.zip");
    }
    site.set("STOA_QUEUE", "amqp://guest:guest@127.0.0.1:9/%2f");
    let mut frontend: Process = site.degraded_frontend("degraded");
    let ready = frontend.ask("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("degraded"), "{}", ready.text());
    get_ok(&frontend, &module("there"), "@v/v1.0.0.zip");
    let reply = frontend.get(&format!("/{}/@v/v1.9.0.info", module("there")));
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(frontend.is_alive());
    assert!(!frontend.log().contains("guest:guest"), "{}", frontend.log());
}

#[test]
fn processes_whose_bucket_is_away_at_their_start_say_so_and_serve_when_it_comes() {
    let mut site = Site::new("late-bucket");
    let endpoint = site.s3.endpoint.clone().unwrap();
    let (host, port) = endpoint.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let port = port.trim_end_matches('/').parse().unwrap();
    let mut way = site.bucket.runtime().block_on(Forwarder::start(host, port));
    site.bucket.runtime().block_on(way.cut());
    site.set("STOA_S3_ENDPOINT", format!("http://127.0.0.1:{}", way.port()));
    let mut processes = Vec::new();
    for program in ["stoa-frontend", "stoa-worker", "stoa"] {
        let process = Process::spawn(program, &site.log_of(program), &site.variables);
        let alive =
            || http_client::get(process.admin(), "/healthz").is_ok_and(|reply| reply.status == 200);
        until("it is alive", alive);
        let unready = process.ask("/readyz");
        let line = "not ready: storage has not answered yet\n";
        assert_eq!((unready.status, unready.text().as_str()), (503, line), "{program}");
        let probed = Command::new(env!("CARGO_BIN_EXE_stoa"))
            .arg("--probe")
            .env_clear()
            .env("HOME", &site.directory)
            .env("STOA_ADMIN_LISTEN", process.admin())
            .output()
            .unwrap();
        let said = String::from_utf8(probed.stderr).unwrap();
        assert!(!probed.status.success() && said.ends_with(line), "{program}: {said}");
        if program != "stoa-worker" {
            assert_eq!(process.get("/healthz").status, 200);
            let miss = process.get(&format!("/{}/@v/list", module("late")));
            assert_eq!((miss.status, miss.header("retry-after")), (503, "5"), "{program}");
        }
        processes.push(process);
    }
    site.bucket.runtime().block_on(way.restore());
    for process in &mut processes {
        process.wait_until_ready();
        until("it is connected", || !process.ask("/readyz").text().contains("degraded"));
    }
}
