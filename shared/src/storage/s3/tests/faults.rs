use super::*;
use crate::testing::faulty_proxy::Fault;

const FAULTS: [Fault; 6] = [
    Fault::Answer(500),
    Fault::Answer(503),
    Fault::Reset,
    Fault::LoseAnswer,
    Fault::Delay(Duration::from_millis(50)),
    Fault::Stall,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_with_one_request_in_five_broken() {
    let space = Space::new().await;
    let plan = Plan { seed: 1, one_in: 5, faults: FAULTS.to_vec() };
    let (proxy, storage) = space.behind(plan).await;
    let storage = Arc::new(storage);
    contract::run_where_connections_break(storage.clone()).await;
    let counts = proxy.counts();
    for kind in [counts.answered, counts.reset, counts.lost, counts.delayed, counts.stalled] {
        assert!(kind > 0, "{counts:?}");
    }
    let faults = FAULTS.into_iter().filter(|fault| *fault != Fault::Stall).collect();
    proxy.set_plan(Plan { seed: 1, one_in: 5, faults });
    contract::run(storage).await;
    space.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_streams_arrive_with_one_request_in_five_broken() {
    let space = Space::new().await;
    let plan = Plan { seed: 2, one_in: 5, faults: FAULTS.to_vec() };
    let (_proxy, storage) = space.behind(plan).await;
    let body = bytes(20 * 1024 * 1024);
    let key = key("object");
    let mut etag = storage.create(&key, streamed(&body)).await.unwrap().etag;
    for _ in 0..4 {
        assert!(read(&storage, &key).await == body);
        etag = storage.swap(&key, &etag, streamed(&body)).await.unwrap().etag;
    }
    let again = storage.create(&key, streamed(&body)).await;
    assert!(matches!(again, Err(StorageError::AlreadyExists { .. })), "{again:?}");
    space.clear().await;
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_has_succeeded() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let key = key("object");
    proxy.break_next("PUT ", Fault::LoseAnswer);
    let created = storage.create(&key, Bytes::from("mine").into()).await.unwrap();
    assert_eq!(proxy.counts().lost, 1);
    assert_eq!(space.storage.head(&key).await.unwrap(), created);
    space.clear().await;
}

#[tokio::test]
async fn a_create_that_was_never_made_is_still_refused_after_a_broken_attempt() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let key = key("object");
    for fault in [Fault::Reset, Fault::Answer(500), Fault::LoseAnswer] {
        space.storage.put(&key, Bytes::from("theirs").into()).await.unwrap();
        proxy.break_next("PUT ", fault);
        let refused = storage.create(&key, Bytes::from("mine").into()).await;
        assert!(matches!(refused, Err(StorageError::AlreadyExists { .. })), "{refused:?}");
        assert_eq!(read(&space.storage, &key).await, "theirs");
    }
    space.clear().await;
}

#[tokio::test]
async fn a_swap_whose_answer_was_lost_has_succeeded() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let key = key("object");
    let first = storage.create(&key, Bytes::from("first").into()).await.unwrap();
    proxy.break_next("PUT ", Fault::LoseAnswer);
    let second = storage.swap(&key, &first.etag, Bytes::from("second").into()).await.unwrap();
    assert_eq!(proxy.counts().lost, 1);
    assert_eq!(space.storage.head(&key).await.unwrap(), second);
    storage.swap(&key, &second.etag, Bytes::from("third").into()).await.unwrap();
    space.clear().await;
}

#[tokio::test]
async fn a_swap_that_was_overtaken_before_it_could_look_knows_that_it_succeeded() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let key = key("object");
    let first = storage.create(&key, Bytes::from("first").into()).await.unwrap();
    proxy.break_next("PUT ", Fault::LoseAnswer);
    // Time for another to swap before the second attempt arrives.
    proxy.break_next("PUT ", Fault::Delay(Duration::from_secs(1)));
    let overtaking = async {
        while proxy.counts().lost == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let second = space.storage.head(&key).await.unwrap();
        space.storage.swap(&key, &second.etag, Bytes::from("third").into()).await.unwrap()
    };
    let swapping = storage.swap(&key, &first.etag, Bytes::from("second").into());
    let (swapped, third) = tokio::join!(swapping, overtaking);
    let swapped = swapped.unwrap();
    assert_eq!(proxy.counts().delayed, 1);
    assert_eq!(space.storage.head(&key).await.unwrap(), third);
    // Nothing is swapped or read under the entity tag of what is no longer there.
    let late = storage.swap(&key, &swapped.etag, Bytes::from("fourth").into()).await;
    assert!(matches!(late, Err(StorageError::PreconditionFailed { .. })), "{late:?}");
    space.clear().await;
}

