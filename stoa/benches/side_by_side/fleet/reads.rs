//! What is stored already, read through a frontend: from its memory beside nginx, and from
//! the bucket beside the S3 server asked directly.

use std::time::{Duration, Instant};

use super::site::Site;
use crate::Bench;
use crate::corpus::File;
use crate::nginx::Nginx;
use crate::outcome::{Failure, Outcome};
use crate::report::Row;
use crate::rounds::Rounds;
use crate::stoa_process::StoaProcess;
use crate::warm::{self, CONNECTIONS};
use crate::wrk::Load;

/// The sums of the whole corpus take a small machine half a minute.
const RECORDED_WITHIN: Duration = Duration::from_secs(180);
const SLOTS: usize = 4;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let Bench { directories, corpus, plan } = bench;
    let site = Site::prepare(bench)?;
    site.bucket.put_corpus(corpus)?;
    let root = directories.unused("fleet-root");
    corpus.link_into(&root)?;
    let nginx = Nginx::start(&root, &directories.scratch("nginx-fleet"))?;
    let frontend = site.frontend()?;
    record(bench, &site, &frontend, &nginx)?;

    let is_small = |file: &File| file.is(".info") || file.is(".mod");
    let small = Loads::of(bench, &site, "small", &is_small)?;
    let rounds = Rounds::alternate(
        plan,
        "nginx",
        |length| small.ours.put_on(frontend.authority(), length),
        |length| small.ours.put_on(nginx.authority(), length),
    )?;
    let mut rows = Vec::from(rounds.request_rows("fleet, warm .info and .mod, 64 connections"));
    drop(frontend);

    // A frontend without memory reads every file from the bucket, as the first request for
    // it does. All it knows after a moment is which versions there are: that spares the
    // request for a `.mod` that comes before any for its `.info` one look.
    let rounds = beside_s3(bench, &site, &small)?;
    rows.push(rounds.request_row("fleet, first reads of .info and .mod", 0.8));

    let zips = Loads::of(bench, &site, "zips", &|file| file.is(".zip"))?;
    let rounds = beside_s3(bench, &site, &zips)?;
    rows.push(rounds.byte_row("fleet, zips of all sizes streamed, bytes", 0.6));
    Ok(rows)
}

/// What was copied into the bucket is given its catalog entries as in life: a worker makes
/// each when the zip is read for the first time.
fn record(bench: &Bench, site: &Site, frontend: &StoaProcess, nginx: &Nginx) -> Outcome<()> {
    let _worker = site.worker(SLOTS)?;
    warm::compare(frontend.authority(), nginx.authority(), bench.corpus.files())?;
    let (versions, started) = (bench.corpus.stems().len(), Instant::now());
    loop {
        let recorded = site.bucket.count("_stoa/catalog/")?;
        if recorded >= versions {
            return Ok(());
        }
        if started.elapsed() > RECORDED_WITHIN {
            let text = format!("{recorded} of {versions} versions have a catalog entry");
            return Err(Failure::new(text));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The same files, asked for at a frontend and at the S3 server.
struct Loads {
    ours: Load,
    theirs: Load,
}

impl Loads {
    fn of(bench: &Bench, site: &Site, name: &str, wanted: &dyn Fn(&File) -> bool) -> Outcome<Self> {
        let files = || bench.corpus.files().iter().filter(|file| wanted(file));
        let signed: Outcome<_> = files().map(|file| site.bucket.signed_path(&file.path)).collect();
        let load = |server: &str, paths| {
            let list = bench.directories.scratch(&format!("fleet-{name}-{server}.txt"));
            Load::new(list, paths, CONNECTIONS)
        };
        let ours = load("stoa", files().map(File::url_path).collect())?;
        Ok(Self { ours, theirs: load("s3", signed?)? })
    }
}

fn beside_s3(bench: &Bench, site: &Site, loads: &Loads) -> Outcome<Rounds> {
    Rounds::alternate(
        &bench.plan,
        "S3 server",
        |length| {
            let frontend = site.forgetful_frontend()?;
            loads.ours.put_on(frontend.authority(), length)
        },
        |length| loads.theirs.put_on(site.bucket.authority(), length),
    )
}
