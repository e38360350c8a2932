use std::io;

use super::*;

const LARGE: usize = 20 * 1024 * 1024 + 3;
const PART: usize = 8 * 1024 * 1024;

#[tokio::test]
async fn a_large_stream_is_written_in_parts_under_every_condition() {
    let space = Space::new().await;
    let (key, body) = (key("object"), bytes(LARGE));
    let created = space.storage.create(&key, streamed(&body)).await.unwrap();
    assert!(created.etag.0.ends_with("-3"), "three parts: {}", created.etag);
    assert_eq!(created.size, LARGE as u64);
    assert_eq!(space.storage.head(&key).await.unwrap(), created);
    assert!(read(&space.storage, &key).await == body);

    let other: Bytes = body.iter().map(|byte| !byte).collect();
    let swapped = space.storage.swap(&key, &created.etag, streamed(&other)).await.unwrap();
    assert!(read(&space.storage, &key).await == other);
    let late = space.storage.swap(&key, &created.etag, streamed(&body)).await;
    assert!(matches!(late, Err(StorageError::PreconditionFailed { .. })), "{late:?}");
    assert_eq!(space.storage.head(&key).await.unwrap(), swapped);

    space.storage.put(&key, streamed(&body)).await.unwrap();
    assert!(read(&space.storage, &key).await == body);
    space.no_upload_is_left().await;
    space.clear().await;
}

#[tokio::test]
async fn a_stream_of_exactly_one_part_is_one_request() {
    let space = Space::new().await;
    let created = space.storage.create(&key("object"), streamed(&bytes(PART))).await.unwrap();
    assert!(!created.etag.0.contains('-'), "{}", created.etag);
    space.clear().await;
}

#[tokio::test]
async fn of_two_large_creates_at_once_one_is_refused_at_its_end() {
    let space = Space::new().await;
    let (key, body) = (key("object"), bytes(LARGE));
    let create = || space.storage.create(&key, streamed(&body));
    let (one, other) = tokio::join!(create(), create());
    let refusals = [&one, &other]
        .into_iter()
        .filter(|created| matches!(created, Err(StorageError::AlreadyExists { .. })));
    assert_eq!(refusals.count(), 1, "{one:?} {other:?}");
    assert!(one.is_ok() || other.is_ok());
    space.no_upload_is_left().await;
    space.clear().await;
}

#[tokio::test]
async fn a_create_that_cannot_succeed_fetches_no_more_than_a_part() {
    let space = Space::new().await;
    let key = key("object");
    let first = space.storage.create(&key, Bytes::from("x").into()).await.unwrap();
    let endless = || Body::Stream(stream::repeat_with(|| Ok(bytes(1_000_000))).boxed());
    let refused = space.storage.create(&key, endless()).await;
    assert!(matches!(refused, Err(StorageError::AlreadyExists { .. })), "{refused:?}");
    space.storage.put(&key, Bytes::from("y").into()).await.unwrap();
    let refused = space.storage.swap(&key, &first.etag, endless()).await;
    assert!(matches!(refused, Err(StorageError::PreconditionFailed { .. })), "{refused:?}");
    space.clear().await;
}

#[tokio::test]
async fn an_upload_whose_body_fails_is_aborted() {
    let space = Space::new().await;
    let chunks = (0..20).map(|_| Ok(bytes(1024 * 1024)));
    let failing = stream::iter(chunks).chain(stream::iter([Err(io::Error::other("hung up"))]));
    let failed = space.storage.create(&key("object"), Body::Stream(failing.boxed())).await;
    assert!(matches!(failed, Err(StorageError::Body { .. })), "{failed:?}");
    space.no_upload_is_left().await;
    assert_eq!(space.keys().await, [""; 0]);
    space.clear().await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_aborted() {
    let space = Space::new().await;
    let pending = stream::iter((0..20).map(|_| Ok(bytes(1024 * 1024)))).chain(stream::pending());
    let key = key("object");
    let writing = space.storage.create(&key, Body::Stream(pending.boxed()));
    tokio::select! {
        written = writing => panic!("{written:?}"),
        () = async {
            while space.uploads().await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => {}
    }
    space.no_upload_is_left().await;
    assert_eq!(space.keys().await, [""; 0]);
    space.clear().await;
}

#[tokio::test]
async fn only_old_uploads_and_probes_are_swept() {
    let space = Space::new().await;
    let bucket = &space.storage.bucket;
    let other = Space::new().await;
    for bucket in [bucket, &other.storage.bucket] {
        let request = bucket.client.create_multipart_upload().bucket(&bucket.name);
        request.key(bucket.object_name("stray")).send().await.unwrap();
    }
    space.storage.create(&StorageKey::probe(1), Bytes::from("x").into()).await.unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(space.storage.discard_unfinished(hour).await.unwrap(), 0);
    assert_eq!((space.uploads().await, other.uploads().await), (1, 1));
    // Times of uploads are told to the second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(space.storage.discard_unfinished(Duration::ZERO).await.unwrap(), 2);
    assert_eq!((space.uploads().await, other.uploads().await), (0, 1));
    assert_eq!(space.keys().await, [""; 0]);
    other.clear().await;
    space.clear().await;
}
