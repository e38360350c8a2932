//! Killed at any instruction: what is visible is whole, and what was accepted gets done.
//!
//! Each round starts Stoa over a new directory, asks for many versions at once, kills it at
//! a random moment and looks at what lies in storage. Then it starts again over the same
//! directory: the queue must drain by itself, and every version must be there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use stoa_shared::testing::repository::RepositoryBuilder;

use crate::http_client;
use crate::module_zip;
use crate::stoa_process::StoaSettings;

const REPOSITORIES: usize = 6;
const VERSIONS: usize = 3;
/// About as long as all fills take on a slow machine, so that every phase is hit.
const LATEST_KILL: Duration = Duration::from_millis(1300);
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_lost_or_half_written_when_killed() {
    let rounds = if crate::soak() { 100 } else { 10 };
    let seed: u64 = std::env::var("STOA_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("STOA_SEED={seed} repeats these {rounds} rounds");
    let mut random = StdRng::seed_from_u64(seed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kill");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    let versions = build(&directory.join("fixtures"), &mut random);
    let fixtures = format!("file://{}/", directory.join("fixtures").display());
    let rewrites = [("https://github.com/stoa-kills/".to_owned(), fixtures)];
    // What each version's zip must always be, from the first time it was seen.
    let mut sums = BTreeMap::new();
    let mut seen_incomplete = 0;
    for round in 0..rounds {
        let storage = directory.join(format!("round-{round}"));
        let settings = StoaSettings::new(&storage).rewrite(&rewrites);
        let kill_after = LATEST_KILL.mul_f64(random.random::<f64>());
        let stoa = settings.start();
        let authority = stoa.authority().to_owned();
        let next = Mutex::new(versions.iter());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while let Some((module, version)) = { next.lock().unwrap().next() } {
                        // The process dies under these: most get no answer.
                        let path = format!("/{module}/@v/{version}.info");
                        let _answer = http_client::get(&authority, &path);
                    }
                });
            }
            std::thread::sleep(kill_after);
            stoa.kill();
        });
        let visible = check(&storage, &mut sums, round);
        println!("round {round}: killed after {kill_after:?}, {visible} versions visible");
        seen_incomplete += usize::from(visible < versions.len());

        let stoa = settings.start();
        let started = Instant::now();
        while !waiting_jobs(&storage).is_empty() {
            assert!(
                started.elapsed() < DRAINED_WITHIN,
                "round {round}: jobs still wait: {:?}\n{}",
                waiting_jobs(&storage),
                stoa.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(files_in(&storage.join("_stoa/queue/dead")), Vec::<PathBuf>::new());
        for (module, version) in &versions {
            for extension in ["info", "mod", "zip"] {
                let reply = stoa.get(&format!("/{module}/@v/{version}.{extension}"));
                assert_eq!(reply.status, 200, "{module}@{version}: {}", reply.text());
            }
        }
        assert!(stoa.stop().success(), "round {round}");
        assert_eq!(check(&storage, &mut sums, round), versions.len());
        std::fs::remove_dir_all(&storage).unwrap();
    }
    println!("{seen_incomplete} of {rounds} rounds were killed in the middle of the fills");
    assert!(seen_incomplete > 0, "no kill came before the end of the fills: raise the work");
}

/// All versions, of repositories with enough content for a fill to take a while.
fn build(fixtures: &Path, random: &mut StdRng) -> Vec<(String, String)> {
    let mut versions = Vec::new();
    for index in 0..REPOSITORIES {
        let module = format!("github.com/stoa-kills/m{index}");
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {module}\n"));
        for version in 0..VERSIONS {
            for file in 0..20 {
                let content: Vec<u8> = (0..30_000).map(|_| random.random::<u8>()).collect();
                repository.file(format!("data/{file}"), content);
            }
            let commit = repository.commit("main");
            let tag = format!("v1.{version}.0");
            repository.tag(&tag, commit);
            versions.push((module.clone(), tag));
        }
        repository.build(&fixtures.join(format!("m{index}"))).unwrap();
    }
    versions
}

/// Checks every visible version and counts them.
fn check(storage: &Path, sums: &mut BTreeMap<String, String>, round: usize) -> usize {
    let mut visible = 0;
    for info in all_files(&storage.join("github.com")) {
        if info.extension().is_none_or(|extension| extension != "info") {
            continue;
        }
        visible += 1;
        let below = info.strip_prefix(storage).unwrap().with_extension("");
        let name = below.to_str().unwrap().replace("/@v/", "@");
        let read = |path: PathBuf| {
            std::fs::read(&path).unwrap_or_else(|error| {
                panic!("round {round}: {name} is visible, but {}: {error}", path.display())
            })
        };
        let with = |extension: &str| PathBuf::from(format!("{}.{extension}", below.display()));
        let parsed: Value = serde_json::from_slice(&read(info.clone())).unwrap();
        assert!(name.ends_with(parsed["Version"].as_str().unwrap()), "round {round}: {name}");
        let go_mod = read(storage.join(with("mod")));
        let zip = read(storage.join(with("zip")));
        let zip = module_zip::read(&zip, &format!("{name}/"))
            .unwrap_or_else(|error| panic!("round {round}: {name}: {error}"));
        let entry = read(storage.join("_stoa/catalog").join(with("json")));
        let entry: Value = serde_json::from_slice(&entry).unwrap();
        assert_eq!(entry["zip"]["sum"], zip.sum.as_str(), "round {round}: {name}");
        let go_mod_sum = module_zip::mod_sum(&go_mod);
        assert_eq!(entry["go_mod"]["sum"], go_mod_sum.as_str(), "round {round}: {name}");
        let first = sums.entry(name.clone()).or_insert_with(|| zip.sum.clone());
        assert_eq!(*first, zip.sum, "round {round}: {name} is not what it was");
    }
    visible
}

fn waiting_jobs(storage: &Path) -> Vec<PathBuf> {
    files_in(&storage.join("_stoa/queue/jobs"))
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// All files below a directory.
pub(crate) fn all_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in files_in(directory) {
        if path.is_dir() {
            files.extend(all_files(&path));
        } else {
            files.push(path);
        }
    }
    files
}
