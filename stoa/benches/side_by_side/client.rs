//! The whole way: the go command downloads the corpus into an empty module cache.

use crate::Bench;
use crate::corpus;
use crate::go_client::GoClient;
use crate::http_client;
use crate::nginx::Nginx;
use crate::outcome::{Naming, Outcome};
use crate::report::{Bound, Row, median};
use crate::stoa_process::StoaSettings;

/// Through a Stoa that has everything.
pub(crate) fn measure_warm(bench: &Bench) -> Outcome<Vec<Row>> {
    let store = bench.directories.scratch("client-store");
    bench.corpus.link_into(&store)?;
    let nginx = start_nginx(bench)?;
    let stoa = StoaSettings::new(&store).start()?;
    // A copied-in tree is given its sums when it is read for the first time.
    for file in bench.corpus.files() {
        http_client::get_ok(stoa.authority(), &file.url_path())?;
    }
    let mut seconds = Seconds::default();
    for _ in bench.plan.rounds(bench.plan.client_rounds) {
        seconds.nginx.push(download(bench, nginx.authority()).naming("nginx")?);
        seconds.stoa.push(download(bench, stoa.authority()).naming("stoa")?);
    }
    Ok(vec![seconds.row(bench, "warm")])
}

pub(crate) fn start_nginx(bench: &Bench) -> Outcome<Nginx> {
    let root = bench.directories.unused("client-root");
    bench.corpus.link_into(&root)?;
    Nginx::start(&root, &bench.directories.scratch("nginx-client"))
}

/// Of every round.
#[derive(Debug, Default)]
struct Seconds {
    stoa: Vec<f64>,
    nginx: Vec<f64>,
}

impl Seconds {
    fn row(self, bench: &Bench, what: &str) -> Row {
        row(bench, what, median(self.stoa), median(self.nginx))
    }
}

/// How long a download took beside the same from nginx, in seconds.
pub(crate) fn row(bench: &Bench, what: &str, stoa: f64, nginx: f64) -> Row {
    let what = format!("go mod download of {} modules, {what}", chosen(bench).len());
    Row::ratio(what, stoa, nginx, Bound::AtMost(1.2))
        .from(format!("{stoa:.2} s"), format!("nginx {nginx:.2} s"))
}

/// The stems of what is downloaded.
pub(crate) fn chosen(bench: &Bench) -> Vec<&str> {
    let all = bench.corpus.stems();
    match bench.plan.client_modules {
        None => all,
        Some(count) => {
            // Spread over the corpus, so that all its owners and sizes are among them.
            let step = (all.len() / count).max(1);
            all.into_iter().step_by(step).take(count).collect()
        }
    }
}

/// Seconds.
pub(crate) fn download(bench: &Bench, authority: &str) -> Outcome<f64> {
    let client = GoClient::through(&bench.directories, authority);
    let taken = match bench.plan.client_modules {
        None => client.download_corpus()?,
        Some(_) => {
            let some: Vec<String> = chosen(bench).into_iter().map(corpus::version).collect();
            client.download(&some)?
        }
    };
    Ok(taken.as_secs_f64())
}
