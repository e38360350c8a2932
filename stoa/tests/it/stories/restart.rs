//! Told to stop, or killed: what was accepted gets done, what was begun is finished.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use stoa_shared::testing::git_server::Options;
use stoa_shared::testing::repository::RepositoryBuilder;

use super::{Site, get_ok, module, until};
use crate::http_client;
use crate::module_zip;
use crate::stoa_process::StoaProcess;

/// More than all buffers between two sockets hold.
const LARGE: usize = 32 << 20;

fn accepted_jobs_survive(name: &str, end: impl FnOnce(StoaProcess)) {
    let mut site = Site::new(name);
    // More than there are slots: some jobs run, some wait.
    let names: Vec<String> = (0..6).map(|index| format!("job{index}")).collect();
    for name in &names {
        site.publish(name, &["v1.0.0"]);
    }
    let settings = site.settings().set("STOA_SHUTDOWN_GRACE", "1s");
    let stoa = settings.start();
    site.git.hang();
    let jobs = site.storage().join("_stoa/queue/jobs");
    let waiting = || std::fs::read_dir(&jobs).map_or(0, |entries| entries.flatten().count());
    let clients: Vec<TcpStream> = names
        .iter()
        .map(|name| {
            let mut stream = TcpStream::connect(stoa.authority()).unwrap();
            let path = format!("/{}/@v/v1.0.0.info", module(name));
            write!(stream, "GET {path} HTTP/1.1\r\nHost: stoa.example\r\n\r\n").unwrap();
            stream
        })
        .collect();
    until("all jobs are accepted", || waiting() == names.len());
    end(stoa);
    drop(clients);
    assert_eq!(waiting(), names.len());

    site.git.stop();
    site.git.start_again();
    let _stoa = settings.start();
    for name in &names {
        let info = site.stored(&module(name), "v1.0.0.info");
        until("the version is stored though nobody asks any more", || info.exists());
    }
    until("no job is left", || waiting() == 0);
}

#[test]
fn accepted_jobs_survive_a_stop() {
    accepted_jobs_survive("restart-stop", |stoa| assert!(stoa.stop().success()));
}

#[test]
fn accepted_jobs_survive_a_kill() {
    accepted_jobs_survive("restart-kill", StoaProcess::kill);
}

#[test]
fn a_download_under_way_is_finished_and_nothing_new_begun() {
    let site = Site::new("restart-drain");
    let large = module("large");
    let mut content = vec![0; LARGE];
    rand::fill(&mut content[..]);
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", format!("module {large}\n")).file("data", &content);
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit);
    site.build("large", &repository);
    let stoa = site.settings().start();
    get_ok(&stoa, &large, "@v/v1.0.0.info");

    let authority = stoa.authority().to_owned();
    let mut download = TcpStream::connect(&authority).unwrap();
    write!(download, "GET /{large}/@v/v1.0.0.zip HTTP/1.1\r\nHost: stoa.example\r\n\r\n").unwrap();
    let mut received = vec![0; 1000];
    download.read_exact(&mut received).unwrap();
    std::thread::scope(|scope| {
        let stopped = scope.spawn(|| stoa.stop());
        until("new connections are refused", || TcpStream::connect(&authority).is_err());
        assert!(!stopped.is_finished(), "the download is not finished");
        download.read_to_end(&mut received).unwrap();
        assert!(stopped.join().unwrap().success());
    });
    let body = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let zip = module_zip::read(&received[body..], &format!("{large}@v1.0.0/")).unwrap();
    assert!(zip.files.iter().any(|(name, bytes)| name == "data" && *bytes == content));
}

#[test]
fn whoever_asks_twice_does_not_wait() {
    let site = Site::new("restart-twice");
    site.publish("awaited", &["v1.0.0"]);
    let stoa = site.settings().set("STOA_SHUTDOWN_GRACE", "1h").start();
    site.git.hang();
    let mut client = TcpStream::connect(stoa.authority()).unwrap();
    let path = format!("/{}/@v/v1.0.0.info", module("awaited"));
    write!(client, "GET {path} HTTP/1.1\r\nHost: stoa.example\r\n\r\n").unwrap();
    until("the fill has begun", || site.git.asked() > 0);
    let authority = stoa.authority().to_owned();
    stoa.terminate();
    until("new connections are refused", || TcpStream::connect(&authority).is_err());
    let status = stoa.stop();
    assert_eq!(status.code(), Some(143), "{status}");
}

#[test]
fn a_fill_that_somebody_waits_for_is_finished_before_the_end() {
    let site = Site::new("restart-fill");
    site.publish("awaited", &["v1.0.0"]);
    let stoa = site.settings().start();
    site.git.behave(Options { delay: Duration::from_millis(500), ..Options::default() });
    let authority = stoa.authority().to_owned();
    let path = format!("/{}/@v/v1.0.0.info", module("awaited"));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| http_client::get(&authority, &path));
        until("the fill has begun", || site.git.asked() > 0);
        assert!(stoa.stop().success());
        let reply = client.join().unwrap().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    });
}
