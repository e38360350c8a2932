//! The registry goes away in the middle: what is here builds on, what is not says why,
//! and all heals by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stoa_shared::testing::git_server::Options;
use stoa_shared::testing::repository::RepositoryBuilder;

use super::{Deployment, User};
use crate::fleet::{ORGANISATION, Site, module};
use crate::module_zip;
use crate::stories::until;

/// A few dozen, as a program of some size needs.
const MODULES: usize = 36;

/// What each request to the git host costs: the download takes long enough for a third of
/// it to be filled behind its back, two seconds later.
const GIT_DELAY: Duration = Duration::from_millis(150);

/// A registry that is away is looked at every half second.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

const VERSION: &str = "v1.0.0";

/// A module with one package, whose content and so whose sums are known here.
fn files(number: usize) -> Vec<(String, String)> {
    let module = module(&name(number));
    vec![
        ("go.mod".to_owned(), format!("module {module}\n\ngo 1.21\n")),
        ("part.go".to_owned(), format!("package part\n\nconst Number = {number}\n")),
        ("text.txt".to_owned(), format!("{number} is only a number\n").repeat(1000)),
    ]
}

fn name(number: usize) -> String {
    format!("part{number}")
}

fn publish(site: &Site) {
    for number in 0..MODULES {
        let mut repository = RepositoryBuilder::new();
        for (name, content) in files(number) {
            repository.file(&name, content);
        }
        let commit = repository.commit("main");
        repository.tag(VERSION, commit);
        repository.build(&site.git.root().join(name(number))).unwrap();
    }
}

/// Makes the user's program need these modules, whose sums it knows: go checks them.
fn need(user: &User, numbers: &BTreeSet<usize>) -> String {
    let mut go_mod = "module program.example/p\n\ngo 1.21\n\n".to_owned();
    let (mut imports, mut go_sum) = (String::new(), String::new());
    for &number in numbers {
        let module = module(&name(number));
        go_mod.push_str(&format!("require {module} {VERSION}\n"));
        imports.push_str(&format!("import _ \"{module}\"\n"));
        let files = files(number);
        let named = files
            .iter()
            .map(|(name, content)| (format!("{module}@{VERSION}/{name}"), content.as_bytes()));
        let zip = module_zip::sum(named);
        let go_mod = module_zip::mod_sum(files[0].1.as_bytes());
        go_sum.push_str(&format!("{module} {VERSION} {zip}\n{module} {VERSION}/go.mod {go_mod}\n"));
    }
    let main = format!("package main\n\n{imports}\nfunc main() {{}}\n");
    for (name, content) in [("go.mod", &go_mod), ("go.sum", &go_sum), ("main.go", &main)] {
        std::fs::write(user.program.join(name), content).unwrap();
    }
    go_sum
}

/// Those that the proxy has whole.
fn filled(proxy: &Deployment) -> BTreeSet<usize> {
    let file = |number: usize, file: &str| {
        proxy.has(&format!("/{}/@v/{VERSION}.{file}", module(&name(number))))
    };
    let is_filled = |number: &usize| ["info", "mod", "zip"].iter().all(|it| file(*number, it));
    (0..MODULES).filter(is_filled).collect()
}

fn story(mode: &str) {
    let all: BTreeSet<usize> = (0..MODULES).collect();
    let word = mode.replace('_', "-");
    let registry = Deployment::registry(&format!("outage-registry-{word}"));
    publish(&registry.site);
    registry.site.git.behave(Options { delay: GIT_DELAY, ..Options::default() });
    let address = registry.frontend.authority().to_owned();
    let mut site = Deployment::site_of_proxy(&format!("outage-proxy-{word}"), &registry.url());
    site.set("STOA_DOWNLOAD", mode);
    let proxy = Deployment::start(site, "outage-proxy");
    let mut user = proxy.go("user");
    // As many requests at once as this has processors.
    user.go = user.go.set("GOMAXPROCS", "2");
    let go_sum = need(&user, &all);

    // The registry dies while the go command is at it.
    let (site, told) = std::thread::scope(|scope| {
        let download = scope.spawn(|| user.fails(&["mod", "download"]));
        until("a third is filled", || filled(&proxy).len() >= MODULES / 3);
        assert!(!download.is_finished(), "the whole was there before the registry went");
        let Deployment { site, frontend, worker } = registry;
        frontend.kill();
        worker.kill();
        (site, download.join().unwrap())
    });
    assert!(told.contains(&format!("{ORGANISATION}/part")), "{told}");
    if mode == "wait" {
        assert!(told.contains("503 Service Unavailable"), "{told}");
        assert!(told.contains("ask again when it is back"), "{told}");
    }
    // Whoever tries again hears what to do, wherever the first one was sent.
    until("the proxy notices", || proxy.frontend.metric("stoa_upstream_up") == 0.0);
    let told = user.fails(&["mod", "download"]);
    assert!(told.contains("503 Service Unavailable"), "{told}");
    assert!(told.contains("the registry does not answer; ask again when it is back"), "{told}");
    assert!(told.contains(&format!("{ORGANISATION}/part")), "{told}");

    // A clean machine builds with what is here, and sees the versions of it.
    let here = filled(&proxy);
    assert!(here.len() < MODULES, "nothing was missing");
    let clean = proxy.go("clean");
    need(&clean, &here);
    clean.succeeds(&["build", "-o", "/dev/null", "."]);
    clean.succeeds(&["mod", "verify"]);
    for &number in &here {
        let module = module(&name(number));
        let listed = clean.succeeds(&["list", "-m", "-versions", &module]);
        assert_eq!(listed, format!("{module} {VERSION}\n"));
    }

    let _frontend = site.frontend_at("frontend", &address);
    let _worker = site.worker("worker");
    let back = Instant::now();
    until("the proxy notices", || proxy.frontend.metric("stoa_upstream_up") == 1.0);
    assert!(back.elapsed() < NOTICED_WITHIN, "{:?}", back.elapsed());
    user.succeeds(&["mod", "download"]);
    assert_eq!(std::fs::read_to_string(user.program.join("go.sum")).unwrap(), go_sum);
    user.succeeds(&["mod", "verify"]);
    until("all is filled", || filled(&proxy) == all);
}

#[test]
fn a_registry_dies_in_the_middle_of_a_download_that_waits_for_it() {
    story("wait");
}

#[test]
fn a_registry_dies_in_the_middle_of_a_download_that_it_is_sent_to() {
    story("redirect_and_fill");
}
