//! What others see of a delivery on its way back to the queue.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use stoa_shared::{
    queue::{Completion, DeadLetter, Depth, EmbeddedQueue, JobKey, Lane, Lanes},
    space::Space,
    storage::{DiskStorage, Storage},
};
use tokio::sync::broadcast::Receiver;

use super::*;
use crate::{
    claim::Claims,
    settings::WorkerSettings,
    troubled_storage::{TroubledStorage, Way},
    workers::Sharing,
};

/// Only bounds a wait for what never comes.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);

/// A queue on which something else happens, too.
struct Eventful {
    queue: EmbeddedQueue,
    /// Whether somebody publishes an equal job just before each acknowledgement.
    is_crowded: bool,
    /// Whether announcements fail.
    is_mute: bool,
    /// What is read in place of each job.
    read: Option<JobError>,
    latecomer: Mutex<Option<Receiver<Completion>>>,
    /// What became of deliveries.
    settled: Mutex<Vec<String>>,
}

impl Eventful {
    async fn open(directory: &Path) -> Self {
        let queue = EmbeddedQueue::open(directory.join("queue")).await.unwrap();
        let (latecomer, settled) = (Mutex::default(), Mutex::default());
        Self { queue, is_crowded: false, is_mute: false, read: None, latecomer, settled }
    }

