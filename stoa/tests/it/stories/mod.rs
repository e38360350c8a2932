//! Stories of users, operators and origins: Stoa over a git server that counts requests,
//! becomes slow, fails and goes away.

mod absence;
mod copied_cache;
pub(crate) mod git_host;
mod herd;
mod http_answers;
mod immutability;
mod minimal_fetches;
mod origin_trouble;
mod pages;
mod requests;
mod restart;
mod silent_host;
mod start;
mod wait_deadline;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use stoa_shared::testing::repository::{Repository, RepositoryBuilder};

use self::git_host::GitHost;
use crate::http_client::{self, Reply};
use crate::stoa_process::{StoaProcess, StoaSettings};

const ORGANISATION: &str = "github.com/stoa-stories";

/// Only bounds a wait for what never comes.
const HAPPENS_WITHIN: Duration = Duration::from_secs(60);

/// A git host with repositories, and the directory of one Stoa that fetches from it.
struct Site {
    directory: PathBuf,
    git: GitHost,
}

impl Site {
    /// An empty site in a directory of this name.
    fn new(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stories").join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        let repositories = directory.join("repositories");
        std::fs::create_dir_all(&repositories).unwrap();
        Self { git: GitHost::start(repositories), directory }
    }

    /// Puts a repository on the host.
    fn build(&self, name: &str, repository: &RepositoryBuilder) -> Repository {
        repository.build(&self.git.root().join(name)).unwrap()
    }

    /// A repository with one module at its root, a commit for each tag.
    fn publish(&self, name: &str, tags: &[&str]) -> Repository {
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {}\n", module(name)));
        for tag in tags {
            let commit = repository.file("tag.txt", format!("{name} {tag}\n")).commit("main");
            repository.tag(tag, commit);
        }
        self.build(name, &repository)
    }

    /// Settings of a Stoa that finds the organisation on the git host.
    fn settings(&self) -> StoaSettings {
        let rewrites = [(format!("https://{ORGANISATION}/"), format!("{}/", self.git.url()))];
        StoaSettings::new(&self.storage()).rewrite(&rewrites)
    }

    fn storage(&self) -> PathBuf {
        self.directory.join("storage")
    }

    /// Where a stored file of a version lies; its `.info` makes the version visible.
    fn stored(&self, module: &str, file: &str) -> PathBuf {
        self.storage().join(module).join("@v").join(file)
    }
}

fn module(name: &str) -> String {
    format!("{ORGANISATION}/{name}")
}

/// Waits until the condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < HAPPENS_WITHIN, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gets a path of a module, which must be there.
fn get_ok(stoa: &StoaProcess, module: &str, file: &str) -> Reply {
    let path = format!("/{module}/{file}");
    let reply = stoa.get(&path);
    assert_eq!(reply.status, 200, "{path}: {}\n{}", reply.text(), stoa.log());
    reply
}

/// Sends a request with further headers.
fn ask(stoa: &StoaProcess, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    http_client::request(stoa.authority(), method, path, headers)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", stoa.log()))
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

/// Checks that an error is one line for the user of a terminal, with these first words.
fn check_error(reply: &Reply, status: u16, first_words: &str) {
    let text = reply.text();
    assert_eq!(reply.status, status, "{text}");
    assert!(text.starts_with(first_words), "{first_words:?} does not begin {text:?}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8", "{text}");
    assert!(!text.contains("127.0.0.1"), "tells where a rewrite leads: {text}");
}

/// Checks an error that says nothing about the module: to be asked again, never cached.
fn check_trouble(reply: &Reply, status: u16, first_words: &str) {
    check_error(reply, status, first_words);
    assert!(reply.header("retry-after").parse::<u32>().is_ok(), "{:?}", reply.headers);
    assert_eq!(reply.header("cache-control"), "no-store");
}
