//! A proxy before no registry at all: before files, which is all that GOPROXY asks for.

use std::path::Path;

use stoa_shared::testing::repository::RepositoryBuilder;

use super::{Deployment, User};
use crate::fleet::{Site, module};
use crate::go_command::GoCommand;
use crate::module_zip;
use crate::page_server::PageServer;
use crate::static_tree::StaticTree;
use crate::stories::until;

/// What the go command downloads with its zip for a program that needs these two.
const WHOLE: [(&str, &str); 3] = [("app", "v1.0.0"), ("old", "v1.0.0"), ("lib", "v1.1.0")];

/// Both need `lib`. What `old` says is read although `app` needs a newer one, so that of
/// `lib`'s first version a module cache has the go.mod alone.
fn publish(site: &Site) {
    let build = |name: &str, tags: &[&str], go_mod: String| {
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", go_mod);
        for tag in tags {
            let commit = repository.file("tag.txt", format!("{name} {tag}\n")).commit("main");
            repository.tag(tag, commit);
        }
        repository.build(&site.git.root().join(name)).unwrap();
    };
    let requiring = |name: &str, go: &str, version: &str| {
        let (module, lib) = (module(name), module("lib"));
        format!("module {module}\n\ngo {go}\n\nrequire {lib} {version}\n")
    };
    build("lib", &["v1.0.0", "v1.1.0"], format!("module {}\n", module("lib")));
    build("app", &["v1.0.0"], requiring("app", "1.21", "v1.1.0"));
    build("old", &["v1.0.0"], requiring("old", "1.16", "v1.0.0"));
}

/// The program's `go mod download all`; `sums` is what go.sum has to say.
fn download(user: &User, sums: Option<&str>) {
    let (app, old) = (module("app"), module("old"));
    let go_mod = format!(
        "module program.example/p\n\ngo 1.21\n\nrequire (\n\t{app} v1.0.0\n\t{old} v1.0.0\n)\n"
    );
    std::fs::write(user.program.join("go.mod"), go_mod).unwrap();
    if let Some(sums) = sums {
        std::fs::write(user.program.join("go.sum"), sums).unwrap();
    }
    user.succeeds(&["mod", "download", "all"]);
    if let Some(sums) = sums {
        assert_eq!(std::fs::read_to_string(user.program.join("go.sum")).unwrap(), sums);
    }
}

fn mutable(mut user: User) -> User {
    user.go = user.go.set("GOFLAGS", "-modcacherw -mod=mod");
    user
}

fn story(mode: &str) {
    let mut site = Site::new(&format!("static-{}", mode.replace('_', "-")));
    publish(&site);
    let (home, program) = (site.directory.join("origin"), site.directory.join("origin/program"));
    let fixtures = format!("file://{}/", site.git.root().display());
    let rewrites = [(format!("https://{}", module("")), fixtures)];
    let go = GoCommand::direct(&home, &rewrites, &PageServer::start());
    std::fs::create_dir_all(&program).unwrap();
    let origin = mutable(User { go, program });
    download(&origin, None);
    let sums = std::fs::read_to_string(origin.program.join("go.sum")).unwrap();
    let cache = home.join("gomodcache/cache/download");
    let first = cache.join(module("lib")).join("@v/v1.0.0.mod");
    assert!(first.exists() && !first.with_extension("zip").exists(), "{}", first.display());

    let mut tree = StaticTree::start(&cache);
    site.set("STOA_ROLE", "proxy");
    site.set("STOA_UPSTREAM", tree.url());
    site.set("STOA_DOWNLOAD", mode);
    let proxy = Deployment::start(site, "static-proxy");
    let user = mutable(proxy.go("cold"));
    download(&user, Some(&sums));
    let told = user.succeeds(&["list", "-m", "-versions", &module("lib")]);
    assert_eq!(told, format!("{} v1.0.0 v1.1.0\n", module("lib")));
    for (name, version) in WHOLE {
        proxy.until_filled(&module(name), version);
        check(&proxy, &cache, name, version);
    }
    // Nobody asks twice, and users themselves only where they are sent.
    let most = if mode == "wait" { 1 } else { 2 };
    for (name, version) in WHOLE {
        let zip = format!("/{}/@v/{version}.zip", module(name));
        let times = tree.asked().iter().filter(|asked| **asked == zip).count();
        assert!((1..=most).contains(&times), "{zip}: {times} times");
    }
    let first = format!("/{}/@v/v1.0.0.mod", module("lib"));
    until("the version without a zip is here, too", || proxy.has(&first));

    // From now on the proxy is all there is.
    tree.stop();
    let user = mutable(proxy.go("clean"));
    download(&user, Some(&sums));
    let told = user.succeeds(&["list", "-m", "-versions", &module("lib")]);
    assert_eq!(told, format!("{} v1.0.0 v1.1.0\n", module("lib")));
}

/// The proxy has what the tree has.
fn check(proxy: &Deployment, cache: &Path, name: &str, version: &str) {
    let read = |file: &str| {
        let path = format!("/{}/@v/{version}.{file}", module(name));
        let reply = proxy.frontend.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.body
    };
    let lying = cache.join(module(name)).join("@v").join(version);
    let lying = |file: &str| std::fs::read(format!("{}.{file}", lying.display())).unwrap();
    assert_eq!(read("mod"), lying("mod"));
    let zip = module_zip::read(&read("zip"), &format!("{}@{version}/", module(name))).unwrap();
    assert_eq!(zip.sum.as_bytes(), lying("ziphash"), "{name}@{version}");
}

#[test]
fn a_proxy_before_a_plain_static_tree_waits_for_its_files() {
    story("wait");
}

#[test]
fn a_proxy_before_a_plain_static_tree_sends_users_there_and_fills_itself() {
    story("redirect_and_fill");
}
