//! The words a scenario is told in: a world to build in, questions, and claims about answers.

use std::path::PathBuf;

use stoa_shared::testing::repository::{Repository, RepositoryBuilder};

use super::outcome::Outcome;
use crate::page_server::PageServer;

/// Where fixture repositories appear to both sides.
pub(crate) const ORGANISATION: &str = "github.com/stoa-fixtures";

/// One numbered row of go-modules §6.
pub(crate) struct Scenario {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    /// Builds what the scenario needs and returns what is asked.
    pub(crate) story: fn(&World) -> Vec<Question>,
}

/// Where stories build their repositories and put their pages.
pub(crate) struct World {
    pub(crate) fixtures: PathBuf,
    pub(crate) pages: PageServer,
}

impl World {
    /// Builds `github.com/stoa-fixtures/<name>`.
    pub(crate) fn build(&self, name: &str, builder: &RepositoryBuilder) -> Repository {
        builder.build(&self.fixtures.join(name)).unwrap()
    }
}

/// The module path of a fixture repository's root.
pub(crate) fn path(name: &str) -> String {
    format!("{ORGANISATION}/{name}")
}

/// A go.mod with a module line and nothing else.
pub(crate) fn module_line(module: &str) -> String {
    format!("module {module}\n")
}

/// What is asked about a module.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Query { module: String, query: String },
    List { module: String },
    Latest { module: String },
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Query { module, query } => write!(f, "{module}@{query}"),
            Self::List { module } => write!(f, "{module} list"),
            Self::Latest { module } => write!(f, "{module} @latest"),
        }
    }
}

/// What the specification says an answer looks like.
#[derive(Debug, Clone)]
pub(crate) enum Claim {
    Refused,
    /// `.info` and `.mod` are fine, only the zip cannot exist.
    ZipRefused,
    Version(String),
    Listed(Vec<String>),
    Time(&'static str),
    ModuleFile(Vec<u8>),
    /// All file names of the zip in its order.
    Files(Vec<String>),
    Content(&'static str, Vec<u8>),
    /// A field of `Origin`.
    Origin(&'static str, String),
}

/// What is expected of Stoa.
#[derive(Debug, Clone)]
pub(crate) enum Stoa {
    /// What the go command says in direct mode.
    Same,
    /// Nothing: the question cannot be put through a proxy, or has no single answer.
    NotAsked,
    /// A deliberate deviation that the specification names.
    Claims(Vec<Claim>),
}

/// One question, what the go command says to it, and what Stoa should.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) ask: Ask,
    pub(crate) claims: Vec<Claim>,
    pub(crate) stoa: Stoa,
}

pub(crate) fn query(module: &str, query: &str) -> Question {
    Question::new(Ask::Query { module: module.to_owned(), query: query.to_owned() })
}

pub(crate) fn list(module: &str) -> Question {
    Question::new(Ask::List { module: module.to_owned() })
}

pub(crate) fn latest(module: &str) -> Question {
    Question::new(Ask::Latest { module: module.to_owned() })
}

impl Question {
    fn new(ask: Ask) -> Self {
        Self { ask, claims: Vec::new(), stoa: Stoa::Same }
    }

    fn claim(mut self, claim: Claim) -> Self {
        self.claims.push(claim);
        self
    }

    pub(crate) fn refused(self) -> Self {
        self.claim(Claim::Refused)
    }

    pub(crate) fn zip_refused(self) -> Self {
        self.claim(Claim::ZipRefused)
    }

    pub(crate) fn gives(self, version: &str) -> Self {
        self.claim(Claim::Version(version.to_owned()))
    }

    pub(crate) fn lists(self, versions: &[&str]) -> Self {
        self.claim(Claim::Listed(versions.iter().map(|&version| version.to_owned()).collect()))
    }

    pub(crate) fn time(self, time: &'static str) -> Self {
        self.claim(Claim::Time(time))
    }

    pub(crate) fn module_file(self, content: impl AsRef<[u8]>) -> Self {
        self.claim(Claim::ModuleFile(content.as_ref().to_vec()))
    }

    pub(crate) fn files(self, names: &[&str]) -> Self {
        self.claim(Claim::Files(names.iter().map(|&name| name.to_owned()).collect()))
    }

    pub(crate) fn content(self, name: &'static str, content: impl AsRef<[u8]>) -> Self {
        self.claim(Claim::Content(name, content.as_ref().to_vec()))
    }

    pub(crate) fn origin(self, key: &'static str, value: &str) -> Self {
        self.claim(Claim::Origin(key, value.to_owned()))
    }

    /// Not put to Stoa; the caller says why in a comment.
    pub(crate) fn direct_only(mut self) -> Self {
        self.stoa = Stoa::NotAsked;
        self
    }

    /// Stoa deliberately refuses; the caller names the section in a comment.
    pub(crate) fn stoa_refuses(mut self) -> Self {
        self.stoa = Stoa::Claims(vec![Claim::Refused]);
        self
    }

    /// Stoa deliberately lists something else; the caller names the section in a comment.
    pub(crate) fn stoa_lists(mut self, versions: &[&str]) -> Self {
        let versions = versions.iter().map(|&version| version.to_owned()).collect();
        self.stoa = Stoa::Claims(vec![Claim::Listed(versions)]);
        self
    }
}

impl Claim {
    /// What is wrong with an answer, if anything.
    pub(crate) fn check(&self, outcome: &Outcome) -> Result<(), String> {
        let holds = match (self, outcome) {
            (Self::Refused, Outcome::Refused(_)) => true,
            (Self::Listed(expected), Outcome::Listed(listed)) => expected == listed,
            (Self::Version(expected), Outcome::Latest { version, .. }) => expected == version,
            (Self::Time(expected), Outcome::Latest { time, .. }) => expected == time,
            (claim, Outcome::Resolved(resolved)) => match claim {
                Self::Version(expected) => *expected == resolved.version,
                Self::Time(expected) => *expected == resolved.time,
                Self::ModuleFile(expected) => *expected == resolved.module_file,
                Self::ZipRefused => resolved.zip.is_err(),
                Self::Files(expected) => resolved
                    .zip
                    .as_ref()
                    .is_ok_and(|zip| zip.files.iter().map(|(name, _)| name).eq(expected.iter())),
                Self::Content(name, expected) => resolved.zip.as_ref().is_ok_and(|zip| {
                    zip.files.iter().any(|(file, content)| file == name && content == expected)
                }),
                Self::Origin(key, value) => {
                    resolved.origin[*key].as_str().unwrap_or_default() == value
                }
                Self::Refused | Self::Listed(_) => false,
            },
            _ => false,
        };
        if holds { Ok(()) } else { Err(format!("{self:?} does not hold: {outcome}")) }
    }
}
