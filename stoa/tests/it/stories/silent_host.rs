//! Hosts that take connections and say nothing, or nothing for long.

use std::time::Duration;

use stoa_shared::testing::git_server::Options;

use super::git_host::GitHost;
use super::{Site, check_trouble, get_ok, module};

#[test]
fn a_silent_host_does_not_hold_up_the_others() {
    let site = Site::new("silent");
    site.publish("fine", &["v1.0.0"]);
    let silent = GitHost::start(site.directory.join("repositories"));
    silent.hang();
    let rewrites = [
        ("https://github.com/stoa-silent/".to_owned(), format!("{}/", silent.url())),
        ("https://github.com/stoa-stories/".to_owned(), format!("{}/", site.git.url())),
    ];
    // Less than one exchange with the silent host may take.
    let stoa = site.settings().rewrite(&rewrites).set("STOA_WAIT", "25s").start();
    std::thread::scope(|scope| {
        let waits: Vec<_> = (0..12)
            .map(|number| {
                let path = format!("/github.com/stoa-silent/m{number}/@v/v1.0.0.info");
                let stoa = &stoa;
                scope.spawn(move || stoa.get(&path))
            })
            .collect();
        super::until("all slots have tried", || silent.counts().info_refs >= 4);
        get_ok(&stoa, &module("fine"), "@v/v1.0.0.info");
        for wait in waits {
            check_trouble(&wait.join().unwrap(), 504, "still working: ");
        }
    });
}

#[test]
fn a_slow_host_serves_all_who_wait_for_it() {
    let site = Site::new("slow-host");
    let names: Vec<String> = (0..3).map(|number| format!("m{number}")).collect();
    names.iter().for_each(|name| drop(site.publish(name, &["v1.0.0"])));
    // Beyond what most requests may wait for a first byte.
    site.git.behave(Options { delay: Duration::from_secs(9), ..Options::default() });
    let stoa = site.settings().start();
    std::thread::scope(|scope| {
        for name in &names {
            let stoa = &stoa;
            scope.spawn(move || get_ok(stoa, &module(name), "@v/v1.0.0.info"));
        }
    });
}
