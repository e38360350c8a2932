//! Who gets which job.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_its_kind_a_job_that_someone_waits_for_goes_first() {
    let (_vhost, queue) = fresh();
    for number in 0..4 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
        queue.publish(&list(number), Lane::Background).await.unwrap();
        queue.publish(&job(10 + number), Lane::Interactive).await.unwrap();
        queue.publish(&list(10 + number), Lane::Interactive).await.unwrap();
    }
    let mut kinds = Vec::new();
    for number in 0..16 {
        let delivery = receive(&queue).await;
        assert_eq!(delivery.lane == Lane::Interactive, number < 8, "{number}");
        kinds.push(delivery.job.as_ref().unwrap().task.kind());
        queue.acknowledge(delivery).await.unwrap();
    }
    let starved = kinds.windows(2).any(|pair| pair[0] == pair[1]);
    assert!(!starved, "fills and refreshes take turns: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_process_keeps_no_job_from_an_idle_one() {
    let (vhost, busy) = fresh();
    let idle = open(&vhost);
    // Waiting on the broker's consumers, and so first to be given a job.
    let waiting = {
        let busy = Arc::clone(&busy);
        tokio::spawn(async move { receive(&busy).await })
    };
    for number in 0..4 {
        busy.publish(&job(number), Lane::Interactive).await.unwrap();
        busy.publish(&list(number), Lane::Background).await.unwrap();
    }
    let held = waiting.await.unwrap();
    for _ in 0..7 {
        idle.acknowledge(receive(&idle).await).await.unwrap();
    }
    busy.acknowledge(held).await.unwrap();
    settles_at(&busy, Depth::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_are_taken_than_the_prefetch_says() {
    let vhost = Vhost::create();
    let narrow = RabbitConfig { prefetch: 1, ..config(vhost.url()) };
    let queue: Arc<dyn Queue> = Arc::new(RabbitQueue::start(narrow).unwrap());
    for number in 0..2 {
        queue.publish(&job(number), Lane::Background).await.unwrap();
    }
    let first = receive(&queue).await;
    let mut second = queue.receive(Lanes::All);
    assert!(time::timeout(Duration::from_millis(300), &mut second).await.is_err());
    settles_at(&queue, Depth { background: 1, running: 1, ..Depth::default() }).await;
    queue.acknowledge(first).await.unwrap();
    assert_eq!(second.await.unwrap().job, Ok(job(1)));
}
