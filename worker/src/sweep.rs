//! Sweeping what nobody will ask for again: failures that stand in storage beyond the
//! time that anybody goes by them, claims on work that was done long ago or whose worker
//! died, and writes that never ended. One process of a fleet does it at a time, and the
//! claim that it takes for that tells the others when it was done.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use stoa_shared::{
    answer::Answer,
    space::Space,
    storage::{KeyPrefix, Storage, StorageError, StorageKey, head_if_present, read_small},
};
use tokio_util::sync::CancellationToken;

use crate::claim::{ClaimError, Claims, key_of};

/// How long a failure lies there at least: far beyond any freshness, so that none is
/// swept that somebody still waits for or goes by.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a claim lies there at least after it was taken, renewed or released.
const CLAIM_KEPT: Duration = Duration::from_secs(24 * 3600);
/// A write that began longer ago has no writer any more: a job has ten minutes.
const UNFINISHED: Duration = Duration::from_secs(24 * 3600);
/// How often is swept: anonymous clients can ask for any number of things that do not
/// exist, and each leaves a small file.
const INTERVAL: Duration = Duration::from_secs(1800);
/// How often a process looks whether it is time to, on an average: often enough that one
/// which never lives long does its part.
const LOOK: Duration = Duration::from_secs(300);
/// What the sweeper claims.
const SUBJECT: &str = "sweep";
/// Keys per page.
const PAGE: usize = 1000;

/// Sweeps now and then until `shutdown`.
pub async fn sweep(storage: Arc<dyn Storage>, shutdown: CancellationToken) {
    let claims = Claims::fleet(storage.clone());
    loop {
        // Processes that were started together do not look together.
        let pause = LOOK.mul_f64(0.5 + rand::random::<f64>());
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = sweep_if_due(&storage, &claims, SystemTime::now()).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "old objects could not be swept");
        }
    }
}

/// Sweeps, unless another process does, or has just done so; tells whether it did.
async fn sweep_if_due(
    storage: &Arc<dyn Storage>,
    claims: &Claims,
    now: SystemTime,
) -> Result<bool, ClaimError> {
    let last = head_if_present(&**storage, &key_of(SUBJECT)).await?;
    let age = |last: SystemTime| now.duration_since(last).unwrap_or_default();
    if last.is_some_and(|last| age(last.modified) < INTERVAL) {
        return Ok(false);
    }
    let _claim = match claims.take(SUBJECT, Duration::ZERO).await {
        Err(ClaimError::Taken { .. } | ClaimError::Lost { .. }) => return Ok(false),
        claim => claim?,
    };
    match spaces(&**storage).await {
        Ok(spaces) => {
            for space in spaces {
                let storage = space.storage(storage);
                report("failures", sweep_failures(&*storage, Timestamp::now()).await);
                report("claims", sweep_claims(&*storage, now).await);
            }
        }
        Err(error) => report("spaces", Err(error)),
    }
    report("writes", storage.discard_unfinished(UNFINISHED).await);
    Ok(true)
}

fn report(what: &str, outcome: Result<usize, StorageError>) {
    match outcome {
        Ok(0) => {}
        Ok(swept) => tracing::info!(swept, what, "old objects swept"),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, what, "old objects could not be swept");
        }
    }
}

/// The public space, and all private ones that hold anything.
async fn spaces(storage: &dyn Storage) -> Result<Vec<Space>, StorageError> {
    let prefix = KeyPrefix::all_private();
    let mut spaces = vec![Space::Public];
    let mut after: Option<String> = None;
    loop {
        let page = storage.list(&prefix, after.as_deref(), 1).await?;
        let rest = page.keys.first().and_then(|key| key.strip_prefix(prefix.as_str()));
        let Some((id, _)) = rest.and_then(|rest| rest.split_once('/')) else { return Ok(spaces) };
        // Past everything below the project: in byte order a 0 follows the slash.
        after = Some(format!("{}{id}0", prefix.as_str()));
        spaces.extend(id.parse().map(Space::Private));
    }
}

