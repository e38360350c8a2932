//! What is not stored yet: Stoa fetches it from git over HTTP, beside git and the go
//! command doing the same.

use std::time::{Duration, Instant};

use crate::Bench;
use crate::directories;
use crate::git_host::GitHost;
use crate::go_client::GoClient;
use crate::http_client;
use crate::outcome::Outcome;
use crate::program;
use crate::report::{Bound, Row, Unit, median};
use crate::repositories::{self, Repository};
use crate::stoa_process::StoaSettings;

/// How far away the VCS is in the rows that say so.
const FAR: Duration = Duration::from_millis(100);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let root = bench.directories.repositories();
    let repositories = Repository::for_fills();
    for repository in &repositories {
        repository.prepare(&root)?;
    }
    let host = GitHost::start(root)?;
    let mut rows = Vec::new();
    for repository in &repositories {
        // The page cache is warm for whoever comes first.
        fetch(bench, &host, repository, &Repository::tag(repository.tag_count() - 1))?;
        let rounds = Rounds::run(bench, &host, repository, 0)?;
        rows.extend(rounds.time_rows(repository.title));
        rows.extend(rounds.request_rows(repository.title));
    }
    let [small, ..] = &repositories;
    host.set_delay(FAR);
    let rounds = Rounds::run(bench, &host, small, 2 * bench.plan.fill_rounds)?;
    let title = format!("{}, VCS {} ms away", small.title, FAR.as_millis());
    rows.extend(rounds.time_rows(&title));
    rows.extend(rounds.request_rows(&title));
    Ok(rows)
}

/// Seconds, and requests that the VCS saw, of every round.
#[derive(Debug, Default)]
struct Rounds {
    first: Fills,
    next: Fills,
    list_requests: usize,
    /// The go command in direct mode, for the first version.
    go: Vec<f64>,
}

#[derive(Debug, Default)]
struct Fills {
    stoa: Vec<f64>,
    git: Vec<f64>,
    /// The most of any round.
    requests: usize,
}

impl Rounds {
    /// Two tags a round that no earlier round has touched, beginning with `tag`.
    fn run(bench: &Bench, host: &GitHost, repository: &Repository, tag: usize) -> Outcome<Self> {
        let mut rounds = Self::default();
        for round in bench.plan.rounds(bench.plan.fill_rounds) {
            let first = Repository::tag(tag + 2 * round);
            let next = Repository::tag(tag + 2 * round + 1);
            rounds.fill(bench, host, repository, [&first, &next])?;
            rounds.first.git.push(fetch(bench, host, repository, &first)?);
            rounds.next.git.push(fetch(bench, host, repository, &next)?);
            let client = GoClient::direct(&bench.directories, &host.rewrite())?;
            let taken = client.download(&[format!("{}@{first}", repository.module())])?;
            rounds.go.push(taken.as_secs_f64());
        }
        Ok(rounds)
    }

    /// A process that knows nothing fills one version, then another, then lists.
    fn fill(
        &mut self,
        bench: &Bench,
        host: &GitHost,
        repository: &Repository,
        versions: [&str; 2],
    ) -> Outcome<()> {
        let store = bench.directories.unused("fill-store");
        let stoa = StoaSettings::new(&store).set("STOA_VCS_REWRITE", host.setting()).start()?;
        let module = repository.module();
        host.take_requests();
        for (fills, version) in [&mut self.first, &mut self.next].into_iter().zip(versions) {
            let started = Instant::now();
            http_client::get_ok(stoa.authority(), &format!("/{module}/@v/{version}.info"))?;
            fills.stoa.push(started.elapsed().as_secs_f64());
            fills.requests = fills.requests.max(host.take_requests());
        }
        for version in versions {
            http_client::get_ok(stoa.authority(), &format!("/{module}/@v/{version}.zip"))?;
        }
        let list = format!("/{module}/@v/list");
        http_client::get_ok(stoa.authority(), &list)?;
        host.take_requests();
        http_client::get_ok(stoa.authority(), &list)?;
        self.list_requests = self.list_requests.max(host.take_requests());
        Ok(())
    }

    fn time_rows(&self, title: &str) -> [Row; 3] {
        let row = |what: &str, fills: &Fills, bound| {
            let (stoa, git) = (median(fills.stoa.clone()), median(fills.git.clone()));
            Row::ratio(format!("fill, {title}: {what}"), stoa, git, Bound::AtMost(bound))
                .from(seconds(stoa), format!("git fetch --depth 1 {}", seconds(git)))
        };
        let (stoa, go) = (median(self.first.stoa.clone()), median(self.go.clone()));
        let what = format!("fill, {title}: first version, beside go");
        [
            row("first version", &self.first, 1.2),
            row("second version", &self.next, 0.8),
            Row::ratio(what, stoa, go, Bound::None)
                .from(seconds(stoa), format!("go mod download, direct {}", seconds(go))),
        ]
    }

    fn request_rows(&self, title: &str) -> [Row; 3] {
        let row = |what: &str, count: usize, most: f64| {
            let what = format!("fill, {title}: requests, {what}");
            Row::new(what, count as f64, Unit::Requests, Bound::AtMost(most))
        };
        [
            row("first version", self.first.requests, 3.0),
            row("second version", self.next.requests, 1.0),
            row("fresh list", self.list_requests, 0.0),
        ]
    }
}

/// Seconds that git takes for one tag, into a repository that has nothing.
fn fetch(bench: &Bench, host: &GitHost, repository: &Repository, tag: &str) -> Outcome<f64> {
    let directory = bench.directories.unused("fetch");
    directories::create(&directory)?;
    program::run(repositories::git(&directory).args(["init", "--quiet", "--bare"]))?;
    let mut git = repositories::git(&directory);
    git.args(["fetch", "--quiet", "--depth", "1", &host.url(&repository.name)])
        .arg(format!("refs/tags/{tag}"));
    Ok(program::time(&mut git)?.as_secs_f64())
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3} s")
}
