//! F1 to F3 and F5.

use super::Deployment;
use crate::fleet::{Site, module};

#[test]
fn f1_clean_plate_the_registry_fetches_once_and_the_proxy_is_filled_afterwards() {
    let registry = Deployment::registry("f1-registry");
    registry.site.publish("clean", &["v1.0.0"], 1000);
    let proxy = Deployment::proxy("f1-proxy", &registry.url());
    proxy.go("user").downloads("clean", "v1.0.0");
    // The user was sent on: nothing was here, and the worker leaves the registry time.
    assert!(
        proxy.frontend.metric(r#"stoa_requests_total{endpoint="info",outcome="redirect"}"#) > 0.0
    );
    proxy.until_filled(&module("clean"), "v1.0.0");
    assert_eq!(registry.site.git.counts().fetch, 1, "{:?}", registry.site.git.counts());
    assert_eq!(proxy.site.git.asked(), 0);
    same_files(&registry, &proxy, "clean", "v1.0.0");
}

#[test]
fn f2_a_new_proxy_joins_and_version_control_does_not_hear_of_it() {
    let registry = Deployment::registry("f2-registry");
    registry.site.publish("known", &["v1.0.0", "v1.1.0"], 1000);
    registry.go("first").succeeds(&["get", &format!("{}@latest", module("known"))]);
    registry.site.git.reset_counts();
    let proxy = Deployment::proxy("f2-proxy", &registry.url());
    let user = proxy.go("user");
    user.succeeds(&["get", &format!("{}@v1.1.0", module("known"))]);
    let told = user.succeeds(&["list", "-m", "-versions", &module("known")]);
    assert_eq!(told, format!("{} v1.0.0 v1.1.0\n", module("known")));
    proxy.until_filled(&module("known"), "v1.1.0");
    assert_eq!(registry.site.git.asked(), 0, "{:?}", registry.site.git.counts());
}

#[test]
fn f3_on_the_happy_path_neither_registry_nor_version_control_is_asked() {
    let registry = Deployment::registry("f3-registry");
    registry.site.publish("happy", &["v1.0.0"], 1000);
    let proxy = Deployment::proxy("f3-proxy", &registry.url());
    proxy.go("first").downloads("happy", "v1.0.0");
    proxy.until_filled(&module("happy"), "v1.0.0");
    proxy.go("second").succeeds(&["list", "-m", "-versions", &module("happy")]);
    let (asked, fetched) = (registry.frontend.requests(), registry.site.git.asked());
    let user = proxy.go("third");
    user.succeeds(&["get", &format!("{}@v1.0.0", module("happy"))]);
    user.succeeds(&["list", "-m", "-versions", &module("happy")]);
    user.succeeds(&["mod", "verify"]);
    assert_eq!((registry.frontend.requests(), registry.site.git.asked()), (asked, fetched));
}

#[test]
fn f5_without_a_registry_every_miss_goes_to_version_control() {
    let mut site = Site::new("f5-proxy");
    site.set("STOA_ROLE", "proxy");
    let proxy = Deployment::start(site, "f5-proxy");
    proxy.site.publish("alone", &["v1.0.0"], 1000);
    let user = proxy.go("user");
    user.succeeds(&["get", &format!("{}@latest", module("alone"))]);
    assert_eq!(proxy.site.git.counts().fetch, 1, "{:?}", proxy.site.git.counts());
    let redirects =
        proxy.frontend.metric(r#"stoa_requests_total{endpoint="info",outcome="redirect"}"#);
    assert_eq!(redirects, 0.0);
}

/// Both deployments serve the same bytes.
pub(super) fn same_files(one: &Deployment, other: &Deployment, name: &str, version: &str) {
    for file in ["info", "mod", "zip"] {
        let path = format!("/{}/@v/{version}.{file}", module(name));
        let (one, other) = (one.frontend.get(&path), other.frontend.get(&path));
        assert_eq!((one.status, other.status), (200, 200), "{path}");
        assert!(one.body == other.body, "{path} differs");
    }
}
