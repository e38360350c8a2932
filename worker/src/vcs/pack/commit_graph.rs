//! CommitGraph: parents and times of all commits, for questions of ancestry.

use std::ops::Range;

use super::object::CommitHeader;
use crate::vcs::ObjectId;

/// Kept from the bytes that pass by, so that walking history reads nothing again.
#[derive(Debug, Default)]
pub(super) struct CommitGraph {
    commits: Vec<Slot>,
    /// The parents of all commits, one after the other.
    parents: Vec<ObjectId>,
}

#[derive(Debug)]
struct Slot {
    id: ObjectId,
    committer_time: i64,
    parents: Range<u32>,
}

/// One commit of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitNode<'a> {
    /// The commit.
    pub id: &'a ObjectId,
    /// Committer date in seconds since 1970; 0 if it cannot be read.
    pub committer_time: i64,
    /// In the order they are written. After a shallow fetch some are not in the store.
    pub parents: &'a [ObjectId],
}

impl CommitGraph {
    /// Adds a commit; `None` if the graph holds 4,294,967,295 parents already.
    pub(super) fn push(&mut self, id: ObjectId, header: &CommitHeader) -> Option<()> {
        let start = u32::try_from(self.parents.len()).ok()?;
        let end = u32::try_from(self.parents.len() + header.parents.len()).ok()?;
        self.parents.extend_from_slice(&header.parents);
        let committer_time = header.committer_time.unwrap_or(0);
        self.commits.push(Slot { id, committer_time, parents: start..end });
        Some(())
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = CommitNode<'_>> {
        self.commits.iter().map(|slot| CommitNode {
            id: &slot.id,
            committer_time: slot.committer_time,
            parents: &self.parents[slot.parents.start as usize..slot.parents.end as usize],
        })
    }
}
