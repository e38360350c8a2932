use stoa_shared::storage::DiskStorage;

use super::*;
use crate::{
    failure::Failure,
    troubled_storage::{Stall, TroubledStorage, Way},
};

const SUBJECT: &str = "example.com/m@v1.0.0";
const SOON: Duration = Duration::from_millis(600);
/// Only bounds a wait for what never comes.
const HAPPENS_WITHIN: Duration = Duration::from_secs(60);

/// One storage that workers reach, each by a way of its own.
struct Site {
    storage: Arc<dyn Storage>,
    _directory: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(directory.path().to_owned()).await.unwrap();
        Self { storage: Arc::new(storage), _directory: directory }
    }

    /// A worker with a memory of its own.
    fn worker(&self) -> (Arc<TroubledStorage>, Claims) {
        let way = TroubledStorage::new(self.storage.clone());
        (way.clone(), Claims::fleet(way))
    }
}

fn is_taken<T>(outcome: &Result<T, ClaimError>) -> bool {
    matches!(outcome, Err(ClaimError::Taken { subject, .. }) if subject == SUBJECT)
}

fn is_lost<T>(outcome: &Result<T, ClaimError>) -> bool {
    matches!(outcome, Err(ClaimError::Lost { subject }) if subject == SUBJECT)
}

#[tokio::test]
async fn one_of_the_fleet_holds_it_and_the_next_takes_what_was_released() {
    let site = Site::new().await;
    let ((_, one), (_, other)) = (site.worker(), site.worker());
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
    let site = Site::new().await;
    let ((way, one), (_, other)) = (site.worker(), site.worker());
    let held = one.take(SUBJECT, SOON).await.unwrap();
    // Longer than a dead worker's claim would stand.
    assert!(is_taken(&other.take(SUBJECT, STALE + RENEWAL).await));

    // A worker that is paused or dead renews nothing.
    way.set(Way::Silent);
    let begun = Instant::now();
    let taken = other.take(SUBJECT, 3 * STALE).await.unwrap();
    assert!(begun.elapsed() >= STALE - RENEWAL, "{:?}", begun.elapsed());
    taken.check().await.unwrap();
    // When it wakes up it learns of it before it writes.
    way.set(Way::Open);
    assert!(is_lost(&held.check().await));
    // And its release takes nothing away.
    drop(held);
    tokio::time::sleep(SOON).await;
    assert!(is_taken(&one.take(SUBJECT, Duration::ZERO).await));
}

#[tokio::test]
async fn a_renewal_that_stalls_loses_nothing_and_keeps_nobody_waiting() {
    let stalls = [Stall::Request, Stall::Answer].map(|stall| async move {
        let site = Site::new().await;
        let ((way, one), (_, other)) = (site.worker(), site.worker());
        let held = one.take(SUBJECT, SOON).await.unwrap();
        way.stall(stall);
        let holder = async {
            while way.stalled() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let begun = Instant::now();
            held.check().await.unwrap();
            assert!(begun.elapsed() < RENEWAL, "waited for the write that stalls");
        };
        let (taken, ()) = tokio::join!(other.take(SUBJECT, STALE + 2 * RENEWAL), holder);
        assert!(is_taken(&taken), "{stall:?}");
        held.check().await.unwrap();
    });
    futures_util::future::join_all(stalls).await;
}

