//! The suite that every [`Queue`] passes. Cases panic where the contract is broken.
//!
//! `open` opens the queue of the given name: a new one for a name not yet used, else
//! the same queue again, after every handle to it was dropped. An implementation may
//! collapse equal jobs that wait, or deliver each of them.

#![allow(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{
    sync::broadcast,
    time::{self, Instant},
};

use super::{Completion, Delivery, Depth, Job, JobKey, Lane, Lanes, Queue, QueueError, Task};

/// Far more than any step takes; only a broken queue gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs all cases, one after the other, each on a queue of its own.
pub async fn run(open: impl AsyncFn(&str) -> Arc<dyn Queue>) {
    a_published_job_is_delivered_until_it_is_acknowledged(open("acknowledge").await).await;
    a_retried_job_comes_again_after_its_delay_with_a_higher_attempt(open("retry").await).await;
    a_dead_letter_keeps_message_attempts_and_reason(open("dead").await).await;
    a_dead_letter_is_replayed_in_its_lane_as_if_never_tried(open("replay").await).await;
    a_dropped_dead_letter_is_gone_and_the_others_stay(open("drop").await).await;
    a_released_job_comes_again_with_the_same_attempt(open("release").await).await;
    interactive_jobs_go_before_background_ones_and_older_ones_first(open("lanes").await).await;
    who_takes_interactive_jobs_only_gets_them_at_once(open("interactive").await).await;
    a_user_who_waits_for_a_background_job_lifts_it(open("lift").await).await;
    a_user_does_not_wait_for_the_retry_of_a_background_job(open("hurry").await).await;
    a_job_for_later_is_delivered_after_its_delay(open("later").await).await;
    a_delivery_is_given_back_once(open("once").await).await;
    a_receive_that_is_dropped_loses_no_job(open("cancel").await).await;
    each_subscriber_hears_each_completion(open("completions").await).await;
    many_consumers_share_the_jobs_between_them(open("share").await).await;
    accepted_jobs_survive_a_reopen(&open).await;
}

/// Publish, receive, acknowledge; then there is nothing.
pub async fn a_published_job_is_delivered_until_it_is_acknowledged(queue: Arc<dyn Queue>) {
    queue.publish(&job(1), Lane::Background).await.unwrap();
    settles_at(&queue, Depth { background: 1, ..Depth::default() }).await;
    let delivery = receive(&queue).await;
    assert_eq!(delivery.job, Ok(job(1)));
    assert_eq!((delivery.attempt, delivery.lane), (1, Lane::Background));
    settles_at(&queue, Depth { running: 1, ..Depth::default() }).await;
    queue.acknowledge(delivery).await.unwrap();
    settles_at(&queue, Depth::default()).await;

    // What is done can be asked for again.
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    queue.acknowledge(receive(&queue).await).await.unwrap();
    settles_at(&queue, Depth::default()).await;
}

/// Attempts are counted, the delay is kept, and others go ahead meanwhile.
pub async fn a_retried_job_comes_again_after_its_delay_with_a_higher_attempt(
    queue: Arc<dyn Queue>,
) {
    let delay = Duration::from_millis(300);
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    for attempt in 1..=3 {
        let delivery = receive(&queue).await;
        assert_eq!((delivery.job.as_ref(), delivery.attempt), (Ok(&job(1)), attempt));
        assert_eq!(delivery.lane, Lane::Interactive);
        let begun = Instant::now();
        queue.retry(delivery, delay, "the origin is down").await.unwrap();
        let again = receive(&queue).await;
        assert!(begun.elapsed() >= delay, "came {:?} after the retry", begun.elapsed());
        assert_eq!((again.job.as_ref(), again.attempt), (Ok(&job(1)), attempt + 1));
        queue.release(again, Duration::ZERO).await.unwrap();
    }
    let hour = Duration::from_secs(3600);
    queue.retry(receive(&queue).await, hour, "the origin is down").await.unwrap();
    queue.publish(&job(2), Lane::Background).await.unwrap();
    let other = receive(&queue).await;
    assert_eq!(other.job, Ok(job(2)));
    queue.acknowledge(other).await.unwrap();
    settles_at(&queue, Depth { delayed: 1, ..Depth::default() }).await;
}

