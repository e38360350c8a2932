//! Job: what a worker is asked to do. Identifiers only, versioned.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    module::{ModulePath, Version, VersionQuery},
    space::{ProjectId, Space},
};

use super::Cause;

/// The version of the message format that this program reads, and writes where an older
/// program would misunderstand the message.
const FORMAT: u32 = 2;
/// The version that knows of no project: an older program takes the module for public,
/// which it is.
const PUBLIC_FORMAT: u32 = 1;

/// Most characters of why a message is no job.
const LONGEST_REASON: usize = 300;

/// A message on the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Whose module it is about.
    pub space: Space,
    /// What is to be done.
    pub task: Task,
    /// The request that caused it.
    pub cause: Cause,
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
    /// Ask the origin for list and latest however fresh the stored answers are: an
    /// operator or a forge knows that something has changed.
    Refresh {
        /// Of this module.
        module: ModulePath,
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
        format: u64,
    },
}

impl Job {
    /// A job for `task` about a public module.
    pub fn new(task: Task) -> Self {
        Self { space: Space::Public, task, cause: Cause::default() }
    }

    /// A job for `task` about a public module, that a request caused.
    pub fn caused_by(cause: Cause, task: Task) -> Self {
        Self { cause, ..Self::new(task) }
    }

    /// The same about the module in another space.
    #[must_use]
    pub fn in_space(self, space: Space) -> Self {
        Self { space, ..self }
    }

    /// What the job is about, the same for equal jobs.
    pub fn key(&self) -> JobKey {
        let task = match &self.task {
            Task::Fill { module, version } => format!("fill {module}@{version}"),
            Task::List { module } => format!("list {module}"),
            Task::Latest { module } => format!("latest {module}"),
            Task::Query { module, query } => format!("query {module}@{query}"),
            Task::Refresh { module } => format!("refresh {module}"),
        };
        JobKey(match &self.space {
            Space::Public => task,
            space @ Space::Private(_) => format!("{space} {task}"),
        })
    }

    /// The message that goes on the queue.
    pub fn to_message(&self) -> String {
        let Self { space, task, cause } = self;
        let project = space.project();
        let format = if project.is_some() { FORMAT } else { PUBLIC_FORMAT };
        serde_json::to_string(&Envelope { format, project, cause, task })
            .expect("identifiers always serialise")
    }

    /// Reads a message from the queue.
    pub fn from_message(message: &str) -> Result<Self, JobError> {
        // The parser's words may quote the message.
        let unreadable = |error: serde_json::Error| JobError::Unreadable {
            reason: error.to_string().chars().take(LONGEST_REASON).collect(),
        };
        let Header { format } = serde_json::from_str(message).map_err(unreadable)?;
        if format > u64::from(FORMAT) {
            return Err(JobError::Newer { format });
        }
        let Envelope { project, task, cause, .. }: Envelope<Task, Cause, ProjectId> =
            serde_json::from_str(message).map_err(unreadable)?;
        let space = project.map_or(Space::Public, Space::Private);
        Ok(Self { space, task, cause })
    }
}

impl Task {
    /// The module that the task is about.
    pub fn module(&self) -> &ModulePath {
        match self {
            Self::Fill { module, .. }
            | Self::List { module }
            | Self::Latest { module }
            | Self::Query { module, .. }
            | Self::Refresh { module } => module,
        }
    }

    /// The task's kind, as metrics and logs name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fill { .. } => "fill",
            Self::List { .. } => "list",
            Self::Latest { .. } => "latest",
            Self::Query { .. } => "query",
            Self::Refresh { .. } => "refresh",
        }
    }
}

impl JobKey {
    /// The module whose list or latest version may be another once such a job is done.
    pub fn refreshed_module(&self) -> Option<ModulePath> {
        let (kind, module) = self.0.split_once(' ')?;
        let is_refresh = matches!(kind, "list" | "latest" | "refresh");
        module.parse().ok().filter(|_| is_refresh)
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Deserialize)]
struct Header {
    format: u64,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T, C, P> {
    format: u32,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    project: Option<P>,
    #[serde(flatten)]
    cause: C,
    #[serde(flatten)]
    task: T,
}

fn none<T>() -> Option<T> {
    None
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;
    use crate::{request_id::RequestId, via::Via};

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
        let job = Job::caused_by(RequestId::from_str("abc-1").unwrap().into(), fill().task);
        let message = job.to_message();
        insta::assert_snapshot!(message, @r#"{"format":1,"request":"abc-1","kind":"fill","module":"example.com/Mod","version":"v1.2.3"}"#);
        assert_eq!(Job::from_message(&message), Ok(job.clone()));
        assert_eq!(job.key(), fill().key());
    }

    #[test]
    fn the_deployments_that_a_question_came_by_travel_along() {
        let cause = Cause { request: None, via: Via::of_headers(["1.1 oa, 1.1 ob"]) };
        let job = Job::caused_by(cause, fill().task);
        let message = job.to_message();
        insta::assert_snapshot!(message, @r#"{"format":1,"via":["oa","ob"],"kind":"fill","module":"example.com/Mod","version":"v1.2.3"}"#);
        assert_eq!(Job::from_message(&message), Ok(job.clone()));
        assert_eq!(job.key(), fill().key());
    }

    #[test]
    fn a_key_says_whose_answers_may_be_others() {
        let module: ModulePath = "example.com/Mod".parse().unwrap();
        for task in [
            Task::List { module: module.clone() },
            Task::Latest { module: module.clone() },
            Task::Refresh { module: module.clone() },
        ] {
            assert_eq!(Job::new(task).key().refreshed_module(), Some(module.clone()));
        }
        assert_eq!(fill().key().refreshed_module(), None);
    }

    #[test]
    fn a_private_job_names_its_project_and_is_no_public_one() {
        let project: ProjectId = "ci-fleet".parse().unwrap();
        let job = fill().in_space(Space::Private(project));
        let message = job.to_message();
        insta::assert_snapshot!(message, @r#"{"format":2,"project":"ci-fleet","kind":"fill","module":"example.com/Mod","version":"v1.2.3"}"#);
        assert_eq!(Job::from_message(&message), Ok(job.clone()));
        insta::assert_snapshot!(job.key(), @"private/ci-fleet fill example.com/Mod@v1.2.3");
        insta::assert_snapshot!(fill().key(), @"fill example.com/Mod@v1.2.3");
        let elsewhere = message.replace("ci-fleet", "../ci");
        assert!(matches!(Job::from_message(&elsewhere), Err(JobError::Unreadable { .. })));
    }

    #[test]
    fn a_newer_format_is_told_apart_from_an_unreadable_message() {
        let newer = r#"{"format":3,"kind":"who-knows"}"#;
        assert_eq!(Job::from_message(newer), Err(JobError::Newer { format: 3 }));
        for bad in ["", "{}", r#"{"format":1,"kind":"fill","module":"..","version":"v1.0.0"}"#] {
            assert!(matches!(Job::from_message(bad), Err(JobError::Unreadable { .. })), "{bad}");
        }
    }
}
