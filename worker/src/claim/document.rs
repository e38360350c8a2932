//! Document: a claim as it lies in storage.

use rand::random;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_shared::storage::{Body, StorageKey};

/// The stored document. Each write of it differs from all others, so that its entity
/// tag does, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Document {
    /// What is claimed, for a person who looks.
    pub(super) subject: String,
    /// A random number for each time that it is taken.
    pub(super) holder: u64,
    /// Counts the renewals.
    pub(super) beat: u32,
    /// Whether anybody may take it.
    pub(super) is_released: bool,
}

impl Document {
    /// A claim that is just being taken.
    pub(super) fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), holder: random(), beat: 0, is_released: false }
    }

    /// The same claim, renewed or released.
    pub(super) fn next(&self, is_released: bool) -> Self {
        Self { beat: self.beat.saturating_add(1), is_released, ..self.clone() }
    }

    /// What is stored, if it can be read: a newer program may write something else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn body(&self) -> Body {
        Body::from(serde_json::to_vec(self).expect("a claim always serialises"))
    }
}

/// Where the claim on a subject lies. Subjects are of any length and alphabet; names of
/// objects are not.
pub(crate) fn key_of(subject: &str) -> StorageKey {
    let digest = Sha256::digest(subject.as_bytes());
    StorageKey::claim(&digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
