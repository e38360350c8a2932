//! Our own reader of git packs: one pass over the arriving bytes spools, inflates
//! and hashes every object.
//!
//! The git program would do the same work (`index-pack`) and then inflate every file
//! again to build a module zip. Here each file's CRC-32, SHA-256 and compressed bytes
//! are known the moment the pack has arrived, so a zip needs neither inflating nor
//! deflating (go-modules §4.5).
//!
//! Life of a pack: [`ObjectStore::read`] → `spool` writes the bytes to an unlinked
//! temporary file and checks the trailer on a thread of its own, while `scan` walks
//! the entries → `resolve` applies the deltas, into a second unlinked file → the
//! sorted objects become an [`ObjectStore`].
//!
//! Memory is bounded by the count of kept objects (about 80 bytes each, 36 more for a
//! blob and about 100 more for a commit) and two fixed figures: 32 MiB for the base of a delta and
//! [`Limits::object_bytes`] for one commit, tree or tag. Files are never held whole.

mod commit_graph;
mod delta;
mod entry;
mod error;
mod hash;
mod inflate;
mod input;
mod limits;
mod object;
mod resolve;
mod scan;
mod section;
mod spool;
mod store;
mod walk;

pub use commit_graph::CommitNode;
pub use error::{ObjectError, PackError};
pub use limits::Limits;
pub use object::{Commit, Kind, Mode, TreeEntry};
pub use section::{BlobReader, Section};
pub use store::{ObjectStore, StoredBlob};
pub use walk::WalkEntry;

#[cfg(test)]
pub(crate) mod test_repository;
#[cfg(test)]
mod tests;
