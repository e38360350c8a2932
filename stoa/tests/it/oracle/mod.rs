//! Every scenario of go-modules §6, answered by the go command in direct mode and by Stoa.
//!
//! Three sides see the same repositories and pages: the go command in direct mode (the
//! oracle), Stoa over plain HTTP, and the go command with Stoa as its only proxy. First
//! the oracle must say what the specification says; then the other two must agree with
//! the oracle in version, time, `.mod` bytes, both sums, and in whether they fail.

mod asking;
mod gopkg;
mod incompatible;
mod line_endings;
mod majors;
mod outcome;
mod pages;
mod retractions;
mod revisions;
mod scenario;
mod subdirectories;
mod tags;
mod zip_names;
mod zips;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::outcome::Outcome;
use self::scenario::{ORGANISATION, Question, Scenario, Stoa, World};
use crate::go_command::GoCommand;
use crate::page_server::PageServer;
use crate::stoa_process::{StoaProcess, StoaSettings};

/// The go command waits for git more than it computes.
const WORKERS: usize = 4;

/// What the oracle said, kept for all tests of this process.
struct Oracle {
    directory: PathBuf,
    rewrites: Vec<(String, String)>,
    told: Vec<Told>,
}

/// A scenario, its questions, and the oracle's answers to them.
struct Told {
    scenario: &'static Scenario,
    questions: Vec<Question>,
    answers: Vec<Outcome>,
}

fn scenarios() -> Vec<&'static Scenario> {
    let tables = [
        tags::SCENARIOS,
        incompatible::SCENARIOS,
        majors::SCENARIOS,
        subdirectories::SCENARIOS,
        revisions::SCENARIOS,
        retractions::SCENARIOS,
        gopkg::SCENARIOS,
        pages::SCENARIOS,
        zips::SCENARIOS,
        zip_names::SCENARIOS,
        line_endings::SCENARIOS,
    ];
    let only = std::env::var("STOA_SCENARIO").ok();
    let mut all: Vec<&Scenario> = tables.into_iter().flatten().collect();
    all.retain(|scenario| only.as_deref().is_none_or(|name| name == scenario.name));
    all.sort_by_key(|scenario| scenario.number);
    all
}

fn oracle() -> &'static Oracle {
    static ORACLE: OnceLock<Oracle> = OnceLock::new();
    ORACLE.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        let world = World { fixtures: directory.join("fixtures"), pages: PageServer::start() };
        let file = |name: &str| format!("file://{}/", world.fixtures.join(name).display());
        let rewrites = vec![
            (format!("https://{ORGANISATION}/"), file("")),
            ("https://h.example/".to_owned(), file("h.example")),
        ];
        // Go takes `http` from a page as it comes; Stoa is not told of this rewrite (§7.4).
        let open = (format!("http://{ORGANISATION}/"), file(""));
        let go_rewrites: Vec<_> = rewrites.iter().cloned().chain([open]).collect();
        let tell = |scenario: &&'static Scenario| {
            let questions = (scenario.story)(&world);
            let home = directory.join("direct").join(scenario.name);
            let go = GoCommand::direct(&home, &go_rewrites, &world.pages);
            let answers = asking::ask_go(&go, &questions.iter().collect::<Vec<_>>());
            Told { scenario, questions, answers }
        };
        let told = in_parallel(&scenarios(), tell);
        let hosts = ["vanity.example", "gopkg.in"];
        let pages = hosts.map(|host| world.pages.rewrite(host));
        Oracle { told, rewrites: rewrites.into_iter().chain(pages).collect(), directory }
    })
}

#[test]
fn the_go_command_says_what_the_specification_says() {
    let mut failures = Vec::new();
    for told in &oracle().told {
        for (question, answer) in told.questions.iter().zip(&told.answers) {
            for claim in &question.claims {
                if let Err(why) = claim.check(answer) {
                    failures.push(told.failure(question, "go", &why));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn stoa_answers_what_the_go_command_says() {
    let stoa = start(oracle(), "http");
    let failures = in_parallel(&oracle().told.iter().collect::<Vec<_>>(), |told| {
        let mut failures = Vec::new();
        for (question, oracle) in told.questions.iter().zip(&told.answers) {
            if matches!(question.stoa, Stoa::NotAsked) {
                continue;
            }
            match asking::ask_stoa(&stoa, question) {
                Err(why) => failures.push(told.failure(question, "stoa", &why)),
                Ok(answer) => failures.extend(told.compare(question, "stoa", &answer, oracle)),
            }
        }
        failures
    });
    report(&failures.concat());
}

#[test]
fn the_go_command_gets_the_same_through_stoa() {
    let stoa = start(oracle(), "client");
    let failures = in_parallel(&oracle().told.iter().collect::<Vec<_>>(), |told| {
        let home = oracle().directory.join("through").join(told.scenario.name);
        let go = GoCommand::through(&home, stoa.authority());
        let (questions, answers): (Vec<&Question>, Vec<&Outcome>) = told
            .questions
            .iter()
            .zip(&told.answers)
            .filter(|(question, _)| !matches!(question.stoa, Stoa::NotAsked))
            .unzip();
        let through = asking::ask_go(&go, &questions);
        let pairs = questions.iter().zip(through.iter().zip(answers));
        pairs
            .filter_map(|(question, (through, direct))| {
                told.compare(question, "go through stoa", through, direct)
            })
            .collect::<Vec<_>>()
    });
    report(&failures.concat());
}

impl Told {
    fn compare(
        &self,
        question: &Question,
        who: &str,
        answer: &Outcome,
        oracle: &Outcome,
    ) -> Option<String> {
        let why = match &question.stoa {
            Stoa::NotAsked => None,
            Stoa::Same => answer.difference(oracle),
            Stoa::Claims(claims) => claims.iter().find_map(|claim| claim.check(answer).err()),
        };
        why.map(|why| self.failure(question, who, &why))
    }

    fn failure(&self, question: &Question, who: &str, why: &str) -> String {
        let Scenario { number, name, .. } = self.scenario;
        format!("{number} {name}: {}: {who}: {why}", question.ask)
    }
}

fn start(oracle: &Oracle, name: &str) -> StoaProcess {
    StoaSettings::new(&oracle.directory.join(format!("storage-{name}")))
        .rewrite(&oracle.rewrites)
        .start()
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} answers differ:\n  {}", failures.len(), failures.join("\n  "));
}

/// Maps in a few threads, keeping the order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