/// A dead letter is not delivered, tells what and why, and the job may be asked again.
pub async fn a_dead_letter_keeps_message_attempts_and_reason(queue: Arc<dyn Queue>) {
    assert!(queue.dead_letters().await.unwrap().is_empty());
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let first = receive(&queue).await;
    queue.retry(first, Duration::ZERO, "the origin is down").await.unwrap();
    queue.dead_letter(receive(&queue).await, "no such repository").await.unwrap();
    queue.publish(&job(2), Lane::Background).await.unwrap();
    queue.dead_letter(receive(&queue).await, "too large").await.unwrap();
    settles_at(&queue, Depth { dead: 2, ..Depth::default() }).await;

    let letters = queue.dead_letters().await.unwrap();
    let told: Vec<_> = letters
        .iter()
        .map(|letter| (letter.message.as_str(), letter.attempts, letter.reason.as_str()))
        .collect();
    let (one, two) = (job(1).to_message(), job(2).to_message());
    assert_eq!(told, [(one.as_str(), 2, "no such repository"), (two.as_str(), 1, "too large")]);
    assert_ne!(letters[0].id, letters[1].id);
    assert_eq!(queue.dead_letters().await.unwrap(), letters, "reading changes nothing");

    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    let again = receive(&queue).await;
    assert_eq!((again.job.as_ref(), again.attempt), (Ok(&job(1)), 1));
    queue.acknowledge(again).await.unwrap();
}

/// A replayed letter is a job of attempt 1 in the lane where it was; others stay dead.
pub async fn a_dead_letter_is_replayed_in_its_lane_as_if_never_tried(queue: Arc<dyn Queue>) {
    let begun = Timestamp::now();
    for (number, lane) in [(1, Lane::Interactive), (2, Lane::Background), (3, Lane::Background)] {
        queue.publish(&job(number), lane).await.unwrap();
        queue.retry(receive(&queue).await, Duration::ZERO, "the origin is down").await.unwrap();
        queue.dead_letter(receive(&queue).await, "no such repository").await.unwrap();
    }
    settles_at(&queue, Depth { dead: 3, ..Depth::default() }).await;
    let letters = queue.dead_letters().await.unwrap();
    let lanes: Vec<_> = letters.iter().map(|letter| letter.lane).collect();
    assert_eq!(lanes, [Lane::Interactive, Lane::Background, Lane::Background]);
    assert!(letters.iter().all(|letter| letter.buried_at.is_some_and(|at| at >= begun)));

    for (letter, number) in [(&letters[1], 2), (&letters[0], 1)] {
        queue.replay_dead_letter(&letter.id).await.unwrap();
        let again = receive(&queue).await;
        assert_eq!((again.job.as_ref(), again.attempt), (Ok(&job(number)), 1));
        assert_eq!(again.lane, letter.lane);
        queue.acknowledge(again).await.unwrap();
        let twice = queue.replay_dead_letter(&letter.id).await;
        assert!(matches!(twice, Err(QueueError::UnknownDeadLetter { .. })), "{twice:?}");
    }
    settles_at(&queue, Depth { dead: 1, ..Depth::default() }).await;
    assert_eq!(queue.dead_letters().await.unwrap(), letters[2..]);
}

/// What is dropped is not delivered; an unknown id is told and changes nothing.
pub async fn a_dropped_dead_letter_is_gone_and_the_others_stay(queue: Arc<dyn Queue>) {
    for number in 1..=3 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
        queue.dead_letter(receive(&queue).await, "no such repository").await.unwrap();
    }
    settles_at(&queue, Depth { dead: 3, ..Depth::default() }).await;
    let mut letters = queue.dead_letters().await.unwrap();
    let dropped = letters.remove(1);
    queue.drop_dead_letter(&dropped.id).await.unwrap();
    settles_at(&queue, Depth { dead: 2, ..Depth::default() }).await;
    assert_eq!(queue.find_dead_letter(&letters[1].id).await.unwrap(), letters[1]);
    for id in [dropped.id.as_str(), "", "never given", "../jobs/1"] {
        for refused in [
            queue.find_dead_letter(id).await.map(drop),
            queue.drop_dead_letter(id).await,
            queue.replay_dead_letter(id).await,
        ] {
            let is_unknown = matches!(refused, Err(QueueError::UnknownDeadLetter { .. }));
            assert!(is_unknown, "{id:?}: {refused:?}");
        }
    }
    assert_eq!(queue.dead_letters().await.unwrap(), letters);
}