    fn settled(&self) -> MutexGuard<'_, Vec<String>> {
        self.settled.lock().unwrap()
    }

    /// Waits until so many deliveries were given back.
    async fn have_settled(&self, deliveries: usize) {
        let settled = async {
            while self.settled().len() < deliveries {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(HAPPENS_WITHIN, settled).await.expect("deliveries are given back");
    }
}

#[async_trait]
impl Queue for Eventful {
    async fn publish_later(
        &self,
        job: &Job,
        lane: Lane,
        delay: Duration,
    ) -> Result<(), QueueError> {
        self.queue.publish_later(job, lane, delay).await
    }

    async fn receive(&self, lanes: Lanes) -> Result<Delivery, QueueError> {
        let mut delivery = self.queue.receive(lanes).await?;
        if let Some(read) = &self.read {
            delivery.job = Err(read.clone());
        }
        Ok(delivery)
    }

    async fn acknowledge(&self, delivery: Delivery) -> Result<(), QueueError> {
        if self.is_crowded {
            let equal = delivery.job.clone().unwrap();
            *self.latecomer.lock().unwrap() = Some(self.queue.completions());
            self.queue.publish(&equal, Lane::Interactive).await?;
        }
        self.settled().push("done".to_owned());
        self.queue.acknowledge(delivery).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        delay: Duration,
        reason: &str,
    ) -> Result<(), QueueError> {
        self.settled().push(format!("retried after {} s", delay.as_secs()));
        self.queue.retry(delivery, delay, reason).await
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<(), QueueError> {
        self.settled().push(format!("dead: {reason}"));
        self.queue.dead_letter(delivery, reason).await
    }

    async fn release(&self, delivery: Delivery, delay: Duration) -> Result<(), QueueError> {
        self.settled().push(format!("released for {} s", delay.as_secs()));
        self.queue.release(delivery, delay).await
    }

    async fn announce(&self, completed: &JobKey) -> Result<(), QueueError> {
        if self.is_mute {
            return Err(QueueError::Unavailable { source: "nobody listens".into() });
        }
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

fn workers(storage: Arc<dyn Storage>, sharing: Sharing) -> Arc<Workers> {
    let settings = WorkerSettings::for_tests();
    Arc::new(Workers::new(settings, storage, sharing, Arc::new(Metrics::new())).unwrap())
}

async fn storage(directory: &Path) -> Arc<dyn Storage> {
    Arc::new(DiskStorage::open(directory.join("storage")).await.unwrap())
}

/// Fails without asking anyone: the host's repositories have two more elements.
fn hopeless() -> Job {
    Job::new(Task::List { module: "github.com/alone".parse().unwrap() })
}

/// Has one slot consume what is on the queue while something else goes on.
async fn consume_during<T>(
    workers: Arc<Workers>,
    queue: &Arc<Eventful>,
    meanwhile: impl Future<Output = T>,
) -> T {
    let (shutdown, grace) = (CancellationToken::new(), Duration::from_secs(1));
    let metrics = Arc::new(Metrics::new());
    let consumer = consume(workers, queue.clone(), metrics, 1, shutdown.clone(), grace);
    let consumer = tokio::spawn(consumer);
    let outcome = meanwhile.await;
    shutdown.cancel();
    consumer.await.unwrap();
    outcome
}

#[tokio::test]
async fn who_publishes_while_an_equal_job_is_given_back_hears_of_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let workers = workers(storage(directory.path()).await, Sharing::Alone);
    let queue = Arc::new(Eventful { is_crowded: true, ..Eventful::open(directory.path()).await });
    queue.publish(&hopeless(), Lane::Interactive).await.unwrap();
    let heard = async {
        let mut latecomer = loop {
            if let Some(latecomer) = queue.latecomer.lock().unwrap().take() {
                break latecomer;
            }
            tokio::task::yield_now().await;
        };
        latecomer.recv().await
    };
    let heard = consume_during(workers, &queue, timeout(HAPPENS_WITHIN, heard)).await;
    assert_eq!(heard.expect("nothing was announced"), Ok(Completion::Of(hopeless().key())));
}

#[tokio::test]
async fn a_refresh_whose_failure_could_not_be_stored_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let storage = TroubledStorage::new(storage(directory.path()).await);
    let workers = workers(storage.clone(), Sharing::Alone);
    let queue = Arc::new(Eventful::open(directory.path()).await);
    queue.publish(&hopeless(), Lane::Interactive).await.unwrap();
    storage.set(Way::Refused);
    let away = async {
        queue.have_settled(1).await;
        storage.set(Way::Open);
        queue.have_settled(2).await;
    };
    consume_during(workers, &queue, away).await;
    assert_eq!(*queue.settled(), ["retried after 1 s", "done"]);
}

#[tokio::test]
async fn a_message_of_a_newer_program_is_left_to_it_with_all_its_attempts() {
    let directory = tempfile::tempdir().unwrap();
    let workers = workers(storage(directory.path()).await, Sharing::Alone);
    let newer = Some(JobError::Newer { format: 99 });
    let queue = Arc::new(Eventful { read: newer, ..Eventful::open(directory.path()).await });
    queue.publish(&hopeless(), Lane::Background).await.unwrap();
    consume_during(workers, &queue, queue.have_settled(1)).await;
    assert_eq!(*queue.settled(), ["released for 60 s"]);
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_cannot_be_announced_does_not_hold_the_slot() {
    let directory = tempfile::tempdir().unwrap();
    let workers = workers(storage(directory.path()).await, Sharing::Alone);
    let queue = Arc::new(Eventful { is_mute: true, ..Eventful::open(directory.path()).await });
    let other = Job::new(Task::Latest { module: "github.com/alone".parse().unwrap() });
    for job in [hopeless(), other] {
        queue.publish(&job, Lane::Interactive).await.unwrap();
    }
    let begun = Instant::now();
    consume_during(workers, &queue, queue.have_settled(2)).await;
    assert!(begun.elapsed() < QUEUE_TROUBLE_PAUSE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_job_that_another_worker_is_at_gives_its_slot_back_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let storage = storage(directory.path()).await;
    let module: stoa_shared::module::ModulePath = "github.com/alone".parse().unwrap();
    let version = "v1.0.0".parse().unwrap();
    let others = Claims::fleet(storage.clone());
    let subject = format!("{module}@v1.0.0");
    let _held = others.take(&subject, Duration::ZERO).await.unwrap();
    let workers = workers(storage.clone(), Sharing::Fleet);
    let worker = workers.of(&Space::Public).unwrap();
    let begun = Instant::now();
    let failure = worker.run(&Job::new(Task::Fill { module, version })).await.unwrap_err();
    assert!(failure.is_out_of_turn(), "{failure}");
    // Less than somebody waits who has another thing to do.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
