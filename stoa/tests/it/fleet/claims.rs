//! Whose turn it is, while workers stall, are told to stop and are paused.

use std::net::SocketAddr;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use stoa_shared::testing::faulty_proxy::{Fault, FaultyProxy, Plan};
use stoa_shared::testing::git_server::Options;

use super::process::Process;
use super::{Site, get_ok, module};
use crate::http_client::Reply;
use crate::stories::until;

const VERSION: &str = "v1.0.0";
/// Longer than a claim that nobody renews stands.
const LONG: Duration = Duration::from_secs(14);

/// A module whose list is known, so that its fill is a single request to the git host;
/// from now on each takes so long.
fn publish(site: &Site, frontend: &Process, delay: Duration) {
    site.publish("slow", &[VERSION], 1000);
    {
        let _worker = site.worker("lister");
        get_ok(frontend, &module("slow"), "@v/list");
    }
    site.git.behave(Options { delay, ..Options::default() });
}

fn fetches(site: &Site) -> usize {
    site.git.counts().fetch
}

/// Puts equal jobs on the queue, as frontends do that know nothing of each other.
fn publish_again(site: &Site, jobs: usize) {
    let job = format!(
        r#"{{"format":1,"kind":"fill","module":"{}","version":"{VERSION}"}}"#,
        module("slow")
    );
    (0..jobs).for_each(|_| site.vhost.publish("stoa.fill.interactive.v1", &job));
}

/// Asks for the version while `meanwhile` happens, which gets the client's thread.
fn ask_during(
    frontend: &Process,
    meanwhile: impl for<'scope> FnOnce(&ScopedJoinHandle<'scope, Reply>),
) {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get_ok(frontend, &module("slow"), "@v/v1.0.0.info"));
        meanwhile(&waiting);
        waiting.join().unwrap();
    });
}

#[test]
fn one_stalled_call_of_the_bucket_costs_a_living_worker_nothing() {
    let mut site = Site::new("claim-stalled");
    let frontend = site.frontend("frontend");
    publish(&site, &frontend, LONG);
    let endpoint = site.s3.endpoint.clone().unwrap();
    let server: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let started = FaultyProxy::start(server, Plan::default());
    let proxy = site.bucket.runtime().block_on(started).unwrap();
    site.set("STOA_S3_ENDPOINT", proxy.url());
    // With no slot left for equal jobs.
    site.set("STOA_SLOTS", "1");
    let stalled = site.worker("stalled");
    site.set("STOA_S3_ENDPOINT", endpoint);
    let other = {
        let mut other = None;
        ask_during(&frontend, |_| {
            until("a worker fetches", || fetches(&site) == 1);
            proxy.break_next("/_stoa/claims/", Fault::Delay(Duration::from_secs(10)));
            other = Some(site.worker("other"));
            publish_again(&site, 2);
        });
        other.unwrap()
    };
    assert_eq!(proxy.counts().delayed, 1);
    assert_eq!(fetches(&site), 1, "{}", other.log());
    assert!(!other.log().contains("taken over"), "{}", other.log());
    assert!(!stalled.log().contains("claim lost"), "{}", stalled.log());
}

#[test]
fn a_worker_that_is_cut_off_gives_its_claims_back() {
    let mut site = Site::new("claim-drained");
    let frontend = site.frontend("frontend");
    publish(&site, &frontend, 2 * LONG);
    site.set("STOA_SHUTDOWN_GRACE", "1s");
    let leaving = site.worker("leaving");
    let mut next = None;
    ask_during(&frontend, |_| {
        until("a worker fetches", || fetches(&site) == 1);
        assert!(leaving.stop().success());
        site.git.behave(Options::default());
        next = Some(site.worker("next"));
    });
    let next = next.unwrap();
    assert_eq!(fetches(&site), 2);
    assert!(!next.log().contains("taken over"), "{}", next.log());
}

#[test]
fn equal_jobs_leave_the_slots_to_others() {
    let mut site = Site::new("claim-duplicates");
    let frontend = site.frontend("frontend");
    publish(&site, &frontend, LONG);
    site.set("STOA_SLOTS", "1");
    let _busy = site.worker("busy");
    ask_during(&frontend, |waiting| {
        until("a worker fetches", || fetches(&site) == 1);
        let _free = site.worker("free");
        publish_again(&site, 12);
        // Which is refused without asking the host, who is slow.
        let begun = Instant::now();
        let path = format!("/{}.git/@v/{VERSION}.info", module("alone"));
        assert_eq!(frontend.get(&path).status, 404);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "waited for {took:?}");
        assert!(!waiting.is_finished(), "nothing was in the way");
    });
    assert_eq!(fetches(&site), 1);
}

#[test]
fn a_worker_that_is_paused_is_replaced_soon() {
    let site = Site::new("claim-paused");
    let frontend = site.frontend("frontend");
    publish(&site, &frontend, LONG);
    let paused = site.worker("paused");
    let mut other = None;
    ask_during(&frontend, |_| {
        until("a worker fetches", || fetches(&site) == 1);
        paused.pause();
        site.git.behave(Options::default());
        other = Some(site.worker("other"));
        let begun = Instant::now();
        until("another fetches", || fetches(&site) == 2);
        // The broker misses three heartbeats, and then the claim goes stale.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(45), "took {took:?}");
    });
    paused.resume();
    // It finds its job done, by another.
    until("it is at work again", || paused.log().contains("claim lost"));
    assert_eq!(fetches(&site), 2);
}