/// A release costs no attempt.
pub async fn a_released_job_comes_again_with_the_same_attempt(queue: Arc<dyn Queue>) {
    queue.publish(&job(1), Lane::Background).await.unwrap();
    for _ in 0..5 {
        let delivery = receive(&queue).await;
        assert_eq!((delivery.job.as_ref(), delivery.attempt), (Ok(&job(1)), 1));
        queue.release(delivery, Duration::ZERO).await.unwrap();
    }
    let delay = Duration::from_millis(300);
    let begun = Instant::now();
    queue.release(receive(&queue).await, delay).await.unwrap();
    let delivery = receive(&queue).await;
    assert_eq!((delivery.job.as_ref(), delivery.attempt), (Ok(&job(1)), 1));
    assert!(begun.elapsed() >= delay, "came {:?} after the release", begun.elapsed());
    queue.acknowledge(delivery).await.unwrap();
    settles_at(&queue, Depth::default()).await;
}

/// Lane first, then age.
pub async fn interactive_jobs_go_before_background_ones_and_older_ones_first(
    queue: Arc<dyn Queue>,
) {
    for (number, lane) in [
        (1, Lane::Background),
        (2, Lane::Interactive),
        (3, Lane::Background),
        (4, Lane::Interactive),
    ] {
        queue.publish(&job(number), lane).await.unwrap();
    }
    settles_at(&queue, Depth { interactive: 2, background: 2, ..Depth::default() }).await;
    for number in [2, 4, 1, 3] {
        let delivery = receive(&queue).await;
        assert_eq!(delivery.job, Ok(job(number)));
        queue.acknowledge(delivery).await.unwrap();
    }
}

/// A first delivery may be put off; whoever waits for an equal job is not.
pub async fn a_job_for_later_is_delivered_after_its_delay(queue: Arc<dyn Queue>) {
    let (delay, begun) = (Duration::from_millis(1500), Instant::now());
    queue.publish_later(&job(1), Lane::Background, delay).await.unwrap();
    queue.publish(&job(2), Lane::Background).await.unwrap();
    let other = receive(&queue).await;
    assert_eq!(other.job, Ok(job(2)));
    queue.acknowledge(other).await.unwrap();
    settles_at(&queue, Depth { delayed: 1, ..Depth::default() }).await;
    let delivery = receive(&queue).await;
    assert!(begun.elapsed() >= delay, "came {:?} after the publish", begun.elapsed());
    assert_eq!((delivery.job.as_ref(), delivery.attempt), (Ok(&job(1)), 1));
    queue.acknowledge(delivery).await.unwrap();

    let hour = Duration::from_secs(3600);
    queue.publish_later(&job(3), Lane::Background, hour).await.unwrap();
    queue.publish(&job(3), Lane::Interactive).await.unwrap();
    let delivery = receive(&queue).await;
    assert_eq!((delivery.job.as_ref(), delivery.attempt), (Ok(&job(3)), 1));
    queue.acknowledge(delivery).await.unwrap();
}

/// Background jobs are left to those who take all, and a job that is lifted counts.
pub async fn who_takes_interactive_jobs_only_gets_them_at_once(queue: Arc<dyn Queue>) {
    for number in 1..=3 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
    }
    let mut urgent = queue.receive(Lanes::InteractiveOnly);
    assert!(time::timeout(Duration::from_millis(300), &mut urgent).await.is_err());
    queue.publish(&job(4), Lane::Interactive).await.unwrap();
    queue.publish(&job(2), Lane::Interactive).await.unwrap();
    let mut heard = BTreeSet::new();
    let mut next = Some(time::timeout(PATIENCE, urgent).await.unwrap().unwrap());
    while let Some(delivery) = next.take() {
        assert_eq!(delivery.lane, Lane::Interactive);
        heard.insert(delivery.job.as_ref().unwrap().key());
        queue.acknowledge(delivery).await.unwrap();
        let again = time::timeout(Duration::from_secs(1), queue.receive(Lanes::InteractiveOnly));
        next = again.await.ok().map(Result::unwrap);
    }
    assert_eq!(heard, [job(2).key(), job(4).key()].into());
    while queue.depth().await.unwrap() != Depth::default() {
        let delivery = receive(&queue).await;
        assert_eq!(delivery.lane, Lane::Background);
        queue.acknowledge(delivery).await.unwrap();
    }
}

