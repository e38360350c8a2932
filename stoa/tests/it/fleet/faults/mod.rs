//! Faults, each caused: killed workers, a broker that is away, a bucket that fails, is slow
//! or does not say what it did. After each: every version asked for is there or was refused
//! with 5xx, what is visible is whole, no job is lost, nobody hangs, no process has died.

mod broker_restarts;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::RngExt;
use stoa_shared::testing::faulty_proxy::{Fault, FaultyProxy, Plan};
use stoa_shared::testing::forwarder::Forwarder;

use super::bucket::Sums;
use super::process::Process;
use super::{Site, module};
use crate::http_client;
use crate::stories::until;

/// In each round.
const KILLS: usize = 4;
const VERSIONS: [&str; 3] = ["v1.0.0", "v1.1.0", "v1.2.0"];

/// Publishes some modules whose names start so; all their versions.
fn publish(site: &Site, name: &str, modules: usize) -> Vec<(String, &'static str)> {
    let names: Vec<String> = (0..modules).map(|number| format!("{name}{number}")).collect();
    names.iter().for_each(|name| site.publish(name, &VERSIONS, 200_000));
    names.iter().flat_map(|name| VERSIONS.map(|version| (module(name), version))).collect()
}

/// Asks for every version once, eight at a time; 200 and 5xx are the only answers, and each
/// comes before the wait's end.
fn ask_for_all(frontend: &Process, versions: &[(String, &str)]) {
    let next = Mutex::new(versions.iter());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((module, version)) = { next.lock().unwrap().next() } {
                    for file in ["info", "zip"] {
                        let path = format!("/{module}/@v/{version}.{file}");
                        let begun = Instant::now();
                        let reply = http_client::get(frontend.authority(), &path);
                        assert!(begun.elapsed() < Duration::from_secs(125), "{path} hung");
                        // A stream may break off; an answer says what is the matter.
                        if let Ok(reply) = reply {
                            let status = reply.status;
                            assert!(status == 200 || status >= 500, "{path}: {status}");
                        }
                    }
                }
            });
        }
    });
}

/// Waits until no job is due, asks for everything again, and looks into the bucket. Jobs
/// that wait for their next attempt are done by then, or make nothing new.
fn all_is_well(site: &Site, frontend: &Process, versions: &[(String, &str)], sums: &mut Sums) {
    let jobs = |state: &str| frontend.metric(&format!("stoa_queue_jobs{{state=\"{state}\"}}"));
    until("no job waits", || ["interactive", "background"].iter().all(|state| jobs(state) == 0.0));
    assert_eq!(frontend.ask("/admin/dead-letters").text(), "[]");
    for (module, version) in versions {
        for file in ["info", "mod", "zip"] {
            let path = format!("/{module}/@v/{version}.{file}");
            until(&path, || frontend.get(&path).status == 200);
        }
    }
    site.bucket.check(sums);
    for (module, version) in versions {
        assert!(sums.contains_key(&format!("{module}@{version}")), "{module} {version}");
    }
}

/// Checks that every version is still what it was when it was first seen.
fn nothing_has_changed(site: &Site, sums: &Sums) {
    let mut now = Sums::new();
    site.bucket.check(&mut now);
    assert_eq!(now, *sums);
}

#[test]
fn workers_are_killed_at_random_points() {
    let rounds = if crate::soak() { 100 } else { 5 };
    let mut sums = Sums::new();
    let site = Site::new("killed");
    let frontend = site.frontend("frontend");
    let mut published = 0;
    for round in 0..rounds {
        let versions = publish(&site, &format!("r{round}m"), 3);
        let mut workers = vec![site.worker("worker-1"), site.worker("worker-2")];
        std::thread::scope(|scope| {
            scope.spawn(|| ask_for_all(&frontend, &versions));
            // Not without end: a job that is delivered a hundred times is buried by the
            // broker, and workers that live shorter than a fill get nowhere.
            for _ in 0..KILLS {
                let pause = rand::rng().random_range(50..1000);
                std::thread::sleep(Duration::from_millis(pause));
                workers.remove(0).kill();
                let log = site.log_of(&format!("worker-{round}"));
                workers.push(Process::spawn("stoa-worker", &log, &site.variables));
            }
        });
        published += versions.len();
        all_is_well(&site, &frontend, &versions, &mut sums);
    }
    nothing_has_changed(&site, &sums);
    assert_eq!(sums.len(), published);
    println!("{rounds} rounds, {} kills, {published} versions", rounds * KILLS);
}

#[test]
fn the_broker_goes_away_under_load_and_comes_back() {
    let mut site = Site::new("broker-away");
    let versions = publish(&site, "m", 6);
    let (host, port) = site.vhost.address();
    let mut way = site.bucket.runtime().block_on(Forwarder::start(&host, port));
    site.set("STOA_QUEUE", site.vhost.url_through(way.port()));
    let (mut frontend, mut worker) = (site.frontend("frontend"), site.worker("worker"));
    let away = Duration::from_secs(if crate::soak() { 20 } else { 6 });
    std::thread::scope(|scope| {
        let load = scope.spawn(|| ask_for_all(&frontend, &versions));
        std::thread::sleep(Duration::from_millis(500));
        site.bucket.runtime().block_on(way.cut());
        std::thread::sleep(away);
        site.bucket.runtime().block_on(way.restore());
        load.join().unwrap();
    });
    // And connections that the broker closes, as at its restart.
    until("all are connected again", || site.vhost.close_connections(2) >= 2);
    worker.wait_until_ready();
    all_is_well(&site, &frontend, &versions, &mut Sums::new());
    assert!(frontend.is_alive() && worker.is_alive());
}

/// A fleet whose bucket is reached by a proxy that breaks what passes.
fn with_faulty_bucket(name: &str, plan: Plan) {
    let mut site = Site::new(name);
    let versions = publish(&site, "m", 6);
    let endpoint = site.s3.endpoint.clone().unwrap();
    let server: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let started = FaultyProxy::start(server, Plan::default());
    let proxy = site.bucket.runtime().block_on(started).unwrap();
    site.set("STOA_S3_ENDPOINT", proxy.url());
    site.set("STOA_S3_TIMEOUT", "3s");
    site.set("STOA_S3_STALL_TIMEOUT", "3s");
    let mut frontend = site.frontend("frontend");
    let mut workers = [site.worker("worker-1"), site.worker("worker-2")];
    proxy.set_plan(plan);
    ask_for_all(&frontend, &versions);
    let broken = proxy.counts();
    println!("{name}: {broken:?}");
    assert!(broken.requests > broken.answered || broken.delayed > 0, "{broken:?}");
    proxy.set_plan(Plan::default());
    all_is_well(&site, &frontend, &versions, &mut Sums::new());
    assert!(frontend.is_alive() && workers.iter_mut().all(Process::is_alive));
}

#[test]
fn one_call_in_five_of_the_bucket_fails() {
    let faults = vec![Fault::Answer(500), Fault::Answer(503), Fault::Reset];
    with_faulty_bucket("bucket-fails", Plan { seed: 1, one_in: 5, faults });
}

#[test]
fn one_answer_in_five_of_the_bucket_gets_lost() {
    let faults = vec![Fault::LoseAnswer, Fault::LoseAnswer, Fault::Stall];
    with_faulty_bucket("bucket-loses", Plan { seed: 2, one_in: 5, faults });
}

#[test]
fn the_bucket_is_slow() {
    let faults = vec![Fault::Delay(Duration::from_millis(400))];
    with_faulty_bucket("bucket-slow", Plan { seed: 3, one_in: 2, faults });
}
