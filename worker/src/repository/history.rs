//! History: which commit descends from which, without any content.

use std::collections::{HashMap, HashSet};

use crate::vcs::{ObjectId, pack::ObjectStore};

/// The ancestry of some commits of one repository. It is closed: with a commit, all
/// its ancestors are present.
#[derive(Debug, Default)]
pub struct History {
    commits: HashMap<ObjectId, Node>,
}

#[derive(Debug)]
struct Node {
    parents: Box<[ObjectId]>,
}

/// What an abbreviated commit id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abbreviation {
    /// Exactly one commit.
    Unique(ObjectId),
    /// Several commits.
    Ambiguous,
    /// No commit.
    Unknown,
}

impl History {
    /// The history that a fetch of commits brought.
    pub fn from_objects(objects: &ObjectStore) -> Self {
        let commits = objects
            .commits()
            .map(|commit| {
                let parents = commit.parents.iter().copied().collect();
                (*commit.id, Node { parents })
            })
            .collect();
        Self { commits }
    }

    /// Number of commits.
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether there is no commit.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Whether the commit, and so all its ancestors, are present.
    pub fn contains(&self, commit: &ObjectId) -> bool {
        self.commits.contains_key(commit)
    }

    /// The commit and all its ancestors.
    pub fn ancestors(&self, commit: &ObjectId) -> HashSet<ObjectId> {
        let mut seen = HashSet::from([*commit]);
        let mut waiting = vec![*commit];
        while let Some(id) = waiting.pop() {
            let parents = self.commits.get(&id).map_or(&[][..], |node| &node.parents);
            waiting.extend(parents.iter().filter(|parent| seen.insert(**parent)));
        }
        seen
    }

    /// Resolves the beginning of a hexadecimal id, lower case.
    pub fn find(&self, prefix: &str) -> Abbreviation {
        let digit = |byte: u8, index: usize| {
            let value = if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
            b"0123456789abcdef"[usize::from(value)]
        };
        let begins = |id: &ObjectId| {
            let bytes = id.as_bytes();
            let digits = prefix.bytes().enumerate();
            prefix.len() <= 2 * bytes.len()
                && digits
                    .into_iter()
                    .all(|(index, wanted)| digit(bytes[index / 2], index) == wanted)
        };
        let mut matches = self.commits.keys().filter(|id| begins(id));
        match (matches.next(), matches.next()) {
            (Some(id), None) => Abbreviation::Unique(*id),
            (Some(_), Some(_)) => Abbreviation::Ambiguous,
            (None, _) => Abbreviation::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ObjectId {
        ObjectId::Sha1([byte; 20])
    }

    /// 1 ← 2 ← 4 (merge of 2 and 3), 3 is a root.
    fn merged() -> History {
        let node =
            |parents: &[u8]| Node { parents: parents.iter().map(|byte| id(*byte)).collect() };
        let commits = [(1, node(&[])), (2, node(&[1])), (3, node(&[])), (4, node(&[2, 3]))];
        History { commits: commits.into_iter().map(|(byte, node)| (id(byte), node)).collect() }
    }

    #[test]
    fn ancestors_run_through_all_parents_and_include_the_commit() {
        let history = merged();
        assert_eq!(history.ancestors(&id(2)), HashSet::from([id(1), id(2)]));
        assert_eq!(history.ancestors(&id(4)), HashSet::from([id(1), id(2), id(3), id(4)]));
    }

    #[test]
    fn an_abbreviation_names_one_commit_or_says_why_not() {
        let mut history = merged();
        assert_eq!(history.find("0202020"), Abbreviation::Unique(id(2)));
        assert_eq!(history.find("ffffffff"), Abbreviation::Unknown);
        let mut twin = [2; 20];
        twin[19] = 9;
        history.commits.insert(ObjectId::Sha1(twin), Node { parents: Box::new([]) });
        assert_eq!(history.find("0202020"), Abbreviation::Ambiguous);
    }
}