/// An interactive publish of a job that waits in the background puts it first.
pub async fn a_user_who_waits_for_a_background_job_lifts_it(queue: Arc<dyn Queue>) {
    for number in 1..=3 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
    }
    queue.publish(&job(3), Lane::Interactive).await.unwrap();
    let first = receive(&queue).await;
    assert_eq!((first.job.as_ref(), first.lane), (Ok(&job(3)), Lane::Interactive));
    queue.acknowledge(first).await.unwrap();

    let mut rest = BTreeSet::new();
    while queue.depth().await.unwrap() != Depth::default() {
        let delivery = receive(&queue).await;
        rest.insert(delivery.job.as_ref().unwrap().key());
        queue.acknowledge(delivery).await.unwrap();
    }
    assert!(rest.is_superset(&[job(1).key(), job(2).key()].into()), "{rest:?}");
}

/// What a worker tries again later, because nobody waited when it began, is tried at once
/// for a user who has come since.
pub async fn a_user_does_not_wait_for_the_retry_of_a_background_job(queue: Arc<dyn Queue>) {
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let running = receive(&queue).await;
    assert_eq!(running.lane, Lane::Background);
    queue.publish(&job(1), Lane::Interactive).await.unwrap();
    queue.retry(running, Duration::from_secs(3600), "absent").await.unwrap();
    let delivery = receive(&queue).await;
    assert_eq!((delivery.job.as_ref(), delivery.lane), (Ok(&job(1)), Lane::Interactive));
    queue.acknowledge(delivery).await.unwrap();
}

/// A receipt that is not in hand is refused by every verdict, and the job stays.
pub async fn a_delivery_is_given_back_once(queue: Arc<dyn Queue>) {
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let delivery = receive(&queue).await;
    let copy = |receipt: &str| Delivery {
        job: Ok(job(1)),
        attempt: 1,
        lane: Lane::Background,
        receipt: receipt.to_owned(),
    };
    let stale = delivery.receipt.clone();
    queue.release(delivery, Duration::ZERO).await.unwrap();
    let current = receive(&queue).await;
    for receipt in [stale.as_str(), "", "never given"] {
        for refused in [
            queue.acknowledge(copy(receipt)).await,
            queue.retry(copy(receipt), Duration::ZERO, "late").await,
            queue.dead_letter(copy(receipt), "late").await,
            queue.release(copy(receipt), Duration::ZERO).await,
        ] {
            let is_unknown = matches!(refused, Err(QueueError::UnknownDelivery { .. }));
            assert!(is_unknown, "{receipt:?}: {refused:?}");
        }
    }
    queue.acknowledge(current).await.unwrap();
    settles_at(&queue, Depth::default()).await;
}

/// Receivers that give up waiting take nothing with them.
pub async fn a_receive_that_is_dropped_loses_no_job(queue: Arc<dyn Queue>) {
    for number in 0..20 {
        let (first, mut second) = (queue.receive(Lanes::All), queue.receive(Lanes::All));
        // Both wait in line; the first leaves it.
        assert!(time::timeout(Duration::from_millis(1), first).await.is_err());
        assert!(time::timeout(Duration::from_millis(1), &mut second).await.is_err());
        queue.publish(&job(number), Lane::Background).await.unwrap();
        drop(second);
        let delivery = receive(&queue).await;
        assert_eq!(delivery.job, Ok(job(number)));
        queue.acknowledge(delivery).await.unwrap();
    }
}

/// Completions reach all who subscribed before, in order, from the moment on that an
/// implementation which subscribes in the background has done so.
pub async fn each_subscriber_hears_each_completion(queue: Arc<dyn Queue>) {
    let mut first = queue.completions();
    while time::timeout(Duration::from_millis(50), heard(&mut first)).await.is_err() {
        // Where a broker is asked for it, announcing may fail until it is reached.
        let _ = queue.announce(&job(0).key()).await;
    }
    let subscribers: Vec<_> = (0..3).map(|_| queue.completions()).collect();
    for number in 1..=2 {
        queue.announce(&job(number).key()).await.unwrap();
    }
    for mut subscriber in subscribers {
        let mut others = vec![job(0).key()];
        for number in 1..=2 {
            let mut heard = heard(&mut subscriber).await;
            while others.contains(&heard) {
                heard = self::heard(&mut subscriber).await;
            }
            assert_eq!(heard, job(number).key());
            others.clear();
        }
    }
}

