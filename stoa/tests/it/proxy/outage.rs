//! The registry goes away in the middle: what is here builds on, what is not says why,
//! and all heals by itself.

use super::Deployment;
use crate::fleet::module;
use crate::stories::until;

const MODULES: usize = 12;

#[test]
fn a_registry_that_goes_away_and_comes_back() {
    let mut registry = Deployment::registry("outage-registry");
    let address = registry.frontend.authority().to_owned();
    for number in 0..MODULES {
        registry.site.publish(&format!("part{number}"), &["v1.0.0"], 20_000);
    }
    let proxy = Deployment::proxy("outage-proxy", &registry.url());
    let user = proxy.go("user");
    for number in 0..MODULES / 2 {
        user.downloads(&format!("part{number}"), "v1.0.0");
        user.succeeds(&["list", "-m", "-versions", &module(&format!("part{number}"))]);
    }
    for number in 0..MODULES / 2 {
        proxy.until_filled(&module(&format!("part{number}")), "v1.0.0");
    }

    let Deployment { site, frontend, worker } = registry;
    frontend.kill();
    until("the proxy notices", || proxy.frontend.metric("stoa_upstream_up") == 0.0);
    // A clean machine builds with what is here, lists included.
    let other = proxy.go("other");
    for number in 0..MODULES / 2 {
        let name = format!("part{number}");
        other.downloads(&name, "v1.0.0");
        let told = other.succeeds(&["list", "-m", "-versions", &module(&name)]);
        assert_eq!(told, format!("{} v1.0.0\n", module(&name)));
    }
    // What is not here says what to do.
    let missing = format!("{}@v1.0.0", module(&format!("part{}", MODULES - 1)));
    let told = other.fails(&["mod", "download", &missing]);
    assert!(told.contains("503 Service Unavailable"), "{told}");
    assert!(told.contains("the registry does not answer; ask again when it is back"), "{told}");

    registry = Deployment { frontend: site.frontend_at("frontend", &address), site, worker };
    until("the proxy notices", || proxy.frontend.metric("stoa_upstream_up") == 1.0);
    for number in MODULES / 2..MODULES {
        let name = format!("part{number}");
        other.downloads(&name, "v1.0.0");
        proxy.until_filled(&module(&name), "v1.0.0");
    }
    assert_eq!(registry.site.git.counts().fetch, MODULES, "{:?}", registry.site.git.counts());
}
