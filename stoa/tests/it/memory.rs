//! A fill holds a bounded part of a module in memory, however big the module is.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stoa_shared::testing::repository::RepositoryBuilder;

use crate::http_client;
use crate::stoa_process::{StoaProcess, StoaSettings};

const MIB: usize = 1 << 20;
/// For a module of any size whose files are each below 16 MiB.
const MOST: usize = 200 * MIB;
/// Only bounds a fill that never ends.
const FILLED_WITHIN: Duration = Duration::from_secs(1200);

#[test]
fn a_fill_stays_in_bounded_memory() {
    // The long run packs 400 MB; both are held to the same bound.
    let files = if crate::soak() { 50 } else { 8 };
    let most = peak_of_fill("memory", files, 8 * MIB, Content::Random);
    println!("{files} files of 8 MiB: {} MiB of anonymous memory at most", most / MIB);
    assert!(most < MOST, "{} MiB", most / MIB);
}

#[test]
fn one_very_large_file_is_measured() {
    let size = if crate::soak() { 300 * MIB } else { 48 * MIB };
    for (name, content) in [("memory-large", Content::Random), ("memory-crlf", Content::Text)] {
        // Text becomes half as large again, and half a gigabyte is the end.
        let size = if content == Content::Text { size.min(200 * MIB) } else { size };
        let most = peak_of_fill(name, 1, size, content);
        let (size, shown) = (size / MIB, most / MIB);
        println!("one file of {size} MiB, {content:?}: {shown} MiB of anonymous memory at most");
        assert!(most < MOST, "{shown} MiB");
    }
}

/// What is in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Bytes that no compression makes fewer.
    Random,
    /// Lines that become longer in the zip.
    Text,
}

/// Fills a module of such files and gives the most anonymous memory, in bytes, that
/// the process and its children had together at any sample.
fn peak_of_fill(name: &str, files: usize, size: usize, content: Content) -> usize {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", "module github.com/stoa-memory/big\n");
    if content == Content::Text {
        repository.file(".gitattributes", "data/* eol=crlf\n");
    }
    for index in 0..files {
        let bytes = match content {
            Content::Random => {
                let mut bytes = vec![0; size];
                rand::fill(&mut bytes[..]);
                bytes
            }
            Content::Text => b"a\n".repeat(size / 2),
        };
        repository.file(format!("data/{index}"), bytes);
    }
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit);
    repository.build(&directory.join("fixtures/big")).unwrap();
    drop(repository);
    let fixtures = format!("file://{}/", directory.join("fixtures").display());
    let rewrites = [("https://github.com/stoa-memory/".to_owned(), fixtures)];
    let stoa = StoaSettings::new(&directory.join("storage")).rewrite(&rewrites).start();
    let is_filled = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut most = 0;
            while !is_filled.load(Ordering::Relaxed) {
                most = most.max(anonymous_memory(&stoa));
                std::thread::sleep(Duration::from_millis(10));
            }
            most
        });
        // A debug build on a busy machine takes longer than a client may wait, which is not
        // the question here.
        let started = Instant::now();
        let is_there = || {
            let info = "/github.com/stoa-memory/big/@v/v1.0.0.info";
            http_client::get(stoa.authority(), info).is_ok_and(|reply| reply.status == 200)
        };
        let mut filled = is_there();
        while !filled && started.elapsed() < FILLED_WITHIN {
            filled = is_there();
        }
        is_filled.store(true, Ordering::Relaxed);
        assert!(filled, "not filled:\n{}", stoa.log());
        sampler.join().unwrap()
    });
    let zip = stoa.directory().join("github.com/stoa-memory/big/@v/v1.0.0.zip");
    let stored = zip.metadata().unwrap().len() as usize;
    assert!(content == Content::Text || stored >= files * size, "{stored} bytes");
    drop(stoa);
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(most > 0, "nothing was measured");
    most
}

/// `RssAnon` of a process and all its descendants but those that serve, in bytes.
fn anonymous_memory(stoa: &StoaProcess) -> usize {
    let mut family = vec![stoa.process_id()];
    let processes: Vec<(u32, u32, usize)> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            // A process may be gone by now.
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            // The far side of a file:// remote is a git server that happens to run here.
            let command = std::fs::read(entry.path().join("cmdline")).ok()?;
            let serves = [&b"upload-pack"[..], b"pack-objects"];
            if serves.iter().any(|name| command.windows(name.len()).any(|part| part == *name)) {
                return None;
            }
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name))?;
                line.split_whitespace().nth(1)?.parse::<usize>().ok()
            };
            Some((id, u32::try_from(field("PPid:")?).ok()?, field("RssAnon:")? * 1024))
        })
        .collect();
    loop {
        let before = family.len();
        for (id, parent, _) in &processes {
            if family.contains(parent) && !family.contains(id) {
                family.push(*id);
            }
        }
        if family.len() == before {
            break;
        }
    }
    processes.iter().filter(|(id, ..)| family.contains(id)).map(|(.., bytes)| bytes).sum()
}
