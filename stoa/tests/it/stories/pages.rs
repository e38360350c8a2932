//! Hosts that say on a page where their modules are.

use super::{Site, check_error, check_trouble, get_ok, json};
use crate::page_server::{Page, PageServer};
use crate::stoa_process::StoaProcess;

/// A Stoa that finds the pages of `vanity.example` and the repositories of `git.example`.
fn start(site: &Site, pages: &PageServer) -> StoaProcess {
    let repositories = ("https://git.example/".to_owned(), format!("{}/", site.git.url()));
    site.settings().rewrite(&[pages.rewrite("vanity.example"), repositories]).start()
}

#[test]
fn a_page_leads_to_a_repository_that_is_fetched_where_the_rewrite_says() {
    let site = Site::new("pages");
    let pages = PageServer::start();
    site.publish("code", &["v1.0.0"]);
    let content = "vanity.example/code git https://git.example/code";
    pages.serve("vanity.example/code", Page::import(&[content]));
    let stoa = start(&site, &pages);
    let info = json(&get_ok(&stoa, "vanity.example/code", "@v/v1.0.0.info"));
    // What is told is what the page said.
    assert_eq!(info["Origin"]["URL"], "https://git.example/code");
    get_ok(&stoa, "vanity.example/code", "@v/v1.0.0.zip");
    assert_eq!(site.git.counts().fetch, 1);
    assert_eq!(pages.asked(), ["vanity.example/code"]);
}

#[test]
fn a_page_that_leads_nowhere_is_told_with_the_reason() {
    let site = Site::new("pages-nowhere");
    let pages = PageServer::start();
    let tag = |path: &str, content: &str| {
        pages.serve(path, Page::import(&[&format!("{path} {content}")]));
    };
    tag("vanity.example/proxied", "mod https://127.0.0.1/go");
    tag("vanity.example/old", "svn https://svn.example/old");
    tag("vanity.example/gone", "git https://git.example/gone");
    pages.serve("vanity.example/empty", Page::html("<html><body>Hello.</body></html>"));
    let stoa = start(&site, &pages);
    let cases = [
        ("vanity.example/proxied", "the address is not public"),
        ("vanity.example/old", "svn"),
        ("vanity.example/gone", "https://git.example/gone"),
        ("vanity.example/empty", "no go-import tag"),
    ];
    for (module, reason) in cases {
        for question in ["@v/v1.0.0.info", "@v/list", "@latest"] {
            let reply = stoa.get(&format!("/{module}/{question}"));
            check_error(&reply, 404, "not found: ");
            assert!(reply.text().contains(reason), "{reason:?} is not in {}", reply.text());
        }
    }
    assert_eq!(site.git.counts().fetch, 0);
}

#[test]
fn a_host_in_trouble_is_asked_again() {
    let site = Site::new("pages-trouble");
    let pages = PageServer::start();
    site.publish("later", &["v1.0.0"]);
    pages.serve("vanity.example/later", Page::Body(503, b"<html>Sorry.</html>".to_vec()));
    let stoa = start(&site, &pages);
    let reply = stoa.get("/vanity.example/later/@v/v1.0.0.info");
    check_trouble(&reply, 503, "origin unavailable: ");
    let content = "vanity.example/later git https://git.example/later";
    pages.serve("vanity.example/later", Page::import(&[content]));
    get_ok(&stoa, "vanity.example/later", "@v/v1.0.0.info");
}
