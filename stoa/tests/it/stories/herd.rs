//! Many clients at once: one fetch for all of them, and no waiting behind others.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use stoa_shared::testing::git_server::{Counts, Options};

use super::{Site, get_ok, module, until};
use crate::{http_client, module_zip};

const CLIENTS: usize = 500;
const SLOW: Duration = Duration::from_millis(300);
/// The default of `STOA_SLOTS`.
const SLOTS: usize = 4;

#[test]
fn five_hundred_clients_are_one_fetch() {
    let site = Site::new("herd");
    site.publish("herd", &["v1.0.0"]);
    let herd = module("herd");
    let stoa = site.settings().set("STOA_FRESHNESS_REFS", "1h").start();
    // Everybody is there before the first answer.
    site.git.behave(Options { delay: SLOW, ..Options::default() });

    let files = ["@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip", "@v/list"];
    let replies = std::thread::scope(|scope| {
        let client = |file: &'static str| {
            let path = format!("/{herd}/{file}");
            move |authority: &str| (file, http_client::get(authority, &path).unwrap())
        };
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                let (client, authority) = (client(files[index % files.len()]), stoa.authority());
                let small = std::thread::Builder::new().stack_size(256 << 10);
                small.spawn_scoped(scope, move || client(authority)).unwrap()
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });

    let counts = site.git.counts();
    assert_eq!(counts, Counts { info_refs: 1, ls_refs: 1, fetch: 1, ..Counts::default() });
    let mut bodies: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (file, reply) in replies {
        assert_eq!(reply.status, 200, "{file}: {}", reply.text());
        assert_eq!(*bodies.entry(file).or_insert_with(|| reply.body.clone()), reply.body, "{file}");
    }
    let info: serde_json::Value = serde_json::from_slice(&bodies["@v/v1.0.0.info"]).unwrap();
    assert_eq!(info["Version"], "v1.0.0");
    assert_eq!(bodies["@v/v1.0.0.mod"], format!("module {herd}\n").into_bytes());
    assert_eq!(bodies["@v/list"], b"v1.0.0\n");
    let zip = module_zip::read(&bodies["@v/v1.0.0.zip"], &format!("{herd}@v1.0.0/")).unwrap();
    assert_eq!(zip.files.len(), 2, "{zip:?}");
}

#[test]
fn clients_that_hang_up_cost_nothing_further() {
    let mut site = Site::new("herd-hang-up");
    site.publish("left", &["v1.0.0", "v1.1.0"]);
    let left = module("left");
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let stoa = site.settings().set("STOA_ADMIN_LISTEN", &admin).start();
    let waiting = || {
        let metrics = http_client::get(&admin, "/metrics").unwrap().text();
        let mut lines = metrics.lines();
        let waiting = lines.find_map(|line| line.strip_prefix("stoa_waiters "));
        waiting.unwrap().parse::<usize>().unwrap()
    };
    let send = |file: &str| {
        let mut stream = TcpStream::connect(stoa.authority()).unwrap();
        write!(stream, "GET /{left}/@v/{file} HTTP/1.1\r\nHost: stoa.example\r\n\r\n").unwrap();
        stream
    };

    site.git.hang();
    let clients: Vec<TcpStream> = (0..20).map(|_| send("v1.0.0.zip")).collect();
    until("all clients wait for one fill", || waiting() == 20 && site.git.asked() == 1);
    drop(clients);
    until("nobody waits any more", || waiting() == 0);
    assert_eq!(site.git.asked(), 1);

    // The job that nobody waits for any more goes on.
    site.git.stop();
    site.git.start_again();
    let client = send("v1.1.0.zip");
    until("the fill has begun", || site.git.asked() > 0);
    drop(client);
    let info = site.stored(&left, "v1.1.0.info");
    until("the version is stored", || info.exists());
    let asked = site.git.counts().fetch;
    get_ok(&stoa, &left, "@v/v1.1.0.zip");
    assert_eq!(site.git.counts().fetch, asked);
}

#[test]
fn a_hit_is_answered_while_every_slot_is_busy_with_a_miss() {
    let site = Site::new("herd-hit");
    site.publish("there", &["v1.0.0"]);
    let there = module("there");
    let slow: Vec<String> = (0..2 * SLOTS).map(|index| format!("slow{index}")).collect();
    for name in &slow {
        site.publish(name, &["v1.0.0"]);
    }
    // A stale list is a hit as well.
    let settings = site.settings().set("STOA_FRESHNESS_LIST", "1ms");
    let stoa = settings.start();
    get_ok(&stoa, &there, "@v/v1.0.0.info");
    get_ok(&stoa, &there, "@v/list");
    // Nothing of it in memory.
    assert!(stoa.stop().success());
    let stoa = settings.start();

    site.git.reset_counts();
    site.git.hang();
    let misses: Vec<TcpStream> = slow
        .iter()
        .map(|name| {
            let mut stream = TcpStream::connect(stoa.authority()).unwrap();
            let path = format!("/{}/@v/v1.0.0.info", module(name));
            write!(stream, "GET {path} HTTP/1.1\r\nHost: stoa.example\r\n\r\n").unwrap();
            stream
        })
        .collect();
    until("every slot waits for the origin", || site.git.asked() == SLOTS);
    // The origin never answers: these come before the misses' answers, or not at all.
    for file in ["v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip", "list"] {
        get_ok(&stoa, &there, &format!("@v/{file}"));
    }
    assert_eq!(site.git.asked(), SLOTS);
    for (name, miss) in slow.iter().zip(&misses) {
        assert!(!site.stored(&module(name), "v1.0.0.info").exists());
        miss.set_nonblocking(true).unwrap();
        let unanswered = miss.peek(&mut [0]).unwrap_err();
        assert_eq!(unanswered.kind(), std::io::ErrorKind::WouldBlock, "{name}");
    }
}
