//! Mutable knowledge: what a worker last found out, kept in storage for every frontend.
//!
//! One document per [`Question`]. It holds the last good answer and, when the last
//! attempt failed, that failure: a failed refresh never replaces a good answer unless
//! the failure says that there is none.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    module::{ModulePath, Version, VersionInfo, VersionQuery},
    queue::Task,
};

/// What can be asked about a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// Which versions are there?
    List,
    /// Which version is the latest?
    Latest,
    /// Which version is this branch, tag or commit?
    Query(VersionQuery),
    /// Could this version be filled? Only failures are kept: a success is the version itself.
    Fill(Version),
}

/// The stored document of one question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The last good answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Good>,
    /// Why the last attempt failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A good answer and when it was true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// When the origin said so.
    pub at: Timestamp,
    /// What it said.
    pub value: Value,
}

/// The kinds of good answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// To [`Question::List`]: in semver order.
    Versions(Vec<Version>),
    /// To [`Question::Latest`] and [`Question::Query`].
    Version(VersionInfo),
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it failed.
    pub at: Timestamp,
    /// What the failure means for the client.
    pub meaning: Meaning,
    /// One line that a developer can act on: no credential, no local path.
    pub message: String,
}

/// What a failure means, independent of HTTP. The first three are definite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// There is no such module or version.
    Absent,
    /// It is there, but can never be a valid module version.
    Invalid,
    /// An upstream's policy does not let us have it. It may be there.
    Refused,
    /// The origin is in trouble or cannot be reached.
    OriginUnavailable,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The trouble is our own.
    Internal,
}

impl Meaning {
    /// Whether asking again gives the same answer until the origin changes.
    pub fn is_definite(self) -> bool {
        matches!(self, Self::Absent | Self::Invalid | Self::Refused)
    }
}

impl Question {
    /// The task that finds the answer.
    pub fn task(&self, module: &ModulePath) -> Task {
        let module = module.clone();
        match self {
            Self::List => Task::List { module },
            Self::Latest => Task::Latest { module },
            Self::Query(query) => Task::Query { module, query: query.clone() },
            Self::Fill(version) => Task::Fill { module, version: version.clone() },
        }
    }
}
