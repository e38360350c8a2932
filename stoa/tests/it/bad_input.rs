//! Hostile requests, repositories and pages: a clear line, the right status, bounded time,
//! and nothing left behind.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stoa_shared::testing::repository::{RawEntry, RepositoryBuilder};

use crate::kill::all_files;
use crate::page_server::{Page, PageServer};
use crate::stoa_process::{StoaProcess, StoaSettings};

/// `STOA_WAIT` of these tests: nothing may take much longer than a client would wait.
const WAIT: Duration = Duration::from_secs(30);

struct Site {
    directory: PathBuf,
    pages: PageServer,
    stoa: StoaProcess,
}

impl Site {
    fn new(name: &str, build: impl FnOnce(&Path)) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        let fixtures = directory.join("fixtures");
        std::fs::create_dir_all(&fixtures).unwrap();
        build(&fixtures);
        let pages = PageServer::start();
        let rewrites = [
            ("https://github.com/stoa-bad/".to_owned(), format!("file://{}/", fixtures.display())),
            pages.rewrite("vanity.example"),
        ];
        let stoa = StoaSettings::new(&directory.join("storage"))
            .rewrite(&rewrites)
            .set("STOA_WAIT", format!("{}s", WAIT.as_secs()))
            .start();
        Self { directory, pages, stoa }
    }

    /// Asks, and checks the form of a refusal: in time, one line of plain text, no local path.
    fn refusal(&self, path: &str) -> (u16, String) {
        let asked = Instant::now();
        let reply = self.stoa.get(path);
        let shown: String = path.chars().take(120).collect();
        assert!(asked.elapsed() < WAIT * 2, "{shown}: answered after {:?}", asked.elapsed());
        let text = reply.text();
        assert_ne!(reply.status, 200, "{shown}: {text}");
        assert!(reply.header("content-type").starts_with("text/plain"), "{shown}: {reply:?}");
        assert_eq!(text.trim_end().lines().count(), 1, "{shown}: {text:?}");
        assert!(!text.contains(&*self.directory.to_string_lossy()), "{shown}: {text:?}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{shown}: {text:?}");
        (reply.status, text)
    }

    /// No module came to lie in storage, and nothing outside of it.
    fn assert_nothing_stored(&self) {
        let storage = self.stoa.directory();
        let modules: Vec<PathBuf> = all_files(storage)
            .into_iter()
            .filter(|file| !file.starts_with(storage.join("_stoa")))
            .filter(|file| {
                file.extension().is_some_and(|extension| {
                    ["info", "mod", "zip"].iter().any(|known| extension == *known)
                })
            })
            .collect();
        assert_eq!(modules, Vec::<PathBuf>::new());
        let mut beside: Vec<String> = std::fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        beside.sort();
        assert_eq!(beside, ["fixtures", "storage", "storage.log"]);
    }
}

