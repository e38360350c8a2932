//! Job: what a worker is asked to do. Identifiers only, versioned.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    module::{ModulePath, Version, VersionQuery},
    request_id::RequestId,
};

/// The version of the message format that this program writes.
const FORMAT: u32 = 1;

/// A message on the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What is to be done.
    pub task: Task,
    /// The request that caused it, for the log; equal jobs may have different ones.
    pub request: Option<RequestId>,
}

/// What is to be done. Every task is idempotent and may run again at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Bring one module version into storage.
    Fill {
        /// Of this module.
        module: ModulePath,
        /// This version.
        version: Version,
    },
    /// Refresh the stored version list.
    List {
        /// Of this module.
        module: ModulePath,
    },
    /// Refresh the stored answer of `@latest`.
    Latest {
        /// Of this module.
        module: ModulePath,
    },
    /// Resolve a branch, tag or commit, and bring the version it names into storage.
    Query {
        /// Of this module.
        module: ModulePath,
        /// The branch, tag or commit.
        query: VersionQuery,
    },
}

/// Two jobs with the same key ask for the same thing: one run answers both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKey(String);

/// A message that is no job of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Not the JSON of a job.
    #[error("unreadable job message: {reason}")]
    Unreadable {
        /// The parser's words.
        reason: String,
    },
    /// Written by a newer program: to be delayed, not buried.
    #[error("job message of format {format}, this program reads up to {FORMAT}")]
    Newer {
        /// The message's format.
        format: u32,
    },
}

impl Job {
    /// A job for `task`.
    pub fn new(task: Task) -> Self {
        Self { task, request: None }
    }

    /// A job for `task` that a request caused.
    pub fn caused_by(request: RequestId, task: Task) -> Self {
        Self { task, request: Some(request) }
    }

    /// What the job is about, the same for equal jobs.
    pub fn key(&self) -> JobKey {
        JobKey(match &self.task {
            Task::Fill { module, version } => format!("fill {module}@{version}"),
            Task::List { module } => format!("list {module}"),
            Task::Latest { module } => format!("latest {module}"),
            Task::Query { module, query } => format!("query {module}@{query}"),
        })
    }

    /// The message that goes on the queue.
    pub fn to_message(&self) -> String {
        let Self { task, request } = self;
        serde_json::to_string(&Envelope { format: FORMAT, request: request.as_ref(), task })
            .expect("identifiers always serialise")
    }

    /// Reads a message from the queue.
    pub fn from_message(message: &str) -> Result<Self, JobError> {
        let unreadable =
            |error: serde_json::Error| JobError::Unreadable { reason: error.to_string() };
        let Header { format } = serde_json::from_str(message).map_err(unreadable)?;
        if format > FORMAT {
            return Err(JobError::Newer { format });
        }
        let Envelope { task, request, .. }: Envelope<Task, RequestId> =
            serde_json::from_str(message).map_err(unreadable)?;
        Ok(Self { task, request })
    }
}

impl Task {
    /// The module that the task is about.
    pub fn module(&self) -> &ModulePath {
        match self {
            Self::Fill { module, .. }
            | Self::List { module }
            | Self::Latest { module }
            | Self::Query { module, .. } => module,
        }
    }

    /// The task's kind, as metrics and logs name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fill { .. } => "fill",
            Self::List { .. } => "list",
            Self::Latest { .. } => "latest",
            Self::Query { .. } => "query",
        }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T, R> {
    format: u32,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    request: Option<R>,
    #[serde(flatten)]
    task: T,
}

fn none<T>() -> Option<T> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill() -> Job {
        Job::new(Task::Fill {
            module: "example.com/Mod".parse().unwrap(),
            version: "v1.2.3".parse().unwrap(),
        })
    }

    #[test]
    fn a_message_reads_back_as_the_job_it_was() {
        let message = fill().to_message();
        insta::assert_snapshot!(message, @r#"{"format":1,"kind":"fill","module":"example.com/Mod","version":"v1.2.3"}"#);
        assert_eq!(Job::from_message(&message), Ok(fill()));
    }

    #[test]
    fn the_request_travels_along_and_makes_no_other_job() {
        let job = Job::caused_by("abc-1".parse().unwrap(), fill().task);
        let message = job.to_message();
        insta::assert_snapshot!(message, @r#"{"format":1,"request":"abc-1","kind":"fill","module":"example.com/Mod","version":"v1.2.3"}"#);
        assert_eq!(Job::from_message(&message), Ok(job.clone()));
        assert_eq!(job.key(), fill().key());
    }

    #[test]
    fn a_newer_format_is_told_apart_from_an_unreadable_message() {
        let newer = r#"{"format":2,"kind":"who-knows"}"#;
        assert_eq!(Job::from_message(newer), Err(JobError::Newer { format: 2 }));
        for bad in ["", "{}", r#"{"format":1,"kind":"fill","module":"..","version":"v1.0.0"}"#] {
            assert!(matches!(Job::from_message(bad), Err(JobError::Unreadable { .. })), "{bad}");
        }
    }
}
