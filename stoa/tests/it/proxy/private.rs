//! F4: what is private never leaves, not even as a name.

use stoa_shared::testing::git_server::{Options, Page};
use stoa_shared::testing::repository::RepositoryBuilder;

use super::Deployment;
use super::recorder::Recorder;
use crate::http_client;

const HOST: &str = "git.corp.example";

#[test]
fn f4_no_private_name_leaves() {
    let registry = Deployment::registry("f4-registry");
    let recorder = Recorder::start();
    let mut site = Deployment::site_of_proxy("f4-proxy", &registry.url());
    for name in ["vanity", "plain"] {
        let suffix = if name == "plain" { ".git" } else { "" };
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {HOST}/team/{name}{suffix}\n\ngo 1.20\n"));
        repository.file("pkg/pkg.go", "package pkg\n");
        let commit = repository.commit("main");
        repository.tag("v1.0.0", commit);
        repository.build(&site.git.root().join("team").join(name)).unwrap();
    }
    let tag = format!(
        "<meta name=\"go-import\" content=\"{HOST}/team/vanity git https://{HOST}/team/vanity\">"
    );
    let mut options = Options::default();
    for path in ["/team/vanity", "/team/vanity/pkg"] {
        options = options.with_page(path, Page::html(&tag));
    }
    site.git.behave(options);
    site.set("STOA_VCS_REWRITE", format!("https://{HOST}/={}/", site.git.url()));
    // The go command asks for the host alone, too.
    site.set("STOA_PRIVATE", format!("{HOST}/*"));
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