/// Deletes claims that were written last long before `now`, which a living worker's never
/// are; their number. Somebody may take one between the look and its end: that costs a
/// second fetch, and never a second result.
async fn sweep_claims(storage: &dyn Storage, now: SystemTime) -> Result<usize, StorageError> {
    let mut swept = 0;
    let mut after: Option<String> = None;
    loop {
        let page = storage.list(&KeyPrefix::claims(), after.as_deref(), PAGE).await?;
        for key in page.keys {
            let key = StorageKey::listed(key);
            let Some(meta) = head_if_present(storage, &key).await? else { continue };
            let age = now.duration_since(meta.modified).unwrap_or_default();
            if age > CLAIM_KEPT {
                storage.delete(&key).await?;
                swept += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(swept);
        }
    }
}

/// Deletes answers that hold nothing but a failure from long before `now`; their number.
async fn sweep_failures(storage: &dyn Storage, now: Timestamp) -> Result<usize, StorageError> {
    let mut swept = 0;
    let mut after: Option<String> = None;
    loop {
        let page = storage.list(&KeyPrefix::answers(), after.as_deref(), PAGE).await?;
        for key in page.keys {
            let key = StorageKey::listed(key);
            let Some((bytes, _)) = read_small(storage, &key).await? else { continue };
            let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
            if answer.is_some_and(|answer| is_forgotten(&answer, now)) {
                storage.delete(&key).await?;
                swept += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(swept);
        }
    }
}

fn is_forgotten(answer: &Answer, now: Timestamp) -> bool {
    let is_old =
        |at: Timestamp| Duration::try_from(now.duration_since(at)).is_ok_and(|age| age > KEPT);
    answer.good.is_none() && answer.failure.as_ref().is_none_or(|failure| is_old(failure.at))
}

#[cfg(test)]
mod tests {
    use stoa_shared::{
        answer::{Failure, Good, Meaning, Question, Value},
        module::ModulePath,
        storage::{Body, DiskStorage},
    };

    use super::*;

    #[tokio::test]
    async fn only_old_failures_without_a_good_answer_are_swept() {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(directory.path().to_owned()).await.unwrap();
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let (old, new) = (now - KEPT * 2, now - Duration::from_secs(5));
        let failure =
            |at| Some(Failure { at, meaning: Meaning::Absent, message: "unknown revision".into() });
        let good = Some(Good { at: old, value: Value::Versions(Vec::new()) });
        let module: ModulePath = "example.com/m".parse().unwrap();
        let key =
            |query: &str| StorageKey::answer(&module, &Question::Query(query.parse().unwrap()));
        for (query, answer) in [
            ("old", Answer { good: None, failure: failure(old) }),
            ("new", Answer { good: None, failure: failure(new) }),
            ("good", Answer { good, failure: failure(old) }),
        ] {
            let bytes = serde_json::to_vec(&answer).unwrap();
            storage.put(&key(query), Body::from(bytes)).await.unwrap();
        }
        assert_eq!(sweep_failures(&storage, now).await.unwrap(), 1);
        for (query, is_there) in [("old", false), ("new", true), ("good", true)] {
            assert_eq!(storage.head(&key(query)).await.is_ok(), is_there, "{query}");
        }
    }

    #[tokio::test]
    async fn every_space_that_holds_anything_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let storage: Arc<dyn Storage> =
            Arc::new(DiskStorage::open(directory.path().to_owned()).await.unwrap());
        assert_eq!(spaces(&*storage).await.unwrap(), [Space::Public]);
        let private = |id: &str| Space::Private(id.parse().unwrap());
        let expected = ["a-b", "a", "a0", "default"].map(private);
        for (space, name) in expected.iter().flat_map(|space| [(space, "x"), (space, "y")]) {
            let key = StorageKey::for_contract(name);
            space.storage(&storage).put(&key, Body::from(Vec::new())).await.unwrap();
        }
        assert_eq!(spaces(&*storage).await.unwrap()[1..], expected);
    }

    #[tokio::test]
    async fn only_old_claims_are_swept_given_back_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let storage: Arc<dyn Storage> =
            Arc::new(DiskStorage::open(directory.path().to_owned()).await.unwrap());
        let claims = Claims::fleet(storage.clone());
        let _held = claims.take("held", Duration::ZERO).await.unwrap();
        drop(claims.take("released", Duration::ZERO).await.unwrap());
        let now = SystemTime::now();
        assert_eq!(sweep_claims(&*storage, now).await.unwrap(), 0);
        assert_eq!(sweep_claims(&*storage, now + CLAIM_KEPT * 2).await.unwrap(), 2);
        assert_eq!(sweep_claims(&*storage, now + CLAIM_KEPT * 2).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn one_process_of_a_fleet_sweeps_and_the_others_see_that_it_did() {
        let directory = tempfile::tempdir().unwrap();
        let storage: Arc<dyn Storage> =
            Arc::new(DiskStorage::open(directory.path().to_owned()).await.unwrap());
        let (one, other) = (Claims::fleet(storage.clone()), Claims::fleet(storage.clone()));
        let (now, later) = (SystemTime::now(), SystemTime::now() + 2 * INTERVAL);
        let held = other.take(SUBJECT, Duration::ZERO).await.unwrap();
        assert!(!sweep_if_due(&storage, &one, later).await.unwrap(), "another does");
        drop(held);
        assert!(!sweep_if_due(&storage, &one, now).await.unwrap(), "another has just done so");
        let mut has_swept = false;
        // The claim is given back in the background.
        while !has_swept {
            has_swept = sweep_if_due(&storage, &one, later).await.unwrap();
        }
    }
}
