//! Hasher: object ids and pack checksums, in either object format.

use sha1_checked::Digest as _;
use sha2::Digest as _;

use super::Kind;
use crate::vcs::{ObjectFormat, ObjectId};

/// A running hash of one object or of a whole pack.
pub(super) enum Hasher {
    Sha1(Box<sha1_checked::Sha1>),
    Sha256(sha2::Sha256),
}

/// The bytes were made to collide (SHA-1 only).
#[derive(Debug)]
pub(super) struct Collision;

impl Hasher {
    /// For the id of an object with `size` bytes of content.
    pub(super) fn object(format: ObjectFormat, kind: Kind, size: u64) -> Self {
        let mut hasher = match format {
            ObjectFormat::Sha1 => Self::Sha1(Box::default()),
            ObjectFormat::Sha256 => Self::Sha256(sha2::Sha256::new()),
        };
        hasher.update(format!("{kind} {size}\0").as_bytes());
        hasher
    }

    /// For the checksum at the end of a pack. It guards against damage, not against
    /// attackers (who compute it themselves), so SHA-1 runs at full speed.
    pub(super) fn checksum(format: ObjectFormat) -> Self {
        match format {
            ObjectFormat::Sha1 => {
                let unchecked = sha1_checked::Sha1::builder().detect_collision(false).build();
                Self::Sha1(Box::new(unchecked))
            }
            ObjectFormat::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Result<ObjectId, Collision> {
        match self {
            Self::Sha1(hasher) => {
                let result = hasher.try_finalize();
                if result.has_collision() {
                    return Err(Collision);
                }
                let mut bytes = [0; 20];
                bytes.copy_from_slice(result.hash());
                Ok(ObjectId::Sha1(bytes))
            }
            Self::Sha256(hasher) => Ok(ObjectId::Sha256(hasher.finalize().into())),
        }
    }
}
