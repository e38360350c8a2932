//! Faults: of the connection, of messages, of the broker.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;
use crate::{
    queue::{JobError, contract::heard},
    testing::forwarder::Forwarder,
};

/// Publishes jobs while something goes wrong, and works on them.
async fn publish_and_work(queue: &Arc<dyn Queue>, jobs: usize, fault: impl Future<Output = ()>) {
    let seen = Arc::new(StdMutex::new(BTreeSet::new()));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, seen) = (Arc::clone(queue), Arc::clone(&seen));
            tokio::spawn(async move {
                loop {
                    let delivery = queue.receive(Lanes::All).await.unwrap();
                    let key = delivery.job.as_ref().unwrap().key();
                    match queue.acknowledge(delivery).await {
                        // Whoever had to give it back is not who did it.
                        Ok(()) => drop(seen.lock().unwrap().insert(key)),
                        Err(QueueError::UnknownDelivery { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    let publishers = (0..8).map(|publisher| {
        let queue = Arc::clone(queue);
        tokio::spawn(async move {
            for number in (publisher..jobs).step_by(8) {
                let lane = if number % 3 == 0 { Lane::Interactive } else { Lane::Background };
                queue.publish(&job(number), lane).await.unwrap();
            }
        })
    });
    let publishers = publishers.collect::<Vec<_>>();
    fault.await;
    join_all(publishers).await.into_iter().for_each(|published| published.unwrap());
    settles_at(queue, Depth::default()).await;
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    let expected: BTreeSet<_> = (0..jobs).map(|number| job(number).key()).collect();
    let seen = seen.lock().unwrap();
    let lost: Vec<_> = expected.difference(&seen).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_killed_under_load_lose_no_job_and_completions_resume() {
    let (vhost, queue) = fresh();
    let mut completions = queue.completions();
    assert_eq!(completions.recv().await, Ok(Completion::MaybeMissed));
    let fault = async {
        for _ in 0..2 {
            assert!(vhost.close_connections(2) >= 2);
            assert_eq!(completions.recv().await, Ok(Completion::MaybeMissed));
        }
    };
    publish_and_work(&queue, 400, fault).await;
    queue.announce(&job(1).key()).await.unwrap();
    assert_eq!(heard(&mut completions).await, job(1).key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishes_while_the_broker_is_away_arrive_when_it_is_back() {
    let vhost = Vhost::create();
    let (host, port) = vhost.address();
    let mut way = Forwarder::start(&host, port).await;
    let config = config(vhost.url_through(way.port()));
    let queue: Arc<dyn Queue> = Arc::new(RabbitQueue::start(config).unwrap());
    settles_at(&queue, Depth::default()).await;
    let fault = async {
        for _ in 0..2 {
            way.cut().await;
            time::sleep(Duration::from_millis(300)).await;
            way.restore().await;
            queue.publish(&list(1), Lane::Background).await.unwrap();
        }
    };
    publish_and_work(&queue, 200, fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_without_a_broker_is_unavailable_in_time_and_works_later() {
    let vhost = Vhost::create();
    let (host, port) = vhost.address();
    let mut way = Forwarder::start(&host, port).await;
    way.cut().await;
    let timeout = Duration::from_millis(200);
    let config = RabbitConfig { publish_timeout: timeout, ..config(vhost.url_through(way.port())) };
    let rabbit = Arc::new(RabbitQueue::start(config).unwrap());
    let queue: Arc<dyn Queue> = rabbit.clone();
    let begun = time::Instant::now();
    let refusal = queue.publish(&job(1), Lane::Interactive).await.unwrap_err();
    assert!(begun.elapsed() >= timeout);
    let QueueError::Unavailable { source } = refusal else { panic!("{refusal}") };
    assert_eq!(source.to_string(), "there is no connection to the broker");
    for refused in [
        queue.announce(&job(1).key()).await,
        queue.depth().await.map(drop),
        queue.dead_letters().await.map(drop),
        queue.replay_dead_letter("1").await,
    ] {
        assert!(matches!(refused, Err(QueueError::Unavailable { .. })), "{refused:?}");
    }
    assert!(!rabbit.is_connected());

    way.restore().await;
    while queue.publish(&job(1), Lane::Interactive).await.is_err() {}
    assert!(rabbit.is_connected());
    assert_eq!(receive(&queue).await.job, Ok(job(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_consumer_had_in_hand_when_it_died_comes_again_with_its_attempt() {
    let (vhost, dying) = fresh();
    dying.publish(&job(1), Lane::Background).await.unwrap();
    dying.retry(receive(&dying).await, Duration::ZERO, "the origin is down").await.unwrap();
    let held = receive(&dying).await;
    assert_eq!(held.attempt, 2);
    drop(dying);
    let queue = open(&vhost);
    let again = receive(&queue).await;
    assert_eq!((again.job.as_ref(), again.attempt), (Ok(&job(1)), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_hand_when_the_connection_died_is_out_of_hand_and_comes_again() {
    let (vhost, queue) = fresh();
    queue.publish(&job(1), Lane::Background).await.unwrap();
    let lost = receive(&queue).await;
    assert!(vhost.close_connections(2) >= 2);
    let again = receive(&queue).await;
    assert_eq!((again.job.as_ref(), again.attempt), (Ok(&job(1)), 1));
    let late = queue.retry(lost, Duration::ZERO, "late").await;
    assert!(matches!(late, Err(QueueError::UnknownDelivery { .. })), "{late:?}");
    queue.acknowledge(again).await.unwrap();
    settles_at(&queue, Depth::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_message_reaches_the_consumer_and_its_grave() {
    let (vhost, queue) = fresh();
    settles_at(&queue, Depth::default()).await;
    vhost.publish("stoa.fill.background.v1", "{half");
    vhost.publish("stoa.refresh.interactive.v1", r#"{"format":99,"kind":"new"}"#);
    let newer = receive(&queue).await;
    assert_eq!((newer.job.as_ref(), newer.attempt), (Err(&JobError::Newer { format: 99 }), 1));
    queue.acknowledge(newer).await.unwrap();
    for replays in 0..2 {
        let unreadable = receive(&queue).await;
        assert!(matches!(unreadable.job, Err(JobError::Unreadable { .. })));
        assert_eq!((unreadable.attempt, unreadable.lane), (1, Lane::Background));
        queue.dead_letter(unreadable, "unreadable").await.unwrap();
        let letters = queue.dead_letters().await.unwrap();
        assert_eq!(letters[0].message, "{half");
        if replays == 0 {
            queue.replay_dead_letter(&letters[0].id).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_never_settled_is_buried_by_the_broker_and_can_be_replayed() {
    let (_vhost, queue) = fresh();
    queue.publish(&list(1), Lane::Background).await.unwrap();
    // The first delivery, and a hundred more.
    for _ in 0..=100 {
        let delivery = receive(&queue).await;
        assert_eq!(delivery.attempt, 1);
        queue.release(delivery, Duration::ZERO).await.unwrap();
    }
    settles_at(&queue, Depth { dead: 1, ..Depth::default() }).await;
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!((letters[0].lane, letters[0].attempts), (Lane::Background, 1));
    assert!(letters[0].reason.starts_with("given up by the broker"), "{}", letters[0].reason);
    queue.replay_dead_letter(&letters[0].id).await.unwrap();
    let again = receive(&queue).await;
    assert_eq!((again.job.as_ref(), again.lane), (Ok(&list(1)), Lane::Background));
    queue.acknowledge(again).await.unwrap();
    settles_at(&queue, Depth::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_refuses_a_publish_and_is_declared_again() {
    let (vhost, queue) = fresh();
    settles_at(&queue, Depth::default()).await;
    vhost.delete_queue("stoa.fill.interactive.v1");
    let refused = queue.publish(&job(1), Lane::Interactive).await;
    assert!(matches!(refused, Err(QueueError::Unavailable { .. })), "{refused:?}");
    while queue.publish(&job(1), Lane::Interactive).await.is_err() {}
    assert_eq!(receive(&queue).await.job, Ok(job(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_exchange_of_completions_is_declared_again_and_all_listen_to_it() {
    let (vhost, announcing) = fresh();
    let listening: Arc<dyn Queue> =
        Arc::new(RabbitQueue::start(RabbitConfig { prefetch: 0, ..config(vhost.url()) }).unwrap());
    let mut completions = listening.completions();
    assert_eq!(completions.recv().await, Ok(Completion::MaybeMissed));
    vhost.delete_exchange("stoa.completions.v1");
    let told = async {
        loop {
            // It fails while the exchange is missed and declared again.
            let _ = announcing.announce(&job(1).key()).await;
            time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = told => {}
        heard = heard(&mut completions) => assert_eq!(heard, job(1).key()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_missed_by_whoever_counts_or_reads_is_declared_again() {
    let vhost = Vhost::create();
    // It has no consumers, which would miss something, too.
    let config = RabbitConfig { prefetch: 0, ..config(vhost.url()) };
    let queue: Arc<dyn Queue> = Arc::new(RabbitQueue::start(config).unwrap());
    settles_at(&queue, Depth::default()).await;
    let counted = async || queue.depth().await.map(drop);
    let read = async || queue.dead_letters().await.map(drop);
    vhost.delete_queue("stoa.dead.v1");
    assert!(counted().await.is_err());
    is_mended(counted).await;
    vhost.delete_queue("stoa.dead.v1");
    assert!(read().await.is_err());
    is_mended(read).await;
}

/// Waits until the queue can do it again.
async fn is_mended(attempt: impl AsyncFn() -> Result<(), QueueError>) {
    let mended = async {
        while attempt().await.is_err() {
            time::sleep(Duration::from_millis(100)).await;
        }
    };
    time::timeout(Duration::from_secs(30), mended).await.expect("it is declared again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lets_us_in_and_refuses_us_then_is_left_alone_for_longer_each_time() {
    let vhost = Vhost::create();
    let settled: Arc<dyn Queue> = open(&vhost);
    settles_at(&settled, Depth::default()).await;
    // It may bind and declare, and must not take jobs.
    let url = vhost.url_for_reader_of("^stoa\\.(delay|completions|declaring)");
    let refused = RabbitQueue::start(config(url)).unwrap();
    let mut links = refused.shared.link.subscribe();
    let mut opened = 0;
    let count = async {
        loop {
            links.wait_for(Option::is_some).await.unwrap();
            opened += 1;
            links.wait_for(Option::is_none).await.unwrap();
        }
    };
    let watch = async {
        tokio::select! {
            () = count => {}
            // Nothing is taken for nobody.
            received = refused.receive(Lanes::All) => panic!("{received:?}"),
        }
    };
    assert!(time::timeout(Duration::from_secs(5), watch).await.is_err());
    assert!((2..=8).contains(&opened), "{opened} links");
}
