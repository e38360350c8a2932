//! A host that takes connections and says nothing.

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
                scope.spawn(|| {
                    let path = path;
                    stoa.get(&path)
                })
            })
            .collect();
        super::until("all slots have tried", || silent.counts().info_refs >= 4);
        get_ok(&stoa, &module("fine"), "@v/v1.0.0.info");
        // That nobody answered is told to whoever could not be waited for.
        let told: Vec<_> = waits.into_iter().map(|wait| wait.join().unwrap()).collect();
        assert!(told.iter().any(|reply| reply.text().contains("no answer within")));
        for reply in told {
            let status = reply.status;
            assert!(matches!(status, 503 | 504), "{status}");
            check_trouble(&reply, status, "");
        }
    });
}
