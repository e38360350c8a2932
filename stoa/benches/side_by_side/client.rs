//! The whole way: the go command downloads the corpus into an empty module cache.

use crate::Bench;
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

/// Through a proxy that has nothing, in front of a static registry.
pub(crate) fn measure_cold(bench: &Bench) -> Outcome<Vec<Row>> {
    let nginx = start_nginx(bench)?;
    let mut seconds = Seconds::default();
    for _ in bench.plan.rounds(bench.plan.client_rounds) {
        seconds.nginx.push(download(bench, nginx.authority()).naming("nginx")?);
        let stoa = StoaSettings::new(&bench.directories.unused("cold-proxy"))
            .set("STOA_ROLE", "proxy")
            .set("STOA_UPSTREAM", format!("http://{}", nginx.authority()))
            .start()?;
        seconds.stoa.push(download(bench, stoa.authority()).naming("stoa")?);
    }
    Ok(vec![seconds.row(bench, "cold proxy")])
}

fn start_nginx(bench: &Bench) -> Outcome<Nginx> {
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
        let (stoa, nginx) = (median(self.stoa), median(self.nginx));
        let modules = bench.plan.client_modules.unwrap_or_else(|| bench.corpus.versions().len());
        let what = format!("go mod download of {modules} modules, {what}");
        Row::ratio(what, stoa, nginx, Bound::AtMost(1.2))
            .from(format!("{stoa:.2} s"), format!("nginx {nginx:.2} s"))
    }
}

/// Seconds.
fn download(bench: &Bench, authority: &str) -> Outcome<f64> {
    let client = GoClient::through(&bench.directories, authority);
    let taken = match bench.plan.client_modules {
        None => client.download_corpus()?,
        Some(count) => {
            // Spread over the corpus, so that all its owners and sizes are among them.
            let all = bench.corpus.versions();
            let step = (all.len() / count).max(1);
            let some: Vec<String> = all.into_iter().step_by(step).take(count).collect();
            client.download(&some)?
        }
    };
    Ok(taken.as_secs_f64())
}
