//! What can be wrong with a pack, and with one object of it.

use std::io;

use super::Kind;
use crate::vcs::ObjectId;

/// Why a pack could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The transfer failed.
    #[error("pack: the transfer failed")]
    Transfer(#[source] io::Error),
    /// Our own temporary file failed.
    #[error("pack: the spool file failed")]
    Spool(#[source] io::Error),
    /// The bytes ended too early.
    #[error("pack: ends too early, after {offset} bytes")]
    Truncated {
        /// Bytes seen.
        offset: u64,
    },
    /// Not a pack of version 2 or 3.
    #[error("pack: no pack of version 2 or 3")]
    UnknownFormat,
    /// The trailer does not match the bytes.
    #[error("pack: the checksum does not match")]
    ChecksumMismatch,
    /// An entry breaks the format.
    #[error("pack: entry at {offset}: {reason}")]
    Corrupt {
        /// Where the entry starts.
        offset: u64,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A delta whose base is nowhere in the pack.
    #[error("pack: entry at {offset}: its delta base is missing")]
    MissingBase {
        /// Where the entry starts.
        offset: u64,
    },
    /// An object built to collide in SHA-1.
    #[error("pack: entry at {offset}: SHA-1 collision attack")]
    Collision {
        /// Where the entry starts.
        offset: u64,
    },
    /// A bound of [`Limits`](super::Limits) was met.
    #[error("pack: more than {maximum} {what}")]
    LimitExceeded {
        /// What was counted, with its unit.
        what: &'static str,
        /// How many are allowed.
        maximum: u64,
    },
}

/// Why an object could not be read from an [`ObjectStore`](super::ObjectStore).
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The store does not hold it.
    #[error("object {id}: not found")]
    NotFound {
        /// The object.
        id: ObjectId,
    },
    /// It is something else.
    #[error("object {id}: expected a {expected}, found a {found}")]
    WrongKind {
        /// The object.
        id: ObjectId,
        /// What was asked for.
        expected: Kind,
        /// What it is.
        found: Kind,
    },
    /// Its content cannot be parsed.
    #[error("object {id}: {reason}")]
    Malformed {
        /// The object.
        id: ObjectId,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// It, or what lies below it, is larger than the caller allows.
    #[error("object {id}: more than {maximum} {what}")]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// What was counted, with its unit.
        what: &'static str,
        /// How many are allowed.
        maximum: u64,
    },
    /// Our own temporary file failed.
    #[error("object {id}: the spool file failed")]
    Spool {
        /// The object.
        id: ObjectId,
        /// Why.
        #[source]
        source: io::Error,
    },
}
