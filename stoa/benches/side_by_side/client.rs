//! The whole way: the go command downloads the corpus into an empty module cache.

use crate::Bench;
use crate::directories;
use crate::go_client::GoClient;
use crate::nginx::Nginx;
use crate::outcome::{Naming, Outcome};
use crate::report::{Bound, Row, median};
use crate::stoa_process::StoaSettings;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let Bench { directories, corpus, plan } = bench;
    let (store, root) = (directories.scratch("client-store"), directories.scratch("client-root"));
    corpus.link_into(&store)?;
    corpus.link_into(&root)?;
    let nginx = Nginx::start(&root, &directories.scratch("nginx-client"))?;
    let warm = StoaSettings::new(&store).start()?;
    // A copied-in tree is given its sums when it is read for the first time.
    download(bench, warm.authority()).naming("stoa, first read")?;

    let (mut straight, mut through_warm, mut through_cold) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.client_rounds {
        straight.push(download(bench, nginx.authority()).naming("nginx")?);
        through_warm.push(download(bench, warm.authority()).naming("warm stoa")?);

        let empty = directories.scratch("cold-proxy");
        directories::remove(&empty)?;
        let cold = StoaSettings::new(&empty)
            .set("STOA_ROLE", "proxy")
            .set("STOA_UPSTREAM", format!("http://{}", nginx.authority()))
            .start()?;
        through_cold.push(download(bench, cold.authority()).naming("cold stoa")?);
    }

    let modules = plan.client_modules.unwrap_or_else(|| corpus.versions().len());
    let straight = median(straight);
    let row = |what: &str, seconds: f64| {
        let what = format!("go mod download of {modules} modules, {what}");
        Row::ratio(what, seconds, straight, Bound::AtMost(1.2))
            .from(format!("{seconds:.2} s"), format!("nginx {straight:.2} s"))
    };
    let (through_warm, through_cold) = (median(through_warm), median(through_cold));
    Ok(vec![row("warm", through_warm), row("cold proxy", through_cold)])
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
