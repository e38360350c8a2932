//! Space: who may see what is stored. What is public is one space; what is private to a
//! project is a space of its own, and nothing is shared between two.
//!
//! A space's files, catalog entries, answers, claims and records of repositories lie
//! under the same names as the public ones, below a prefix of its own
//! (`_stoa/private/<project>/`): code that is given [`Space::storage`] cannot tell which
//! space it works in, and cannot reach into another.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::storage::{KeyPrefix, Storage, Within};

/// Whose modules these are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// Everybody's.
    #[default]
    Public,
    /// Private modules of one project; no other project sees them.
    Private(ProjectId),
}

/// A project's id: 1 to 63 of `a-z`, `0-9`, `-`, `.`, `_`, the first a letter or digit,
/// so that it is one element of a storage key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(String);

/// A text that is no project id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a project id: at most 63 of a-z, 0-9, '-', '.', '_', a letter or digit first"
)]
pub struct InvalidProjectId {
    text: String,
}

/// Longest id, that of a DNS label.
const MAX_LENGTH: usize = 63;

impl Space {
    /// The part of the `whole` storage that belongs to this space.
    pub fn storage(&self, whole: &Arc<dyn Storage>) -> Arc<dyn Storage> {
        match self {
            Self::Public => Arc::clone(whole),
            Self::Private(project) => {
                Arc::new(Within::new(Arc::clone(whole), KeyPrefix::private(project)))
            }
        }
    }

    /// The project whose space it is, if it is private.
    pub fn project(&self) -> Option<&ProjectId> {
        match self {
            Self::Public => None,
            Self::Private(project) => Some(project),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Private(project) => write!(f, "private/{project}"),
        }
    }
}

impl ProjectId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ProjectId {
    /// The project of whoever names none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for ProjectId {
    type Err = InvalidProjectId;

    fn from_str(text: &str) -> Result<Self, InvalidProjectId> {
        let is_allowed = |letter| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '.' | '_');
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if starts_well && text.len() <= MAX_LENGTH && text.chars().all(is_allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidProjectId { text: text.chars().take(MAX_LENGTH + 1).collect() })
    }
}

impl TryFrom<String> for ProjectId {
    type Error = InvalidProjectId;

    fn try_from(text: String) -> Result<Self, InvalidProjectId> {
        text.parse()
    }
}

impl From<ProjectId> for String {
    fn from(id: ProjectId) -> Self {
        id.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_element_of_a_key() {
        for good in ["default", "ci-fleet", "1", "a.b_c", &"a".repeat(63)] {
            assert_eq!(good.parse::<ProjectId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "-a", "_a", "A", "a/b", "a b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<ProjectId>().is_err(), "{bad}");
        }
        assert_eq!(ProjectId::default().to_string().parse(), Ok(ProjectId::default()));
        assert!(serde_json::from_str::<ProjectId>(r#""../x""#).is_err());
    }
}
