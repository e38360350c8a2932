//! Reading and writing stored answers.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use stoa_shared::{
    answer::{self, Answer, Good, Question, Value},
    module::ModulePath,
    storage::{Body, GetOptions, Storage, StorageError, StorageKey},
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

async fn load(
    storage: &dyn Storage,
    module: &ModulePath,
    question: &Question,
) -> Result<Option<Answer>, StorageError> {
    let key = StorageKey::answer(module, question);
    let bytes = read_small(storage, &key).await?;
    // A document that a newer program wrote is as good as none.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
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

/// What is read whole; a go.mod is the largest of it.
const LARGEST_SMALL: u64 = 64 << 20;

/// Reads a small object whole; `None` if there is none.
pub(crate) async fn read_small(
    storage: &dyn Storage,
    key: &StorageKey,
) -> Result<Option<Vec<u8>>, StorageError> {
    let object = match storage.get(key, GetOptions::default()).await {
        Err(error) if error.is_not_found() => return Ok(None),
        outcome => outcome?,
    };
    if object.meta.size > LARGEST_SMALL {
        return Err(StorageError::Unavailable {
            key: key.to_string(),
            source: format!("larger than {LARGEST_SMALL} bytes").into(),
        });
    }
    let read = object.body.try_fold(Vec::new(), |mut bytes, chunk| async move {
        bytes.extend_from_slice(&chunk);
        Ok(bytes)
    });
    let bytes = read.await.map_err(|source| StorageError::Unavailable {
        key: key.to_string(),
        source: source.into(),
    })?;
    Ok(Some(bytes))
}
