//! How fills grow with workers and with slots: the VCS is far away, so that a fill is mostly
//! waiting.

use std::time::{Duration, Instant};

use super::site::Site;
use crate::Bench;
use crate::git_host::GitHost;
use crate::http_client;
use crate::outcome::{Failure, Outcome};
use crate::report::{Bound, Row, median};
use crate::repositories::Repository;

const DELAY: Duration = Duration::from_millis(200);
/// How many workers a fleet has, with how many slots each.
const FLEETS: [(usize, usize); 3] = [(1, 4), (2, 4), (1, 8)];

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let root = bench.directories.repositories();
    for repository in Repository::for_scale() {
        repository.prepare(&root)?;
    }
    let host = GitHost::start(root)?;
    host.set_delay(DELAY);
    let mut rates = [const { Vec::new() }; FLEETS.len()];
    for _ in bench.plan.rounds(bench.plan.scale_rounds) {
        for ((workers, slots), rates) in FLEETS.into_iter().zip(&mut rates) {
            rates.push(fill(bench, &host, workers, slots)?);
        }
    }
    let [one, two, wide] = rates.map(median);
    let row = |what: &str, rate: f64| {
        let what = format!("fleet, fills, VCS {} ms away: {what}", DELAY.as_millis());
        Row::ratio(what, rate, one, Bound::AtLeast(1.8))
            .from(format!("{rate:.1} fills/s"), format!("1 worker, 4 slots {one:.1} fills/s"))
    };
    Ok(vec![row("2 workers", two), row("8 slots", wide)])
}

/// Fills a second when all modules are asked for at once of a fleet that has none.
fn fill(bench: &Bench, host: &GitHost, workers: usize, slots: usize) -> Outcome<f64> {
    let site = Site::prepare(bench)?.set("STOA_VCS_REWRITE", host.setting());
    let frontend = site.frontend()?;
    let _workers: Vec<_> = (0..workers).map(|_| site.worker(slots)).collect::<Outcome<_>>()?;
    let modules = Repository::for_scale();
    let ask = &|repository: &Repository| {
        let path = format!("/{}/@v/{}.info", repository.module(), Repository::tag(0));
        http_client::get_ok(frontend.authority(), &path)
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            modules.iter().map(|module| scope.spawn(move || ask(module))).collect();
        clients.into_iter().try_for_each(|client| {
            client.join().map_err(|_| Failure::new("a client panicked"))?.map(|_| ())
        })
    })?;
    Ok(modules.len() as f64 / started.elapsed().as_secs_f64())
}