#[tokio::test]
async fn a_large_create_whose_last_answer_was_lost_has_succeeded() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let (key, body) = (key("object"), bytes(9 * 1024 * 1024));
    proxy.break_next("x-id=UploadPart", Fault::LoseAnswer);
    // The first POST begins the upload, the second completes it.
    proxy.break_next("POST ", Fault::Delay(Duration::ZERO));
    proxy.break_next("POST ", Fault::LoseAnswer);
    let created = storage.create(&key, streamed(&body)).await.unwrap();
    assert_eq!(proxy.counts().lost, 2);
    assert_eq!(space.storage.head(&key).await.unwrap(), created);
    assert!(read(&storage, &key).await == body);
    space.no_upload_is_left().await;
    space.clear().await;
}

#[tokio::test]
async fn an_error_in_the_body_of_a_good_answer_is_what_its_code_says() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let (key, body) = (key("object"), bytes(9 * 1024 * 1024));
    // The first POST begins the upload, the second completes it.
    proxy.break_next("POST ", Fault::Delay(Duration::ZERO));
    proxy.break_next("POST ", Fault::ErrorInBody("InternalError"));
    let created = storage.create(&key, streamed(&body)).await.unwrap();
    assert_eq!(proxy.counts().answered, 1);
    assert_eq!(space.storage.head(&key).await.unwrap(), created);

    proxy.break_next("POST ", Fault::Delay(Duration::ZERO));
    proxy.break_next("POST ", Fault::ErrorInBody("PreconditionFailed"));
    let refused = storage.swap(&key, &created.etag, streamed(&body)).await;
    assert!(matches!(refused, Err(StorageError::PreconditionFailed { .. })), "{refused:?}");
    space.no_upload_is_left().await;
    space.clear().await;
}

#[tokio::test]
async fn a_write_that_no_attempt_brought_through_is_unavailable_and_says_why() {
    use std::error::Error;
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    proxy.set_plan(Plan { seed: 0, one_in: 1, faults: vec![Fault::Answer(503)] });
    let failed = storage.create(&key("object"), Bytes::from("x").into()).await.unwrap_err();
    assert!(matches!(failed, StorageError::Unavailable { .. }), "{failed:?}");
    let source = failed.source().unwrap().to_string();
    assert!(source.starts_with("503") && !source.contains('\n'), "{source}");
    assert_eq!(space.keys().await, [""; 0]);
    space.clear().await;
}

#[tokio::test]
async fn a_read_that_stalls_goes_on_over_new_connections_a_few_times() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let (key, body) = (key("object"), bytes(3_000_001));
    storage.create(&key, body.clone().into()).await.unwrap();
    for _ in 0..3 {
        proxy.break_next("GET ", Fault::Stall);
    }
    let object = storage.get(&key, GetOptions { range: Some(7..3_000_000), if_match: None });
    let read = object.await.unwrap().body.try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(read == body[7..3_000_000]);
    assert_eq!(proxy.counts().stalled, 3);

    proxy.set_plan(Plan { seed: 0, one_in: 1, faults: vec![Fault::Stall] });
    let object = storage.get(&key, GetOptions::default()).await.unwrap();
    assert!(object.body.try_collect::<Vec<_>>().await.is_err());
    space.clear().await;
}

#[tokio::test]
async fn a_broken_read_never_goes_on_with_another_object() {
    let space = Space::new().await;
    let (proxy, storage) = space.behind(Plan::default()).await;
    let (key, body) = (key("object"), bytes(1_000_000));
    storage.create(&key, body.clone().into()).await.unwrap();
    proxy.break_next("GET ", Fault::Stall);
    let object = storage.get(&key, GetOptions::default()).await.unwrap();
    space.storage.put(&key, vec![0; 1_000_000].into()).await.unwrap();
    assert!(object.body.try_collect::<Vec<_>>().await.is_err());
    space.clear().await;
}
