//! What only a broker can do to a queue, each fault caused on purpose.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod letters;
mod order;
mod start;

use std::{collections::BTreeMap, sync::Mutex as StdMutex};

use super::*;
use crate::{
    queue::{
        Task,
        contract::{self, job, receive, settles_at},
    },
    testing::broker::Vhost,
};

/// Patient with a broker that serves other tests at the same time.
fn config(url: String) -> RabbitConfig {
    RabbitConfig {
        prefetch: 16,
        connect_timeout: Duration::from_secs(60),
        publish_timeout: Duration::from_secs(30),
        ..RabbitConfig::new(url)
    }
}

fn open(vhost: &Vhost) -> Arc<dyn Queue> {
    Arc::new(RabbitQueue::start(config(vhost.url())).unwrap())
}

fn fresh() -> (Vhost, Arc<dyn Queue>) {
    let vhost = Vhost::create();
    let queue = open(&vhost);
    (vhost, queue)
}

fn list(number: usize) -> Job {
    Job::new(Task::List { module: format!("example.com/list{number}").parse().unwrap() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds() {
    let vhosts = StdMutex::new(BTreeMap::new());
    let open = async |name: &str| {
        let mut vhosts = vhosts.lock().unwrap();
        open(vhosts.entry(name.to_owned()).or_insert_with(Vhost::create))
    };
    contract::run(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_the_broker_has_a_versioned_name() {
    let (vhost, queue) = fresh();
    settles_at(&queue, Depth::default()).await;
    let mut queues = vhost.queues();
    queues.sort_unstable();
    insta::assert_snapshot!(queues.join("\n"), @r"
    stoa.dead.v1
    stoa.delay.120s.v1
    stoa.delay.1s.v1
    stoa.delay.2s.v1
    stoa.delay.30s.v1
    stoa.delay.3600s.v1
    stoa.delay.5s.v1
    stoa.delay.600s.v1
    stoa.delay.60s.v1
    stoa.fill.background.v1
    stoa.fill.interactive.v1
    stoa.refresh.background.v1
    stoa.refresh.interactive.v1
    ");
}
