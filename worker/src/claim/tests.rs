use stoa_shared::storage::DiskStorage;

use super::*;

const SUBJECT: &str = "example.com/m@v1.0.0";
const SOON: Duration = Duration::from_millis(600);

/// Two workers over one storage: each has a memory of its own.
async fn two() -> (tempfile::TempDir, Arc<dyn Storage>, Claims, Claims) {
    let directory = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> =
        Arc::new(DiskStorage::open(directory.path().to_owned()).await.unwrap());
    let (one, other) = (Claims::fleet(storage.clone()), Claims::fleet(storage.clone()));
    (directory, storage, one, other)
}

fn is_taken<T>(outcome: &Result<T, ClaimError>) -> bool {
    matches!(outcome, Err(ClaimError::Taken { subject }) if subject == SUBJECT)
}

#[tokio::test]
async fn one_of_the_fleet_holds_it_and_the_next_takes_what_was_released() {
    let (_directory, _storage, one, other) = two().await;
    let held = one.take(SUBJECT, SOON).await.unwrap();
    assert!(is_taken(&other.take(SUBJECT, SOON).await));
    other.take("example.com/m@v1.1.0", SOON).await.unwrap();
    held.check().await.unwrap();
    drop(held);
    let held = other.take(SUBJECT, Duration::from_secs(5)).await.unwrap();
    assert!(is_taken(&one.take(SUBJECT, SOON).await));
    drop(held);
}

#[tokio::test]
async fn whoever_is_alone_waits_for_itself_and_stores_nothing() {
    let claims = Arc::new(Claims::alone());
    let held = claims.take(SUBJECT, Duration::ZERO).await.unwrap();
    let waiting = Arc::clone(&claims);
    let waiting = tokio::spawn(async move { waiting.take(SUBJECT, Duration::ZERO).await.is_ok() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    held.check().await.unwrap();
    drop(held);
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn a_living_holder_keeps_it_and_a_dead_one_loses_it() {
    let (_directory, _storage, one, other) = two().await;
    let held = one.take(SUBJECT, SOON).await.unwrap();
    // Longer than a dead worker's claim would stand.
    assert!(is_taken(&other.take(SUBJECT, STALE + RENEWAL).await));

    // A worker that is paused or dead renews nothing.
    held.lease.as_ref().unwrap().renewal.abort();
    let begun = Instant::now();
    let taken = other.take(SUBJECT, 3 * STALE).await.unwrap();
    assert!(begun.elapsed() >= STALE - RENEWAL, "{:?}", begun.elapsed());
    taken.check().await.unwrap();
    // When it wakes up it learns of it before it writes.
    assert!(matches!(held.check().await, Err(ClaimError::Lost { .. })));
    // And its release takes nothing away.
    drop(held);
    tokio::time::sleep(SOON).await;
    assert!(is_taken(&one.take(SUBJECT, Duration::ZERO).await));
}

#[tokio::test]
async fn what_was_seen_before_counts_when_it_is_looked_at_again() {
    let (_directory, _storage, one, other) = two().await;
    let held = one.take(SUBJECT, SOON).await.unwrap();
    held.lease.as_ref().unwrap().renewal.abort();
    assert!(is_taken(&other.take(SUBJECT, Duration::ZERO).await));
    tokio::time::sleep(STALE).await;
    other.take(SUBJECT, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn of_many_who_take_it_at_once_one_gets_it() {
    let (_directory, storage, ..) = two().await;
    let takers = (0..32).map(|_| {
        let claims = Claims::fleet(storage.clone());
        tokio::spawn(async move { claims.take(SUBJECT, Duration::ZERO).await })
    });
    let mut held = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        match taker.await.unwrap() {
            Ok(claim) => held.push(claim),
            outcome => assert!(is_taken(&outcome)),
        }
    }
    assert_eq!(held.len(), 1);
}
