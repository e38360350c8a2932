#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::queue::{
    JobError,
    contract::{self, job, receive},
};

async fn open(directory: &Path) -> Arc<dyn Queue> {
    Arc::new(EmbeddedQueue::open(directory.to_owned()).await.unwrap())
}

async fn fresh() -> (TempDir, Arc<dyn Queue>) {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path()).await;
    (directory, queue)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

async fn acknowledge_next(queue: &Arc<dyn Queue>) -> JobKey {
    let delivery = receive(queue).await;
    let key = delivery.job.as_ref().unwrap().key();
    queue.acknowledge(delivery).await.unwrap();
    key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_and_done_jobs_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    contract::run(async |name: &str| open(&directory.path().join(name)).await).await;
    for name in names(directory.path()) {
        assert!(names(&directory.path().join(&name).join("tmp")).is_empty(), "{name}");
        // One case ends with a job that is delayed by an hour.
        let outstanding = usize::from(name == "retry");
        let left = names(&directory.path().join(&name).join("jobs"));
        assert_eq!(left.len(), outstanding, "{name}: {left:?}");
    }
}

#[tokio::test]
async fn a_queue_in_use_is_refused_in_one_line() {
    let (directory, queue) = fresh().await;
    let refusal = EmbeddedQueue::open(directory.path().to_owned()).await.err().unwrap();
    assert!(matches!(refusal, DirectoryError::InUse { .. }), "{refusal}");
    drop(queue);
    open(directory.path()).await;
}

#[tokio::test]
async fn equal_jobs_are_one_job_also_when_they_are_published_at_once() {
    let (directory, queue) = fresh().await;
    let (first, second) = (job(1), job(2));
    let publishes = (0..64).map(|number| {
        let lane = if number == 63 { Lane::Interactive } else { Lane::Background };
        queue.publish(if number == 0 { &first } else { &second }, lane)
    });
    join_all(publishes).await.into_iter().for_each(|published| published.unwrap());
    assert_eq!(names(&directory.path().join("jobs")).len(), 2);
    let expected = Depth { interactive: 1, background: 1, ..Depth::default() };
    assert_eq!(queue.depth().await.unwrap(), expected);
    assert_eq!(acknowledge_next(&queue).await, job(2).key());
    assert_eq!(acknowledge_next(&queue).await, job(1).key());
}

