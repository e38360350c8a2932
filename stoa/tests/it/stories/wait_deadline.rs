//! A fill that takes longer than a request may wait.

use std::time::Duration;

use stoa_shared::testing::git_server::Options;

use super::{Site, check_trouble, get_ok, module, until};
use crate::go_command::GoCommand;

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

#[test]
fn a_user_of_the_go_command_reads_that_the_job_goes_on() {
    let site = Site::new("wait-client");
    site.publish("slow", &["v1.0.0"]);
    let argument = format!("{}@v1.0.0", module("slow"));
    let stoa = site.settings().set("STOA_WAIT", "1s").start();
    site.git.behave(Options { delay: Duration::from_secs(2), ..Options::default() });
    let go = GoCommand::through(&site.directory.join("client"), stoa.authority());
    let output = go.run(&["mod", "download", &argument]);
    let told = format!("{}{}", output.stdout, output.stderr);
    assert!(!output.success, "{told}");
    assert!(told.contains("/@v/v1.0.0.info: 504 Gateway Timeout"), "{told}");
    let response = told.split("server response: ").nth(1).unwrap_or_default();
    assert!(response.starts_with("still working: "), "{told}");
    assert_eq!(told.matches(&argument).count(), 2, "named once by each of the two: {told}");

    let info = site.stored(&module("slow"), "v1.0.0.info");
    until("the version is stored", || info.exists());
    let output = go.run(&["mod", "download", &argument]);
    assert!(output.success, "{}", output.stderr);
}