#[test]
fn malformed_paths_are_not_found() {
    let site = Site::new("bad-paths", |_| {});
    let long_element = format!("/github.com/stoa-bad/{}/@v/list", "a".repeat(300));
    let long_version = format!("/github.com/stoa-bad/absent/@v/{}.info", "v".repeat(300));
    let long_path = format!("/github.com/stoa-bad{}/@v/list", "/a".repeat(2000));
    let paths = [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/github.com/../x/@v/list",
        "/github.com/%2e%2e/x/@v/list",
        "/github.com/stoa-bad/m/@v/../../../x.info",
        "/github.com/stoa-bad/m/@v/%2e%2e%2fx.info",
        "/github.com/stoa-bad/m/@v/..%2f..%2fx.zip",
        "/github.com/stoa-bad/m/@v/v1.0.0%2f..%2fx.info",
        "/github.com/stoa-bad/m/@v/v1.0.0%5c..%5cx.info",
        "/github.com/stoa-bad/m/@v/.info",
        "/github.com/stoa-bad/m/@v/...info",
        "/github.com/stoa-bad/m/@v/",
        "/github.com/stoa-bad/m/@v",
        "/github.com/stoa-bad/m/@v/v1.0.0",
        "/github.com/stoa-bad/m/@v/v1.0.0.exe",
        "/github.com/stoa-bad/m/@v/v1.0.0.ziphash",
        "/github.com/stoa-bad/m/@v/latest.info",
        "/github.com/stoa-bad/m/@v/upgrade.info",
        "/github.com/stoa-bad/m/@v/patch.info",
        "/github.com/stoa-bad/m/@v/main.zip",
        "/github.com/stoa-bad/m/@v/v1.zip",
        "/github.com/stoa-bad/m/@v/v1.0.0+meta.mod",
        "/github.com/stoa-bad/m/@v/V1.0.0.info",
        "/github.com/stoa-bad/m/@v/!.info",
        "/github.com/stoa-bad/m/@v/con.info",
        "/github.com/stoa-bad/m/@v/a%3ab.info",
        "/github.com/stoa-bad/m/@v/%00.info",
        "/github.com/stoa-bad/m/@v/%ff%fe.info",
        "/github.com/stoa-bad/m/@v/%c3%a9.info",
        "/github.com/stoa-bad/m/@v/%0d%0aSet-Cookie:x.info",
        "/github.com/stoa-bad/Upper/@v/list",
        "/github.com/stoa-bad/m!/@v/list",
        "/github.com/stoa-bad/!!m/@v/list",
        "/github.com/stoa-bad/!1/@v/list",
        "/github.com/stoa-bad//m/@v/list",
        "/github.com/stoa-bad/m//@v/list",
        "//github.com/stoa-bad/m/@v/list",
        "/github.com/stoa-bad/.hidden/@v/list",
        "/github.com/stoa-bad/m./@v/list",
        "/github.com/stoa-bad/aux/@v/list",
        "/github.com/stoa-bad/m~1/@v/list",
        "/github.com/stoa-bad/m/v1/@v/list",
        "/github.com/stoa-bad/m/v02/@v/list",
        "/github.com/stoa-bad/m%20n/@v/list",
        "/github.com/stoa-bad/m%00/@v/list",
        "/github.com/stoa-bad/%c3%a9/@v/list",
        "/github.com/stoa-bad/m.git/@v/list",
        "/github.com/@v/list",
        "/github.com/stoa-bad/@v/list",
        "/-h.example/m/@v/list",
        "/nodot/m/@v/list",
        "/@v/list",
        "/gopkg.in/yaml/@v/list",
        "/gopkg.in/yaml.v02/@v/list",
        "/_stoa/format",
        "/_stoa/catalog/github.com/x/@v/v1.0.0.json",
        "/_stoa/catalog/@v/list",
        "/_stoa.x/../_stoa/format",
        &long_element,
        &long_version,
        &long_path,
    ];
    let mut failures = Vec::new();
    for path in paths {
        let (status, text) = site.refusal(path);
        if status != 404 || !text.starts_with("not found") {
            failures.push(format!("{path}: {status} {text}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Beyond what a request line may have: refused before it is looked at.
    let reply = site.stoa.get(&format!("/github.com/{}/@v/list", "a".repeat(1 << 20)));
    assert!([404, 414, 431].contains(&reply.status), "{}", reply.status);
    site.assert_nothing_stored();
}

#[test]
fn hostile_references_are_data() {
    let module = "github.com/stoa-bad/references";
    let site = Site::new("bad-references", |fixtures| {
        let mut repository = RepositoryBuilder::new();
        let commit = repository.file("go.mod", format!("module {module}\n")).commit("main");
        for tag in [
            "v1.0.0$(touch${ifs}stolen)",
            "v1.0.0;touch",
            "v1.0.0|cat",
            "v1.0.0'quoted",
            "v1.0.0\"quoted",
            "v1.0.0%2fx",
            "--upload-pack=touch",
            "-v1.1.0",
            "v1.2.0-é",
            "deeply/nested/v1.3.0",
            "v1.0.0&amp;",
        ] {
            repository.tag(tag, commit);
        }
        repository.branch("--output=stolen", commit).tag("v1.4.0", commit);
        repository.build(&fixtures.join("references")).unwrap();
    });
    let list = site.stoa.get(&format!("/{module}/@v/list"));
    assert_eq!((list.status, list.text().trim_end()), (200, "v1.4.0"));
    // Legal file names, so legal queries: found as the references they are.
    for query in
        ["--upload-pack=touch", "-v1.1.0", "--output=stolen", "v1.0.0$(touch$%7Bifs%7Dstolen)"]
    {
        let reply = site.stoa.get(&format!("/{module}/@v/{query}.info"));
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        assert!(reply.text().contains("\"v1.4.0\""), "{query}: {}", reply.text());
    }
    for query in
        ["--help", "-", "--", "-c", "HEAD~1", "HEAD%5E", "@%7B0%7D", "refs", "v1.0.0%3Btouch"]
    {
        let (status, text) = site.refusal(&format!("/{module}/@v/{query}.info"));
        assert_eq!(status, 404, "{query}: {text}");
    }
    let stolen: Vec<PathBuf> = all_files(&site.directory)
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "stolen" || name == "touch"))
        .collect();
    assert_eq!(stolen, Vec::<PathBuf>::new());
}

#[test]
fn trees_that_no_zip_can_hold_are_refused() {
    let names = ["parent", "dot-git", "twice", "slash"];
    let site = Site::new("bad-trees", |fixtures| {
        let go_mod: RawEntry<'_> = ("100644", b"go.mod", b"module m.example/m\n");
        let hostile: [&[RawEntry<'_>]; 4] = [
            &[("100644", b"..", b"1"), go_mod],
            &[("100644", b".git", b"1"), ("100644", b"dot.", b"1"), go_mod],
            &[("100644", b"a", b"1"), ("100644", b"a", b"2"), go_mod],
            &[("100644", b"../../escaped", b"1"), go_mod],
        ];
        for (name, entries) in names.iter().zip(hostile) {
            let repository = RepositoryBuilder::new().build(&fixtures.join(name)).unwrap();
            let commit = repository.commit_raw_tree("refs/heads/main", entries).unwrap();
            repository.git(["update-ref", "refs/tags/v1.0.0", &commit], b"").unwrap();
        }
    });
    let mut failures = Vec::new();
    for name in names {
        let (status, text) = site.refusal(&format!("/github.com/stoa-bad/{name}/@v/v1.0.0.zip"));
        if status != 404 {
            failures.push(format!("{name}: {status} {text}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    site.assert_nothing_stored();
}

#[test]
fn hostile_pages_end_in_bounded_time() {
    let site = Site::new("bad-pages", |_| {});
    let address = |name: &str| format!("vanity.example/{name}");
    let huge = format!(
        "{}<meta name=\"go-import\" content=\"vanity.example/huge git https://github.com/stoa-bad/m\">",
        "<!-- filler -->\n".repeat(1 << 19)
    );
    let loop_to = |name: &str| Page::Redirect(address(name));
    let pages = [
        ("huge", Page::html(&huge)),
        ("endless", Page::Endless),
        ("drip", Page::Drip),
        ("silent", Page::Silent),
        ("loop", loop_to("loop")),
        ("binary", Page::Body(200, (0..=255).cycle().take(100_000).collect())),
        ("depth", Page::html(&"<a>".repeat(200_000))),
        ("attribute", Page::html(&format!("<meta name=\"{}", "x".repeat(900_000)))),
        ("entities", Page::html(&"&amp;".repeat(100_000))),
    ];
    for (name, page) in &pages {
        site.pages.serve(&address(name), page.clone());
    }
    let site = &site;
    std::thread::scope(|scope| {
        for (name, _) in &pages {
            scope.spawn(move || {
                let (status, text) = site.refusal(&format!("/vanity.example/{name}/@v/list"));
                assert!([404, 502, 503, 504].contains(&status), "{name}: {status} {text}");
            });
        }
    });
    // And the process still serves.
    assert_eq!(site.stoa.get("/healthz").status, 200);
    site.assert_nothing_stored();
}

#[test]
fn private_addresses_are_not_asked() {
    let site = Site::new("bad-addresses", |_| {});
    let inside = site.pages.authority().to_owned();
    let port = inside.split(':').nth(1).unwrap().to_owned();
    let remotes = [
        format!("https://{inside}/secret"),
        format!("http://{inside}/secret"),
        format!("https://localhost:{port}/secret"),
        format!("https://[::1]:{port}/secret"),
        format!("https://[::ffff:127.0.0.1]:{port}/secret"),
        format!("https://2130706433:{port}/secret"),
        format!("https://user:password@{inside}/secret"),
        format!("git://{inside}/secret"),
        format!("ssh://git@{inside}/secret"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/secret".to_owned(),
        "https://192.168.0.1/secret".to_owned(),
        "ext::sh -c touch% stolen".to_owned(),
        "file:///etc".to_owned(),
        "--upload-pack=touch://x".to_owned(),
    ];
    let mut modules = Vec::new();
    for (index, remote) in remotes.iter().enumerate() {
        let module = format!("vanity.example/inside{index}");
        site.pages.serve(&module, Page::import(&[&format!("{module} git {remote}")]));
        modules.push(module);
    }
    site.pages.serve("vanity.example/moved", Page::RedirectTo(format!("https://{inside}/secret")));
    modules.push("vanity.example/moved".to_owned());
    for host in ["127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "0.0.0.0"] {
        modules.push(format!("{host}/m"));
        modules.push(format!("{host}/m.git"));
    }
    for module in &modules {
        let (status, text) = site.refusal(&format!("/{module}/@v/list"));
        assert_eq!(status, 404, "{module}: {text}");
        assert!(!text.contains("password"), "{module}: {text}");
    }
    let asked: Vec<String> =
        site.pages.asked().into_iter().filter(|address| address.contains("secret")).collect();
    assert_eq!(asked, Vec::<String>::new());
    site.assert_nothing_stored();
}
