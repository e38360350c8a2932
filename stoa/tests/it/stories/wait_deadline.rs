//! A fill that takes longer than a request may wait.

use std::time::Duration;

use stoa_shared::testing::git_server::Options;

use super::{Site, check_trouble, get_ok, module, until};

#[test]
fn the_client_is_sent_away_and_the_job_goes_on() {
    let site = Site::new("wait");
    site.publish("slow", &["v1.0.0"]);
    let slow = module("slow");
    let stoa = site.settings().set("STOA_WAIT", "1s").start();
    // Three requests: the fill takes three times as long.
    site.git.behave(Options { delay: Duration::from_secs(2), ..Options::default() });
    let path = format!("/{slow}/@v/v1.0.0.info");
    check_trouble(&stoa.get(&path), 504, "still working: ");
    check_trouble(&stoa.get(&format!("/{slow}/@v/list")), 504, "still working: ");

    let info = site.stored(&slow, "v1.0.0.info");
    until("the version is stored", || info.exists());
    assert_eq!(site.git.counts().fetch, 1);
    site.git.behave(Options::default().failing(503));
    for file in ["info", "mod", "zip"] {
        get_ok(&stoa, &slow, &format!("@v/v1.0.0.{file}"));
    }
    assert_eq!(site.git.counts().fetch, 1);
}