#[tokio::test]
async fn storage_that_is_slow_throughout_confirms_what_it_holds() {
    let site = Site::new().await;
    let ((way, one), (_, other)) = (site.worker(), site.worker());
    way.set(Way::Slow(Duration::from_secs(3)));
    let held = one.take(SUBJECT, SOON).await.unwrap();
    // As long as a fill takes there.
    let work = async {
        for _ in 0..8 {
            held.check().await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    };
    let (taken, ()) = tokio::join!(other.take(SUBJECT, 3 * STALE), work);
    assert!(is_taken(&taken));
    held.check().await.unwrap();
}

#[tokio::test]
async fn a_claim_whose_taking_took_long_may_have_been_taken_over_since() {
    let site = Site::new().await;
    let ((way, one), (_, other)) = (site.worker(), site.worker());
    way.stall(Stall::Answer);
    let late = one.take(SUBJECT, SOON);
    let quick = async {
        while way.stalled() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        other.take(SUBJECT, STALE + RENEWAL).await
    };
    let (late, quick) = tokio::join!(late, quick);
    quick.unwrap();
    assert!(is_lost(&late));
}

#[tokio::test]
async fn a_job_that_loses_its_claim_is_ended_and_one_that_does_not_is_not() {
    let site = Site::new().await;
    let ((way, one), (_, other)) = (site.worker(), site.worker());
    let holders = Holders::default();
    let job = holders.run(async {
        let _held = one.take(SUBJECT, SOON).await?;
        std::future::pending::<Result<(), Failure>>().await
    });
    let fate = async {
        tokio::time::sleep(SOON).await;
        way.set(Way::Silent);
        let taken = other.take(SUBJECT, 3 * STALE).await;
        way.set(Way::Open);
        taken
    };
    let (ended, taken) = tokio::time::timeout(HAPPENS_WITHIN, async { tokio::join!(job, fate) })
        .await
        .expect("the job is ended");
    taken.unwrap();
    assert!(matches!(ended, Err(Failure::Claim(ClaimError::Lost { .. }))), "{ended:?}");

    let fine = holders.run(async { one.take("other", SOON).await?.check().await });
    fine.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_the_end_of_all_jobs_finds_their_claims_given_back() {
    let site = Site::new().await;
    let ((_, one), (_, other)) = (site.worker(), site.worker());
    let holders = Holders::default();
    let (begun, cut_off) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let job = holders.run(async {
        let _held = one.take(SUBJECT, SOON).await?;
        begun.notify_one();
        std::future::pending::<Result<(), ClaimError>>().await
    });
    let job = async {
        tokio::select! {
            _ = job => {}
            () = cut_off.notified() => {}
        }
    };
    let end = async {
        begun.notified().await;
        let end = holders.are_finished();
        assert!(tokio::time::timeout(SOON, end).await.is_err(), "a job runs");
        cut_off.notify_one();
        holders.are_finished().await;
        other.take(SUBJECT, Duration::ZERO).await.unwrap();
    };
    tokio::join!(job, end);
}

#[tokio::test]
async fn what_was_seen_before_counts_when_it_is_looked_at_again() {
    let site = Site::new().await;
    let ((way, one), (_, other)) = (site.worker(), site.worker());
    let _held = one.take(SUBJECT, SOON).await.unwrap();
    way.set(Way::Silent);
    assert!(is_taken(&other.take(SUBJECT, Duration::ZERO).await));
    tokio::time::sleep(STALE).await;
    other.take(SUBJECT, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn of_many_who_take_it_at_once_one_gets_it() {
    let site = Site::new().await;
    let takers = (0..32).map(|_| {
        let (_, claims) = site.worker();
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

#[test]
fn what_takes_long_is_looked_at_less_often() {
    let table = [(0, 1_000), (1_500, 1_000), (4_000, 2_000), (7_000, 3_500), (60_000, 5_000)];
    for (held_for, expected) in table {
        let again = look_again(Duration::from_millis(held_for));
        assert_eq!(again, Duration::from_millis(expected), "{held_for} ms");
    }
}

#[tokio::test]
async fn a_claim_that_is_renewed_is_left_alone_for_longer_and_a_suspicious_one_is_watched() {
    let site = Site::new().await;
    let ((way, one), (_, other)) = (site.worker(), site.worker());
    let _held = one.take(SUBJECT, SOON).await.unwrap();
    let look = async || match other.take(SUBJECT, Duration::ZERO).await {
        Err(ClaimError::Taken { look_again, .. }) => look_again,
        outcome => panic!("{:?}", outcome.map(drop)),
    };
    assert_eq!(look().await, LOOK_AGAIN.0);
    while look().await < 2 * LOOK_AGAIN.0 {
        tokio::time::sleep(RENEWAL / 4).await;
    }
    // Nor does a worker wait for itself.
    let own = one.take(SUBJECT, Duration::ZERO).await;
    assert!(matches!(own, Err(ClaimError::Taken { look_again, .. }) if look_again > LOOK_AGAIN.0));
    way.set(Way::Silent);
    look().await;
    tokio::time::sleep(2 * RENEWAL).await;
    assert_eq!(look().await, LOOK_AGAIN.0);
}
