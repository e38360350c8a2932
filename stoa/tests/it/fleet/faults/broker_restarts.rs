//! The broker's process ends and comes back over the same data, in order or killed, while
//! jobs wait in its queues and clients keep asking.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use stoa_shared::queue::{Job, Lane, Queue, RabbitConfig, RabbitQueue, Task};
use stoa_shared::testing::git_server::{Options, RequestKind};

use super::super::broker_node::BrokerNode;
use super::super::bucket::Sums;
use super::super::process::Process;
use super::super::{Site, get_ok, module};
use super::{all_is_well, nothing_has_changed, publish};
use crate::http_client;
use crate::stories::until;

/// How long a client may wait for a fill, and what a busy machine adds to any answer.
const WAIT: Duration = Duration::from_secs(20);
const SLACK: Duration = Duration::from_secs(10);

/// Only bounds a client who is never served.
const SERVED_WITHIN: Duration = Duration::from_secs(120);

/// Jobs that are accepted before the broker goes: more than get done by then.
const ACCEPTED_BEFORE: usize = 12;

type Versions = [(String, &'static str)];

/// How the broker's process ends.
#[derive(Debug, Clone, Copy)]
enum End {
    InOrder,
    Killed,
}

#[test]
fn the_broker_restarts_under_load_in_order_and_killed() {
    let (rounds, away) = if crate::soak() { (5, 20) } else { (1, 1) };
    let mut site = Site::new("broker-restarts");
    let node = BrokerNode::start(&site.directory);
    site.set("STOA_QUEUE", node.url());
    site.set("STOA_WAIT", format!("{}s", WAIT.as_secs()));
    site.set("STOA_SLOTS", "2");
    site.publish("there", &["v1.0.0"], 100_000);
    let mut fleet = Fleet {
        frontends: [site.frontend("frontend-1"), site.frontend("frontend-2")],
        workers: [site.worker("worker-1"), site.worker("worker-2")],
        site,
        node,
        published: 1,
        sums: Sums::new(),
    };
    get_ok(&fleet.frontends[0], &module("there"), "@v/v1.0.0.zip");
    let ends = [End::InOrder, End::Killed].into_iter().cycle();
    for (number, end) in ends.take(2 * rounds).enumerate() {
        fleet.lives_through(number, end, Duration::from_secs(away));
    }
    nothing_has_changed(&fleet.site, &fleet.sums);
    assert_eq!(fleet.sums.len(), fleet.published);
}

struct Fleet {
    frontends: [Process; 2],
    workers: [Process; 2],
    site: Site,
    node: BrokerNode,
    /// How many versions there are so far, and the sums of those that were seen.
    published: usize,
    sums: Sums,
}

impl Fleet {
    /// One end of the broker, which is down for `away`. Some jobs wait for their next
    /// attempt; somebody publishes jobs that nobody waits for; some clients want versions
    /// that are missing, and others what is there.
    fn lives_through(&mut self, number: usize, end: End, away: Duration) {
        let Self { site, node, frontends, .. } = self;
        let delayed = publish(site, &format!("outage{number}-delayed"), 1);
        let left = publish(site, &format!("outage{number}-left"), 6);
        let asked = publish(site, &format!("outage{number}-asked"), 2);
        let (url, accepted, is_over) = (node.url(), Mutex::default(), AtomicBool::new(false));
        let (site, frontends) = (&*site, &*frontends);
        let failures = [RequestKind::InfoRefs, RequestKind::LsRefs].map(|kind| (kind, 503));
        site.git.behave(Options { failures: failures.into(), ..Options::default() });
        publish_jobs(site, &url, &delayed, &accepted);
        let waiting = || frontends[0].metric("stoa_queue_jobs{state=\"delayed\"}") as usize;
        until("jobs wait for their next attempt", || waiting() == delayed.len());
        // Slow enough for jobs to wait in the queues.
        site.git.behave(Options { delay: Duration::from_millis(300), ..Options::default() });
        let (recovered, hits, answers) = std::thread::scope(|scope| {
            let over = Over(&is_over);
            let hitting =
                frontends.each_ref().map(|frontend| scope.spawn(|| hit(frontend, &is_over)));
            let insisting = scope.spawn(|| insist(frontends, &asked));
            let publishing = scope.spawn(|| publish_jobs(site, &url, &left, &accepted));
            let are_accepted = || accepted.lock().unwrap().len() - delayed.len();
            until("jobs are accepted", || are_accepted() >= ACCEPTED_BEFORE);
            std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..300)));
            match end {
                End::InOrder => node.stop(),
                End::Killed => node.kill(),
            }
            let before = are_accepted();
            for frontend in frontends {
                until("it says that it is degraded", || is_degraded(frontend));
            }
            std::thread::sleep(away);
            let done = visible(site, &left);
            assert!(done < before, "the broker went with empty queues: {done} of {before} done");
            node.start_again();
            let back = Instant::now();
            for frontend in frontends {
                until("it has recovered", || !is_degraded(frontend));
            }
            let recovered = back.elapsed();
            publishing.join().unwrap();
            let answers = insisting.join().unwrap();
            drop(over);
            (recovered, hitting.map(|hitting| hitting.join().unwrap()), answers)
        });
        let accepted = accepted.into_inner().unwrap();
        // Nobody asks for them; what was accepted gets done nevertheless.
        until("every accepted job is done", || visible(site, &accepted) == accepted.len());
        self.workers.iter_mut().for_each(Process::wait_until_ready);
        let published = [delayed, left, asked].concat();
        self.published += published.len();
        all_is_well(&self.site, &self.frontends[number % 2], &published, &mut self.sums);
        let fetches = self.site.git.counts().fetch;
        println!(
            "outage {number}, {end:?}: {} jobs accepted, {hits:?} hits, answers {answers:?}, \
             frontends recovered after {recovered:?}; {fetches} fetches of {} versions so far",
            accepted.len(),
            self.published,
        );
        assert!(fetches <= self.published, "something was fetched twice");
        assert!(self.frontends.iter_mut().chain(&mut self.workers).all(Process::is_alive));
    }
}

