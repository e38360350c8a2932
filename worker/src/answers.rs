//! Reading and writing stored answers.

use jiff::Timestamp;
use stoa_shared::{
    answer::{self, Answer, Good, Question, Value},
    module::ModulePath,
    storage::{Body, Storage, StorageError, StorageKey, read_small},
};

use crate::failure::Failure;

/// Stores a good answer.
pub(crate) async fn store_good(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
    value: Value,
) -> Result<(), StorageError> {
    let good = Some(Good { at: Timestamp::now(), value });
    store(storage, module, question, &Answer { good, failure: None }).await
}

/// Stores what is known although the attempt failed. The origin's trouble stands beside
/// it, for whoever asks how it is; that it has no answer needs no saying.
pub(crate) async fn store_known(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
    value: Value,
    failure: &Failure,
) -> Result<(), StorageError> {
    let (at, meaning) = (Timestamp::now(), failure.meaning());
    let failure = (!meaning.is_definite()).then(|| answer::Failure {
        at,
        meaning,
        message: failure.client_message(),
    });
    store(storage, module, question, &Answer { good: Some(Good { at, value }), failure }).await
}

/// Stores a failed attempt. A definite failure replaces what was known before; any
/// other stands beside it.
pub(crate) async fn store_failure(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
    failure: &Failure,
) -> Result<(), StorageError> {
    let meaning = failure.meaning();
    let good = match meaning.is_definite() {
        true => None,
        false => load(storage, module, question).await?.and_then(|answer| answer.good),
    };
    let message = failure.client_message();
    let failure = Some(answer::Failure { at: Timestamp::now(), meaning, message });
    store(storage, module, question, &Answer { good, failure }).await
}

/// The stored answer, if there is one.
pub(crate) async fn load(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
) -> Result<Option<Answer>, StorageError> {
    let key = StorageKey::answer(module, question);
    let read = read_small(storage, &key).await?;
    // A document that a newer program wrote is as good as none.
    Ok(read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()))
}

async fn store(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
    answer: &Answer,
) -> Result<(), StorageError> {
    let bytes = serde_json::to_vec(answer).expect("an answer always serialises");
    storage.put(&StorageKey::answer(module, question), Body::from(bytes)).await.map(drop)
}
