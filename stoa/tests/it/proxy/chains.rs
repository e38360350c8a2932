//! More than one proxy, side by side and one before the other, and other registries.

use std::time::{Duration, Instant};

use super::Deployment;
use super::flows::same_files;
use crate::fleet::module;
use crate::stoa_process::free_ports;
use crate::stories::until;

#[test]
fn two_proxies_share_one_registry() {
    let registry = Deployment::registry("two-registry");
    registry.site.publish("shared", &["v1.0.0"], 1000);
    let proxies =
        ["two-proxy-1", "two-proxy-2"].map(|name| Deployment::proxy(name, &registry.url()));
    std::thread::scope(|scope| {
        for proxy in &proxies {
            scope.spawn(|| proxy.go("user").downloads("shared", "v1.0.0"));
        }
    });
    for proxy in &proxies {
        proxy.until_filled(&module("shared"), "v1.0.0");
        same_files(&registry, proxy, "shared", "v1.0.0");
    }
    assert_eq!(registry.site.git.counts().fetch, 1, "{:?}", registry.site.git.counts());
}

#[test]
fn a_proxy_before_a_proxy_before_a_registry_fills_all_of_them() {
    let registry = Deployment::registry("chain-registry");
    registry.site.publish("far", &["v1.0.0"], 1000);
    let inner = Deployment::proxy("chain-inner", &registry.url());
    let outer = Deployment::proxy("chain-outer", &inner.url());
    let user = outer.go("user");
    user.succeeds(&["get", &format!("{}@latest", module("far"))]);
    for proxy in [&inner, &outer] {
        proxy.until_filled(&module("far"), "v1.0.0");
        same_files(&registry, proxy, "far", "v1.0.0");
    }
    assert_eq!(registry.site.git.counts().fetch, 1, "{:?}", registry.site.git.counts());
}

#[test]
fn two_proxies_before_each_other_do_not_ask_for_ever() {
    let [a, b] = free_ports();
    let at = |name: &str, own: &str, upstream: &str| {
        let mut site = Deployment::site_of_proxy(name, &format!("http://{upstream}"));
        site.set("STOA_LISTEN", own);
        Deployment::start(site, name)
    };
    let (one, other) = (at("round-a", &a, &b), at("round-b", &b, &a));
    // The first was there before the second.
    until("it is seen", || one.frontend.metric("stoa_upstream_up") == 1.0);
    let told = one.go("user").fails(&["mod", "download", &format!("{}@v1.0.0", module("none"))]);
    assert!(told.contains("stopped after 10 redirects"), "{told}");
    // The workers notice, too.
    for deployment in [&one, &other] {
        until("a worker has met itself", || deployment.worker.log().contains("508"));
    }
}

/// What the one waits for the other asks of the one: that it has been there is told along.
#[test]
fn two_proxies_that_wait_for_each_other_notice_at_once() {
    let [a, b] = free_ports();
    let at = |name: &str, own: &str, upstream: &str| {
        let mut site = Deployment::site_of_proxy(name, &format!("http://{upstream}"));
        site.set("STOA_LISTEN", own);
        site.set("STOA_DOWNLOAD", "wait");
        Deployment::start(site, name)
    };
    let (one, _other) = (at("circle-a", &a, &b), at("circle-b", &b, &a));
    let begun = Instant::now();
    let told = one.go("user").fails(&["mod", "download", &format!("{}@v1.0.0", module("none"))]);
    let expected = "the request has been at circle-a before";
    assert!(told.contains(expected), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
