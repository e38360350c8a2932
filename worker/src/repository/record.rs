//! What is remembered of a repository in storage, shared by all workers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_shared::storage::{Body, Storage, StorageError, StorageKey, read_small};

use crate::vcs::{ObjectId, RefListing, Remote};

/// How far the clocks of two workers may be apart.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_secs(5);

/// A larger record is not stored: with some hundred thousands of refs, reading it back
/// costs about what asking the server does.
const LARGEST_RECORD: usize = 32 << 20;

/// A ref listing and when it was true.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// When the server said so.
    pub at: Timestamp,
    /// What it said.
    #[serde(with = "arc_of_refs")]
    pub refs: Arc<RefListing>,
}

/// One repository's stored memory. All of it can be found out again, so the last
/// writer wins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepositoryRecord {
    /// The last listing.
    pub listing: Listing,
    /// Commit → whether its root holds a go.mod.
    #[serde(default)]
    pub has_root_go_mod: BTreeMap<ObjectId, bool>,
}

impl Listing {
    /// How old the listing is at `now`. One from beyond the next seconds, which a clock
    /// that was set back leaves behind, is older than any other.
    pub fn age(&self, now: Timestamp) -> Duration {
        let age = now.duration_since(self.at);
        if age < -CLOCK_DIFFERENCE {
            return Duration::MAX;
        }
        Duration::try_from(age).unwrap_or_default()
    }
}

impl RepositoryRecord {
    /// The stored record; `None` if there is none, or none that can be read.
    pub(super) async fn load(
        storage: &dyn Storage,
        remote: &Remote,
    ) -> Result<Option<Self>, StorageError> {
        let read = read_small(storage, &key(remote)).await?;
        Ok(read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()))
    }

    /// Stores the record.
    pub(super) async fn save(
        &self,
        storage: &dyn Storage,
        remote: &Remote,
    ) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(self).expect("a record always serialises");
        if bytes.len() > LARGEST_RECORD {
            tracing::debug!(size_bytes = bytes.len(), "a repository's record is too large to keep");
            return Ok(());
        }
        storage.put(&key(remote), Body::from(bytes)).await.map(drop)
    }
}

/// Repositories are named by a hash: URLs hold characters that keys must not.
fn key(remote: &Remote) -> StorageKey {
    let digest = Sha256::digest(remote.url.as_str());
    StorageKey::repository(&digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// An `Arc` serialises as what it holds.
mod arc_of_refs {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::vcs::RefListing;

    pub(super) fn serialize<S: Serializer>(
        refs: &Arc<RefListing>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        RefListing::serialize(refs, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<RefListing>, D::Error> {
        RefListing::deserialize(deserializer).map(Arc::new)
    }
}
