//! An origin in trouble: said to whoever asks for something new, hidden from all others,
//! and over when the origin says so.

use std::time::Duration;

use stoa_shared::testing::git_server::Options;

use super::{Site, check_trouble, get_ok, module, until};
use crate::stoa_process::StoaProcess;

const QUESTIONS: [&str; 3] = ["@v/v1.0.0.info", "@v/list", "@latest"];

/// Asks everything of a module, sees the trouble, and all of it right after the end.
fn is_said_and_over(
    name: &str,
    status: u16,
    first_words: &str,
    begin: impl FnOnce(&mut Site),
    end: impl FnOnce(&mut Site),
) {
    let mut site = Site::new(name);
    site.publish("troubled", &["v1.0.0"]);
    let troubled = module("troubled");
    let stoa = site
        .settings()
        // The origin's time is over before the client's.
        .set("STOA_VCS_TIMEOUT", "2s")
        .set("STOA_WAIT", "30s")
        // What is remembered stays for this story.
        .set("STOA_FRESHNESS_NEGATIVE", "1h")
        .start();
    begin(&mut site);
    for question in QUESTIONS {
        let reply = stoa.get(&format!("/{troubled}/{question}"));
        check_trouble(&reply, status, first_words);
        assert!(reply.text().contains(&troubled), "{}", reply.text());
    }
    end(&mut site);
    for question in QUESTIONS {
        is_over(&stoa, &troubled, question);
    }
}

/// The first request after the end may still join an attempt from before it.
fn is_over(stoa: &StoaProcess, module: &str, question: &str) {
    let path = format!("/{module}/{question}");
    until("an attempt is made after the end", || stoa.get(&path).status == 200);
}

#[test]
fn a_server_that_says_unavailable() {
    let fail = |site: &mut Site| site.git.behave(Options::default().failing(503));
    let mend = |site: &mut Site| site.git.behave(Options::default());
    is_said_and_over("trouble-503", 503, "origin unavailable: ", fail, mend);
}

#[test]
fn a_server_that_fails() {
    let fail = |site: &mut Site| site.git.behave(Options::default().failing(500));
    let mend = |site: &mut Site| site.git.behave(Options::default());
    is_said_and_over("trouble-500", 503, "origin unavailable: ", fail, mend);
}

#[test]
fn a_server_that_refuses_connections() {
    let stop = |site: &mut Site| site.git.stop();
    let start = |site: &mut Site| site.git.start_again();
    is_said_and_over("trouble-refused", 503, "origin unavailable: ", stop, start);
}

#[test]
fn a_server_that_never_answers() {
    let hang = |site: &mut Site| site.git.hang();
    let mend = |site: &mut Site| site.git.behave(Options::default());
    is_said_and_over("trouble-hang", 504, "origin timeout: ", hang, mend);
}

#[test]
fn a_fetch_that_fails_after_the_listing() {
    use stoa_shared::testing::git_server::RequestKind::Fetch;
    let site = Site::new("trouble-fetch");
    site.publish("half", &["v1.0.0"]);
    let stoa = site.settings().set("STOA_FRESHNESS_NEGATIVE", "1h").start();
    site.git.behave(Options { failures: [(Fetch, 502)].into(), ..Options::default() });
    let path = format!("/{}/@v/v1.0.0.zip", module("half"));
    check_trouble(&stoa.get(&path), 503, "origin unavailable: ");
    site.git.behave(Options::default());
    is_over(&stoa, &module("half"), "@v/v1.0.0.zip");
}

#[test]
fn what_is_known_is_served_stale_until_the_origin_is_back() {
    let site = Site::new("trouble-stale");
    let repository = site.publish("known", &["v1.0.0"]);
    let known = module("known");
    let stoa =
        site.settings().set("STOA_FRESHNESS_LIST", "1s").set("STOA_FRESHNESS_REFS", "1s").start();
    let list = get_ok(&stoa, &known, "@v/list");
    assert_eq!(list.text(), "v1.0.0\n");
    let latest = get_ok(&stoa, &known, "@latest");

    site.git.reset_counts();
    site.git.behave(Options::default().failing(503));
    std::thread::sleep(Duration::from_secs(1));
    until("a refresh has failed", || {
        assert_eq!(get_ok(&stoa, &known, "@v/list").body, list.body);
        assert_eq!(get_ok(&stoa, &known, "@latest").body, latest.body);
        site.git.asked() >= 2
    });
    assert_eq!(get_ok(&stoa, &known, "@v/list").body, list.body);
    assert_eq!(get_ok(&stoa, &known, "@latest").body, latest.body);
    // A version that nobody has asked for yet is another matter.
    let unknown = stoa.get(&format!("/{known}/@v/v1.1.0.info"));
    check_trouble(&unknown, 503, "origin unavailable: ");

    repository.git(["tag", "v1.1.0", "main"], b"").unwrap();
    site.git.behave(Options::default());
    until("list and latest are refreshed", || {
        let list = get_ok(&stoa, &known, "@v/list").text();
        let latest = get_ok(&stoa, &known, "@latest").text();
        list == "v1.0.0\nv1.1.0\n" && latest.contains("v1.1.0")
    });
}
