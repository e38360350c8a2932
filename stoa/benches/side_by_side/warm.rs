//! What is stored already: `.info` and `.mod`, zips of all sizes, big zips.

use serde_json::Value;

use crate::Bench;
use crate::corpus::File;
use crate::git_host::GitHost;
use crate::http_client;
use crate::memory::Sampler;
use crate::outcome::{Failure, Outcome};
use crate::report::{Bound, Row, Unit};
use crate::sides::Sides;
use crate::wrk::Load;

pub(crate) const CONNECTIONS: usize = 64;
const MANY_CONNECTIONS: usize = 256;
/// Bytes.
const BIG_ZIP: u64 = 5_000_000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let Bench { directories, corpus, .. } = bench;
    let host = GitHost::start(directories.repositories())?;
    let sides = Sides::start(bench, &host)?;
    compare(sides.stoa.authority(), sides.nginx.authority(), corpus.files())?;

    let mut rows = Vec::new();
    let urls = |wanted: &dyn Fn(&File) -> bool| -> Vec<String> {
        corpus.files().iter().filter(|file| wanted(file)).map(File::url_path).collect()
    };
    let small = urls(&|file| file.is(".info") || file.is(".mod"));
    let load = Load::new(directories.scratch("small.txt"), small, CONNECTIONS)?;
    let rounds = sides.alternate(&load)?;
    rows.extend(rounds.request_rows("warm .info and .mod, 64 connections"));

    let load = Load::new(directories.scratch("zips.txt"), urls(&|f| f.is(".zip")), CONNECTIONS)?;
    rows.push(
        sides.alternate(&load)?.byte_row("warm zips of all sizes, 64 connections, bytes", 1.0),
    );

    let big = urls(&|file| file.is(".zip") && file.size > BIG_ZIP);
    let load = Load::new(directories.scratch("big.txt"), big, MANY_CONNECTIONS)?;
    let sampler = Sampler::start(sides.stoa.process_id());
    let rounds = sides.alternate(&load);
    let memory = sampler.finish()?;
    rows.push(rounds?.byte_row("warm zips > 5 MB, 256 connections, bytes", 1.0));
    let what = "resident while serving those";
    let figures = format!("anon {:.1}, peak {:.1} MiB", memory.anonymous, memory.peak);
    rows.push(
        Row::new(what, memory.resident, Unit::Mebibytes, Bound::AtMost(100.0)).from(figures, ""),
    );
    Ok(rows)
}

/// Speed means nothing unless both say the same. It also is the first read of each file.
pub(crate) fn compare(stoa: &str, nginx: &str, files: &[File]) -> Outcome<()> {
    for file in files {
        let path = file.url_path();
        let ours = http_client::get_ok(stoa, &path)?;
        let theirs = http_client::get_ok(nginx, &path)?;
        let is_same = if file.is(".info") { same_info(&ours, &theirs) } else { ours == theirs };
        if !is_same {
            return Err(Failure::new(format!("{path}: Stoa's answer is not the stored file")));
        }
    }
    Ok(())
}

/// What the go command reads of an `.info`.
fn same_info(ours: &[u8], theirs: &[u8]) -> bool {
    let parsed = |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (ours, theirs) = (parsed(ours), parsed(theirs));
    ["Version", "Time"].iter().all(|key| ours[key].is_string() && ours[key] == theirs[key])
}
