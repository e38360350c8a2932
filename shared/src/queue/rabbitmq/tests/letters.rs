//! Dead letters, many of them.

use futures_util::{StreamExt, stream};

use super::*;

const MANY: usize = 400;

/// A queue with many dead letters, oldest first.
async fn with_letters(vhost: &Vhost) -> RabbitQueue {
    let queue = RabbitQueue::start(config(vhost.url())).unwrap();
    let buried = stream::iter(0..MANY).for_each_concurrent(16, async |number| {
        let lane = LaneQueue::of(&job(number).task, Lane::Background);
        let letter = Message::new(&job(number)).buried(lane, "no such repository");
        queue.shared.publish(Route::dead(), &letter).await.unwrap();
    });
    buried.await;
    queue
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_letters_are_read_at_once_and_none_is_missing_meanwhile() {
    let vhost = Vhost::create();
    let queue = with_letters(&vhost).await;
    let dead = async || queue.depth().await.unwrap().dead;
    while dead().await < MANY {}
    let letters = {
        let mut reading = std::pin::pin!(queue.dead_letters());
        loop {
            tokio::select! {
                letters = &mut reading => break letters.unwrap(),
                // Whoever looks at the metrics is not told that letters vanish.
                dead = dead() => assert_eq!(dead, MANY),
            }
        }
    };
    assert_eq!(dead().await, MANY);
    let ids: BTreeMap<_, _> = letters.iter().map(|letter| (&letter.id, ())).collect();
    assert_eq!((letters.len(), ids.len()), (MANY, MANY));
    assert!(letters.is_sorted_by_key(|letter| letter.buried_at));
    assert_eq!(queue.dead_letters().await.unwrap(), letters, "reading changes nothing");

    let (first, last) = (&letters[0], &letters[MANY - 1]);
    assert_eq!(queue.find_dead_letter(&last.id).await.unwrap(), *last);
    for (number, letter) in [first, last, &letters[MANY / 2]].into_iter().enumerate() {
        queue.drop_dead_letter(&letter.id).await.unwrap();
        assert_eq!(dead().await, MANY - 1 - number);
        let gone = queue.find_dead_letter(&letter.id).await;
        assert!(matches!(gone, Err(QueueError::UnknownDeadLetter { .. })), "{gone:?}");
    }
    let replayed = &letters[MANY - 2];
    queue.replay_dead_letter(&replayed.id).await.unwrap();
    let delivery = queue.receive(Lanes::All).await.unwrap();
    assert_eq!(delivery.job.as_ref().unwrap().to_message(), replayed.message);
    queue.acknowledge(delivery).await.unwrap();
    assert_eq!(queue.dead_letters().await.unwrap().len(), MANY - 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_hide_no_letters_from_each_other() {
    let vhost = Vhost::create();
    let one = with_letters(&vhost).await;
    let other = RabbitQueue::start(config(vhost.url())).unwrap();
    while one.depth().await.unwrap().dead < MANY {}
    let letters = one.dead_letters().await.unwrap();
    let wanted = &letters[MANY / 2];
    for _ in 0..5 {
        let (all, found, depth) =
            tokio::join!(one.dead_letters(), other.find_dead_letter(&wanted.id), other.depth());
        assert_eq!((all.unwrap().len(), depth.unwrap().dead), (MANY, MANY));
        assert_eq!(found.unwrap(), *wanted);
    }
    // Whoever gives up in the middle lets go of all of it.
    for _ in 0..5 {
        assert!(time::timeout(Duration::from_millis(5), one.dead_letters()).await.is_err());
    }
    let all_are_back = async {
        for queue in [&other, &one] {
            while queue.dead_letters().await.unwrap().len() < MANY {}
        }
    };
    time::timeout(Duration::from_secs(60), all_are_back).await.expect("somebody holds them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_letters_that_was_deleted_is_declared_again() {
    let (vhost, queue) = fresh();
    settles_at(&queue, Depth::default()).await;
    vhost.delete_queue("stoa.dead.v1");
    assert!(matches!(queue.depth().await, Err(QueueError::Unavailable { .. })));
    while queue.dead_letters().await.is_err() {}
    assert!(queue.dead_letters().await.unwrap().is_empty());
}
