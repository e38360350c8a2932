//! However many ask, the fleet fetches once.

use std::collections::BTreeMap;
use std::time::Duration;

use stoa_shared::testing::git_server::Options;

use super::process::Process;
use super::{ORGANISATION, Site, module};
use crate::http_client::{self, Reply};
use crate::module_zip;
use crate::stories::git_host::GitHost;
use crate::stories::until;

const CLIENTS: usize = 500;

/// Has 500 clients ask two frontends for the files of one version and the list, all at
/// once; `meanwhile` runs beside them.
fn herd(frontends: &[Process; 2], module: &str, meanwhile: impl FnOnce()) -> Vec<(String, Reply)> {
    let files = ["@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip", "@v/list"];
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                let file = files[index % files.len()];
                let path = format!("/{module}/{file}");
                let authority = frontends[index / files.len() % 2].authority();
                let small = std::thread::Builder::new().stack_size(256 << 10);
                let ask = move || (file.to_owned(), http_client::get(authority, &path).unwrap());
                small.spawn_scoped(scope, ask).unwrap()
            })
            .collect();
        meanwhile();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

fn check(replies: Vec<(String, Reply)>, module: &str) {
    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (file, reply) in replies {
        assert_eq!(reply.status, 200, "{file}: {}", reply.text());
        assert_eq!(*bodies.entry(file).or_insert_with(|| reply.body.clone()), reply.body);
    }
    assert_eq!(bodies["@v/list"], b"v1.0.0\n");
    assert_eq!(bodies["@v/v1.0.0.mod"], format!("module {module}\n").into_bytes());
    let zip = module_zip::read(&bodies["@v/v1.0.0.zip"], &format!("{module}@v1.0.0/")).unwrap();
    assert_eq!(zip.files.len(), 2, "{zip:?}");
}

#[test]
fn five_hundred_clients_of_two_frontends_and_two_workers_are_one_fetch() {
    let site = Site::new("herd");
    site.publish("herd", &["v1.0.0"], 1000);
    site.git.behave(Options { delay: Duration::from_millis(500), ..Options::default() });
    let frontends = [site.frontend("frontend-1"), site.frontend("frontend-2")];
    let _workers = [site.worker("worker-1"), site.worker("worker-2")];
    let replies = herd(&frontends, &module("herd"), || {});
    check(replies, &module("herd"));
    assert_eq!(site.git.counts().fetch, 1, "{:?}", site.git.counts());
}

#[test]
fn when_the_fetching_worker_dies_exactly_one_other_fetches() {
    let mut site = Site::new("herd-death");
    site.publish("herd", &["v1.0.0"], 1000);
    let frontends = [site.frontend("frontend-1"), site.frontend("frontend-2")];
    // Each worker has a way of its own to the same repositories, which tells who fetches.
    let hosts = [(); 2].map(|()| GitHost::start(site.git.root().to_path_buf()));
    let mut workers = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        // Long enough to be caught at it.
        host.behave(Options { delay: Duration::from_secs(4), ..Options::default() });
        site.set("STOA_VCS_REWRITE", format!("https://{ORGANISATION}/={}/", host.url()));
        workers.push(site.worker(&format!("worker-{number}")));
    }
    let fetches = || hosts.iter().map(|host| host.counts().fetch).sum::<usize>();
    let replies = herd(&frontends, &module("herd"), || {
        until("a worker fetches", || fetches() == 1);
        let holder = hosts.iter().position(|host| host.counts().fetch == 1).unwrap();
        workers.remove(holder).kill();
    });
    check(replies, &module("herd"));
    assert_eq!(fetches(), 2);
    assert!(workers[0].log().contains("taken over"), "{}", workers[0].log());
}
