//! What others see of a delivery on its way back to the queue.

use std::{path::Path, sync::Mutex};

use async_trait::async_trait;
use stoa_shared::{
    queue::{Completion, DeadLetter, Depth, EmbeddedQueue, JobKey, Lane},
    storage::DiskStorage,
};
use tokio::sync::broadcast::Receiver;

use super::*;
use crate::{
    claim::Claims, egress::EgressConfig, repository::RepositoryLimits, settings::WorkerSettings,
    vcs::git::GitConfig,
};

/// Only bounds a wait for what never comes.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);

/// A queue on which somebody publishes an equal job just before an acknowledgement.
struct Crowded {
    queue: EmbeddedQueue,
    latecomer: Mutex<Option<Receiver<Completion>>>,
}

#[async_trait]
impl Queue for Crowded {
    async fn publish(&self, job: &Job, lane: Lane) -> Result<(), QueueError> {
        self.queue.publish(job, lane).await
    }

    async fn receive(&self) -> Result<Delivery, QueueError> {
        self.queue.receive().await
    }

    async fn acknowledge(&self, delivery: Delivery) -> Result<(), QueueError> {
        let equal = delivery.job.clone().unwrap();
        *self.latecomer.lock().unwrap() = Some(self.queue.completions());
        self.queue.publish(&equal, Lane::Interactive).await?;
        self.queue.acknowledge(delivery).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        delay: Duration,
        reason: &str,
    ) -> Result<(), QueueError> {
        self.queue.retry(delivery, delay, reason).await
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<(), QueueError> {
        self.queue.dead_letter(delivery, reason).await
    }

    async fn release(&self, delivery: Delivery, delay: Duration) -> Result<(), QueueError> {
        self.queue.release(delivery, delay).await
    }

    async fn announce(&self, completed: &JobKey) -> Result<(), QueueError> {
        self.queue.announce(completed).await
    }

    fn completions(&self) -> Receiver<Completion> {
        self.queue.completions()
    }

    fn is_connected(&self) -> bool {
        self.queue.is_connected()
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        self.queue.dead_letters().await
    }

    async fn find_dead_letter(&self, id: &str) -> Result<DeadLetter, QueueError> {
        self.queue.find_dead_letter(id).await
    }

    async fn replay_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        self.queue.replay_dead_letter(id).await
    }

    async fn drop_dead_letter(&self, id: &str) -> Result<(), QueueError> {
        self.queue.drop_dead_letter(id).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}

async fn worker(directory: &Path) -> Worker {
    let settings = WorkerSettings {
        egress: EgressConfig::default(),
        git: GitConfig::default(),
        repositories: RepositoryLimits {
            refs_freshness: Duration::from_secs(10),
            refs_recheck: Duration::from_secs(5),
            snapshot_bytes: 1 << 20,
        },
        max_files: 100,
    };
    let storage = DiskStorage::open(directory.to_owned()).await.unwrap();
    Worker::new(settings, Arc::new(storage), Claims::alone(), Arc::new(Metrics::new())).unwrap()
}

#[tokio::test]
async fn who_publishes_while_an_equal_job_is_given_back_hears_of_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let worker = Arc::new(worker(&directory.path().join("storage")).await);
    let queue = EmbeddedQueue::open(directory.path().join("queue")).await.unwrap();
    let queue = Arc::new(Crowded { queue, latecomer: Mutex::default() });
    // Fails without asking anyone: the host's repositories have two more elements.
    let job = Job::new(Task::List { module: "github.com/alone".parse().unwrap() });
    queue.publish(&job, Lane::Interactive).await.unwrap();

    let shutdown = CancellationToken::new();
    let metrics = Arc::new(Metrics::new());
    let consumer =
        consume(worker, queue.clone(), metrics, 1, shutdown.clone(), Duration::from_secs(1));
    let consumer = tokio::spawn(consumer);
    let heard = async {
        let mut latecomer = loop {
            if let Some(latecomer) = queue.latecomer.lock().unwrap().take() {
                break latecomer;
            }
            tokio::task::yield_now().await;
        };
        latecomer.recv().await
    };
    let heard = tokio::time::timeout(HAPPENS_WITHIN, heard).await;
    shutdown.cancel();
    consumer.await.unwrap();
    assert_eq!(heard.expect("nothing was announced"), Ok(Completion::Of(job.key())));
}