/// With many publishers and consumers at once each job is delivered exactly once, as
/// long as nobody fails.
pub async fn many_consumers_share_the_jobs_between_them(queue: Arc<dyn Queue>) {
    const JOBS: usize = 96;
    const CONSUMERS: usize = 8;
    let consumers = (0..CONSUMERS).map(|_| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..JOBS / CONSUMERS {
                let delivery = receive(&queue).await;
                seen.push(delivery.job.as_ref().unwrap().key());
                tokio::task::yield_now().await;
                queue.acknowledge(delivery).await.unwrap();
            }
            seen
        })
    });
    let consumers: Vec<_> = consumers.collect();
    let publishers = (0..JOBS).map(|number| {
        let queue = Arc::clone(&queue);
        let lane = if number % 2 == 0 { Lane::Interactive } else { Lane::Background };
        tokio::spawn(async move { queue.publish(&job(number), lane).await.unwrap() })
    });
    join_all(publishers).await.into_iter().for_each(|published| published.unwrap());
    let mut counts = BTreeMap::new();
    for consumer in consumers {
        for key in consumer.await.unwrap() {
            *counts.entry(key).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), JOBS);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    settles_at(&queue, Depth::default()).await;
}

/// What waited, ran or was delayed comes again; attempts and dead letters are kept;
/// what was acknowledged stays away.
pub async fn accepted_jobs_survive_a_reopen(open: &impl AsyncFn(&str) -> Arc<dyn Queue>) {
    let queue = open("reopen").await;
    for number in 1..=5 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
    }
    queue.acknowledge(receive(&queue).await).await.unwrap();
    queue.dead_letter(receive(&queue).await, "no such repository").await.unwrap();
    let delayed = receive(&queue).await;
    queue.retry(delayed, Duration::from_millis(500), "the origin is down").await.unwrap();
    let running = receive(&queue).await;
    assert_eq!(running.job, Ok(job(4)));
    queue.publish(&job(6), Lane::Interactive).await.unwrap();
    drop(queue);

    let queue = open("reopen").await;
    let mut delivered = BTreeMap::new();
    for _ in 0..4 {
        let delivery = receive(&queue).await;
        delivered.insert(delivery.job.clone().unwrap().key(), (delivery.attempt, delivery.lane));
        queue.acknowledge(delivery).await.unwrap();
    }
    let expected = [
        (job(3).key(), (2, Lane::Background)),
        (job(4).key(), (1, Lane::Background)),
        (job(5).key(), (1, Lane::Background)),
        (job(6).key(), (1, Lane::Interactive)),
    ];
    assert_eq!(delivered, expected.into());
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message, job(2).to_message());
    drop(queue);

    let queue = open("reopen").await;
    settles_at(&queue, Depth { dead: 1, ..Depth::default() }).await;
}

/// The job of a number.
pub fn job(number: usize) -> Job {
    Job::new(Task::Fill {
        module: "example.com/contract".parse().unwrap(),
        version: format!("v1.0.{number}").parse().unwrap(),
    })
}

/// The next delivery, which a queue that keeps its contract has soon.
pub async fn receive(queue: &Arc<dyn Queue>) -> Delivery {
    time::timeout(PATIENCE, queue.receive(Lanes::All)).await.expect("a job is due").unwrap()
}

/// The next completion that names its job.
pub async fn heard(subscriber: &mut broadcast::Receiver<Completion>) -> JobKey {
    loop {
        let heard = time::timeout(PATIENCE, subscriber.recv()).await.expect("something is said");
        if let Completion::Of(key) = heard.unwrap() {
            return key;
        }
    }
}

/// Waits until the queue tells this depth: a broker counts with a lag.
pub async fn settles_at(queue: &Arc<dyn Queue>, expected: Depth) {
    let begun = Instant::now();
    loop {
        let depth = queue.depth().await.unwrap();
        if depth == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{depth:?} instead of {expected:?}");
        time::sleep(Duration::from_millis(20)).await;
    }
}