#[tokio::test]
async fn a_running_job_satisfies_an_equal_publish_and_keeps_the_lane_it_was_lifted_to() {
    let (_directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let running = receive(&queue).await;
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { running: 1, ..Depth::default() });
    queue.release(running, Duration::ZERO).await.unwrap();
    let again = receive(&queue).await;
    assert_eq!(again.lane, Lane::Interactive);
    queue.acknowledge(again).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_delayed_job_stays_delayed_until_a_user_waits_for_it() {
    let (_directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let hour = Duration::from_secs(3600);
    queue.retry(receive(&queue).await, hour, "the origin is down").await.unwrap();
    queue.publish(&job(1), Lane::Background).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { delayed: 1, ..Depth::default() });

    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    let delivery = receive(&queue).await;
    // That a user could not wait for it is no attempt of its own.
    assert_eq!((delivery.attempt, delivery.lane), (1, Lane::Interactive));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_waits_gets_a_delayed_job_when_it_is_due() {
    let (_directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let first = receive(&queue).await;
    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.receive(Lanes::All).await.unwrap() })
    };
    task::yield_now().await;
    let begun = Instant::now();
    queue.retry(first, Duration::from_secs(600), "the origin is down").await.unwrap();
    assert_eq!(waiting.await.unwrap().attempt, 2);
    assert!(begun.elapsed() >= Duration::from_secs(600));
    assert!(begun.elapsed() < IN_HAND, "woken by the delay, not by the guard");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_its_consumer_lost_comes_again_and_the_lost_hand_is_void() {
    let (_directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let lost = queue.receive(Lanes::All).await.unwrap();
    let begun = Instant::now();
    let again = queue.receive(Lanes::All).await.unwrap();
    assert!(begun.elapsed() >= IN_HAND);
    assert_eq!((again.job.as_ref(), again.attempt), (Ok(&job(1)), 1));
    let late = queue.acknowledge(lost).await;
    assert!(matches!(late, Err(QueueError::UnknownDelivery { .. })), "{late:?}");
    queue.acknowledge(again).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_comes_after_those_who_have_waited() {
    let (_directory, queue) = fresh().await;
    for number in 1..=3 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
    }
    let first = queue.receive(Lanes::All).await.unwrap();
    assert_eq!(first.job, Ok(job(1)));
    queue.release(first, Duration::from_secs(1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    for number in [2, 3, 1] {
        let delivery = queue.receive(Lanes::All).await.unwrap();
        assert_eq!(delivery.job, Ok(job(number)));
        queue.acknowledge(delivery).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn receivers_are_served_in_the_order_they_came() {
    let (_directory, queue) = fresh().await;
    let receivers: Vec<_> = (0..8)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.receive(Lanes::All).await.unwrap() })
        })
        .collect();
    task::yield_now().await;
    for (number, receiver) in receivers.into_iter().enumerate() {
        queue.publish(&job(number), Lane::Background).await.unwrap();
        assert_eq!(receiver.await.unwrap().job, Ok(job(number)));
    }
}

#[tokio::test]
async fn a_publish_that_is_dropped_midway_still_keeps_its_word_to_an_equal_one() {
    let (_directory, queue) = fresh().await;
    let job = job(1);
    let mut dropped = queue.publish(&job, Lane::Background);
    assert!(futures_util::poll!(&mut dropped).is_pending());
    let waiting = queue.publish(&job, Lane::Background);
    drop(dropped);
    waiting.await.unwrap();
    assert_eq!(acknowledge_next(&queue).await, job.key());
}

#[tokio::test]
async fn a_job_that_a_user_waits_for_is_handed_out_while_it_is_written_and_leaves_no_file() {
    let (directory, queue) = fresh().await;
    for number in 0..50 {
        let job = job(number);
        let mut publishing = queue.publish(&job, Lane::Interactive);
        let is_published = futures_util::poll!(&mut publishing).is_ready();
        let delivery = queue.receive(Lanes::All).now_or_never().unwrap().unwrap();
        // Whoever publishes its equal is promised that it is written, too.
        let mut equal = queue.publish(&job, Lane::Background);
        let is_written = futures_util::poll!(&mut equal).is_ready();
        assert!(!is_written || names(&directory.path().join("jobs")).len() == 1);
        queue.acknowledge(delivery).await.unwrap();
        assert!(names(&directory.path().join("jobs")).is_empty());
        assert_eq!(queue.depth().await.unwrap(), Depth::default());
        if !is_published {
            publishing.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_job_in_hand_that_could_not_be_written_is_refused_and_settled_all_the_same() {
    let (directory, queue) = fresh().await;
    let tmp = directory.path().join("tmp");
    fs::remove_dir(&tmp).unwrap();
    let refused = queue.publish(&job(1), Lane::Interactive).await;
    assert!(matches!(refused, Err(QueueError::Unavailable { .. })), "{refused:?}");
    let delivery = receive(&queue).await;
    fs::create_dir(&tmp).unwrap();
    // From its retry on it is as durable as any other.
    queue.retry(delivery, Duration::from_secs(3600), "the origin is down").await.unwrap();
    assert_eq!(names(&directory.path().join("jobs")).len(), 1);
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    assert_eq!(acknowledge_next(&queue).await, job(1).key());
    assert!(names(&directory.path().join("jobs")).is_empty());
}

#[tokio::test]
async fn what_a_killed_process_left_is_put_right_at_the_next_start() {
    let (directory, queue) = fresh().await;
    for number in 1..=3 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
    }
    let jobs = directory.path().join("jobs");
    let buried_file = names(&jobs)[1].clone();
    let record = fs::read(jobs.join(&buried_file)).unwrap();
    queue.acknowledge(receive(&queue).await).await.unwrap();
    queue.dead_letter(receive(&queue).await, "no such repository").await.unwrap();
    drop(queue);
    // Killed while it wrote a job, and between dead letter and removal of the job.
    fs::write(directory.path().join("tmp/.tmpAbCdEf"), "{").unwrap();
    fs::write(jobs.join(&buried_file), record).unwrap();

    let queue = open(directory.path()).await;
    assert!(names(&directory.path().join("tmp")).is_empty());
    let expected = Depth { background: 1, dead: 1, ..Depth::default() };
    assert_eq!(queue.depth().await.unwrap(), expected);
    assert_eq!(acknowledge_next(&queue).await, job(3).key());
    // A new job takes no name that a dead letter has.
    queue.publish(&job(4), Lane::Background).await.unwrap();
    queue.dead_letter(receive(&queue).await, "too large").await.unwrap();
    assert_eq!(queue.dead_letters().await.unwrap().len(), 2);
}

#[tokio::test]
async fn files_that_hold_no_job_are_delivered_as_unreadable_or_left_alone() {
    let (directory, queue) = fresh().await;
    drop(queue);
    let jobs = directory.path().join("jobs");
    let newer = Record::new(r#"{"format":99,"kind":"new"}"#.to_owned(), Lane::Interactive);
    fs::write(jobs.join(format!("{}.json", Sequence(7))), b"\xff{").unwrap();
    fs::write(jobs.join(format!("{}.json", Sequence(8))), serde_json::to_vec(&newer).unwrap())
        .unwrap();
    for foreign in ["README", "9.json", "x.json"] {
        fs::write(jobs.join(foreign), "{}").unwrap();
    }

    let queue = open(directory.path()).await;
    let newer = receive(&queue).await;
    assert_eq!(newer.job, Err(JobError::Newer { format: 99 }));
    queue.retry(newer, Duration::from_secs(60), "a newer program's job").await.unwrap();
    let unreadable = receive(&queue).await;
    assert!(matches!(unreadable.job, Err(JobError::Unreadable { .. })));
    queue.dead_letter(unreadable, "unreadable").await.unwrap();
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!((letters[0].message.as_str(), letters[0].attempts), ("\u{fffd}{", 1));
    let expected = Depth { delayed: 1, dead: 1, ..Depth::default() };
    assert_eq!(queue.depth().await.unwrap(), expected);
    assert_eq!(names(&jobs).len(), 4, "foreign files stay");
}

#[tokio::test]
async fn a_delay_survives_a_restart_and_an_absurd_one_is_cut() {
    let (directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let delivery = receive(&queue).await;
    queue.retry(delivery, Duration::MAX, "the origin is down").await.unwrap();
    drop(queue);
    let queue = open(directory.path()).await;
    assert_eq!(queue.depth().await.unwrap(), Depth { delayed: 1, ..Depth::default() });
}

#[tokio::test]
async fn a_damaged_dead_letter_is_told_as_it_lies() {
    let (directory, queue) = fresh().await;
    fs::write(directory.path().join(format!("dead/{}.json", Sequence(1))), "{half").unwrap();
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!((letters[0].message.as_str(), letters[0].attempts), ("{half", 0));
    assert!(letters[0].reason.starts_with("unreadable dead letter"), "{}", letters[0].reason);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_writes_loses_no_job() {
    let (directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let tmp = directory.path().join("tmp");
    fs::remove_dir(&tmp).unwrap();
    let is_trouble = |result| matches!(result, Err(QueueError::Unavailable { .. }));

    assert!(is_trouble(queue.publish(&job(2), Lane::Background).await));
    let delivery = receive(&queue).await;
    assert!(is_trouble(queue.retry(delivery, Duration::from_secs(5), "down").await));
    let delivery = receive(&queue).await;
    assert_eq!(delivery.attempt, 2, "counted, though not written");
    assert!(is_trouble(queue.dead_letter(delivery, "no such repository").await));
    assert_eq!(queue.depth().await.unwrap(), Depth { delayed: 1, ..Depth::default() });

    fs::create_dir(&tmp).unwrap();
    queue.dead_letter(receive(&queue).await, "no such repository").await.unwrap();
    queue.publish(&job(2), Lane::Background).await.unwrap();
    assert_eq!(acknowledge_next(&queue).await, job(2).key());
    assert_eq!(queue.depth().await.unwrap(), Depth { dead: 1, ..Depth::default() });
}

#[tokio::test]
async fn what_a_power_cut_left_of_a_job_that_a_user_waited_for_is_nothing() {
    let (directory, queue) = fresh().await;
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    drop(queue);
    let jobs = directory.path().join("jobs");
    let [file] = names(&jobs).try_into().unwrap();
    for left in ["", "\0\0\0"] {
        fs::write(jobs.join(&file), left).unwrap();
        let queue = open(directory.path()).await;
        assert_eq!(queue.depth().await.unwrap(), Depth::default());
        assert!(names(&jobs).is_empty());
    }
}