/// Ends the load when it is dropped, also by a failing test, which else would wait for it
/// without end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks for what is there until it is over; every time it is there at once, and the frontend
/// ready. How often that was.
fn hit(frontend: &Process, is_over: &AtomicBool) -> usize {
    let mut hits = 0;
    while !is_over.load(Ordering::Relaxed) {
        for file in ["@v/v1.0.0.info", "@v/v1.0.0.zip"] {
            let begun = Instant::now();
            get_ok(frontend, &module("there"), file);
            assert!(begun.elapsed() < SLACK, "a hit took {:?}", begun.elapsed());
        }
        assert_eq!(frontend.ask("/readyz").status, 200);
        hits += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    hits
}

/// Asks for every version, four at a time, until it is served; until then the answer is a
/// refusal that says when to come again. How often each status was answered.
fn insist(frontends: &[Process; 2], versions: &Versions) -> BTreeMap<u16, usize> {
    let (next, answers) = (Mutex::new(versions.iter()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (frontend, next, answers) = (&frontends[client % 2], &next, &answers);
            scope.spawn(move || {
                while let Some((module, version)) = { next.lock().unwrap().next() } {
                    for file in ["info", "zip"] {
                        let path = format!("/{module}/@v/{version}.{file}");
                        let begun = Instant::now();
                        loop {
                            let status = ask(frontend, &path);
                            *answers.lock().unwrap().entry(status).or_default() += 1;
                            if status == 200 {
                                break;
                            }
                            assert!(begun.elapsed() < SERVED_WITHIN, "{path} is never served");
                            std::thread::sleep(Duration::from_millis(100));
                        }
                    }
                }
            });
        }
    });
    answers.into_inner().unwrap()
}

/// The status of one answer, which comes before the wait's end.
fn ask(frontend: &Process, path: &str) -> u16 {
    let begun = Instant::now();
    let reply = http_client::get(frontend.authority(), path).unwrap();
    assert!(begun.elapsed() < WAIT + SLACK, "{path} hung");
    let is_refused = matches!(reply.status, 503 | 504) && !reply.header("retry-after").is_empty();
    assert!(reply.status == 200 || is_refused, "{path}: {} {}", reply.status, reply.text());
    reply.status
}

/// Publishes a background job for each version and notes those that the broker accepted.
fn publish_jobs(
    site: &Site,
    url: &str,
    versions: &Versions,
    accepted: &Mutex<Vec<(String, &'static str)>>,
) {
    site.bucket.runtime().block_on(async {
        let queue = RabbitQueue::start(RabbitConfig::new(url)).unwrap();
        for (module, version) in versions {
            let task =
                Task::Fill { module: module.parse().unwrap(), version: version.parse().unwrap() };
            if queue.publish(&Job::new(task), Lane::Background).await.is_ok() {
                accepted.lock().unwrap().push((module.clone(), *version));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
}

/// How many of the versions are visible.
fn visible(site: &Site, versions: &Versions) -> usize {
    let keys = site.bucket.keys("github.com/");
    let is_visible =
        |(module, version): &&(String, &str)| keys.contains(&format!("{module}/@v/{version}.info"));
    versions.iter().filter(is_visible).count()
}

fn is_degraded(frontend: &Process) -> bool {
    frontend.ask("/readyz").text().contains("degraded")
}
