//! F4: what is private never leaves, not even as a name.

use stoa_shared::testing::git_server::{Options, Page};
use stoa_shared::testing::repository::RepositoryBuilder;

use super::Deployment;
use super::recorder::Recorder;
use crate::fleet::Site;
use crate::http_client;

const HOST: &str = "git.corp.example";

/// The site of a proxy whose private modules lie on its git host: `vanity`, which a page
/// leads to, `plain.git`, and `young`, which has no tag.
fn site(name: &str, registry: &Deployment) -> Site {
    let mut site = Deployment::site_of_proxy(name, &registry.url());
    for name in ["vanity", "plain", "young"] {
        let suffix = if name == "plain" { ".git" } else { "" };
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {HOST}/team/{name}{suffix}\n\ngo 1.20\n"));
        repository.file("pkg/pkg.go", "package pkg\n");
        let commit = repository.commit("main");
        if name != "young" {
            repository.tag("v1.0.0", commit);
        }
        repository.build(&site.git.root().join("team").join(name)).unwrap();
    }
    let mut options = Options::default();
    for name in ["vanity", "young"] {
        let root = format!("{HOST}/team/{name}");
        let tag = format!("<meta name=\"go-import\" content=\"{root} git https://{root}\">");
        for path in [format!("/team/{name}"), format!("/team/{name}/pkg")] {
            options = options.with_page(&path, Page::html(&tag));
        }
    }
    site.git.behave(options);
    site.set("STOA_VCS_REWRITE", format!("https://{HOST}/={}/", site.git.url()));
    // The go command asks for the host alone, too.
    site.set("STOA_PRIVATE", format!("{HOST}/*"));
    site
}

#[test]
fn f4_no_private_name_leaves() {
    let registry = Deployment::registry("f4-registry");
    let recorder = Recorder::start();
    let mut site = site("f4-proxy", &registry);
    // Whatever is asked of any other host goes through here.
    for name in ["HTTPS_PROXY", "HTTP_PROXY"] {
        site.set(name, recorder.url());
    }
    site.set("NO_PROXY", "127.0.0.1");
    let proxy = Deployment::start(site, "f4-proxy");
    let user = proxy.go("user");
    user.succeeds(&["get", &format!("{HOST}/team/vanity/pkg@v1.0.0")]);
    user.succeeds(&["get", &format!("{HOST}/team/plain.git/pkg@latest")]);
    user.succeeds(&["list", "-m", "-versions", &format!("{HOST}/team/vanity")]);
    user.fails(&["get", &format!("{HOST}/team/nowhere/pkg@latest")]);

    assert_eq!(recorder.asked(), [] as [String; 0]);
    assert_eq!(registry.frontend.requests(), 0.0);
    assert_eq!(registry.site.git.asked(), 0);
    // Nothing of it is public: not the files, not a list, not the catalog.
    let path = format!("/{HOST}/team/vanity/@v/v1.0.0.info");
    let forwarded = [("X-Forwarded-For", "10.1.2.3")];
    let authority = proxy.frontend.authority();
    let reply = http_client::request(authority, "GET", &path, &forwarded).unwrap();
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(proxy.frontend.get("/catalog").text(), r#"{"modules":[]}"#);
    let keys = proxy.site.keys();
    let outside: Vec<_> = keys.iter().filter(|key| key.contains("team")).collect();
    assert!(!outside.is_empty());
    for key in outside {
        assert!(key.starts_with("_stoa/private/default/"), "{key}");
    }
}

#[test]
fn private_modules_that_are_stored_are_used_offline_as_ever() {
    let registry = Deployment::registry("offline-registry");
    let proxy = Deployment::start(site("offline-proxy", &registry), "offline-proxy");
    let user = proxy.go("online");
    user.succeeds(&["get", &format!("{HOST}/team/vanity/pkg@v1.0.0")]);
    // Nobody asks for the latest version of it.
    user.succeeds(&["mod", "download", &format!("{HOST}/team/young@main")]);
    let keys = proxy.site.keys();
    let latest = |key: &&String| key.contains("young") && key.contains("latest");
    assert_eq!(keys.iter().find(latest), None);

    let Deployment { mut site, frontend, worker } = proxy;
    frontend.stop();
    worker.stop();
    site.set("STOA_NETWORK", "offline");
    site.git.reset_counts();
    let proxy = Deployment::start(site, "offline-proxy");
    for (number, query) in ["", "@latest", "@v1.0.0"].iter().enumerate() {
        let user = proxy.go(&format!("offline-{number}"));
        for name in ["vanity", "young"] {
            if name == "young" && *query == "@v1.0.0" {
                continue;
            }
            user.succeeds(&["get", &format!("{HOST}/team/{name}/pkg{query}")]);
            let main = format!("package main\n\nimport _ \"{HOST}/team/{name}/pkg\"\n");
            let main = format!("{main}\nfunc main() {{}}\n");
            std::fs::write(user.program.join("main.go"), main).unwrap();
            user.succeeds(&["build", "-o", "/dev/null", "."]);
        }
    }
    // Of what is not here nothing is known: no 404, with which its name would go on.
    let user = proxy.go("offline-absent");
    for query in ["plain.git/pkg", "plain.git/pkg@latest", "vanity/pkg@v1.1.0"] {
        let told = user.fails(&["get", &format!("{HOST}/team/{query}")]);
        assert!(told.contains("503 Service Unavailable"), "{told}");
        assert!(told.contains("private, and this proxy is offline"), "{told}");
    }
    assert_eq!(proxy.site.git.asked(), 0);
}
