//! `VersionQuery`: what may stand in a URL where a version is expected (go-modules §1.1).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Version,
    escape::{escape, unescape},
    path_element::{ElementRule, check_file_element},
};

/// A version, branch, tag or commit that a client may ask for: one legal file name in
/// ASCII without `!`. It may start with a dash, so it must never be a bare argument of
/// a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionQuery(String);

/// A text that cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed version {query:?}: {rule}")]
pub struct VersionQueryError {
    /// The text.
    pub query: String,
    /// What is wrong with it.
    pub rule: VersionQueryRule,
}

/// The rule that a text breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionQueryRule {
    /// No legal file name.
    #[error(transparent)]
    Element(#[from] ElementRule),
    /// `!` and letters outside ASCII are legal in file names, but cannot be escaped.
    #[error("character {0:?} is not allowed")]
    Character(char),
    /// An escaped query that escaping never writes.
    #[error("wrong use of ! or upper-case letters")]
    Escaping,
}

impl VersionQuery {
    /// The query as developers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The query as URLs and storage keys write it: `!x` for `X`.
    pub fn escaped(&self) -> String {
        escape(&self.0)
    }

    /// Reads what [`escaped`](Self::escaped) wrote.
    pub fn from_escaped(escaped: &str) -> Result<Self, VersionQueryError> {
        unescape(escaped)
            .ok_or(VersionQueryRule::Escaping)
            .map_err(|rule| VersionQueryError { query: escaped.to_owned(), rule })?
            .parse()
    }

    /// The version that is asked for, if the query is a canonical version: its answer
    /// never changes.
    pub fn as_version(&self) -> Option<Version> {
        self.0.parse().ok()
    }
}

impl FromStr for VersionQuery {
    type Err = VersionQueryError;

    fn from_str(query: &str) -> Result<Self, Self::Err> {
        check(query).map_err(|rule| VersionQueryError { query: query.to_owned(), rule })?;
        Ok(Self(query.to_owned()))
    }
}

fn check(query: &str) -> Result<(), VersionQueryRule> {
    check_file_element(query)?;
    match query.chars().find(|&character| character == '!' || !character.is_ascii()) {
        Some(character) => Err(VersionQueryRule::Character(character)),
        None => Ok(()),
    }
}

impl fmt::Display for VersionQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VersionQuery {
    type Error = VersionQueryError;

    fn try_from(query: String) -> Result<Self, Self::Error> {
        query.parse()
    }
}

impl From<VersionQuery> for String {
    fn from(query: VersionQuery) -> Self {
        query.0
    }
}

impl From<Version> for VersionQuery {
    /// Every version can be asked for: its characters are legal and it starts with `v`.
    fn from(version: Version) -> Self {
        Self(version.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_queries() {
        for query in [
            "master",
            "HEAD",
            "v1.2.3",
            "v1.2.3+meta",
            "-x",
            ".x",
            "a b",
            "100%",
            "#1",
            "a&b=c",
            "release~1",
            "v1.0.0.info",
            "latest",
            "com0",
        ] {
            assert_eq!(query.parse::<VersionQuery>().map(|q| q.to_string()), Ok(query.to_owned()));
        }
    }

    #[test]
    fn illegal_queries_name_their_rule() {
        use VersionQueryRule::*;
        for (query, rule) in [
            ("", Element(ElementRule::Empty)),
            ("..", Element(ElementRule::AllDots("..".into()))),
            ("a.", Element(ElementRule::TrailingDot("a.".into()))),
            ("feature/x", Element(ElementRule::Character('/'))),
            ("a:b", Element(ElementRule::Character(':'))),
            ("<v1", Element(ElementRule::Character('<'))),
            ("a\tb", Element(ElementRule::Character('\t'))),
            ("nul", Element(ElementRule::DeviceName("nul".into()))),
            ("a!b", Character('!')),
            ("\u{e9}", Character('\u{e9}')),
        ] {
            let expected = VersionQueryError { query: query.to_owned(), rule };
            assert_eq!(query.parse::<VersionQuery>(), Err(expected));
        }
    }

    #[test]
    fn escaping_round_trips() {
        let query: VersionQuery = "HEAD".parse().unwrap();
        assert_eq!(query.escaped(), "!h!e!a!d");
        assert_eq!(VersionQuery::from_escaped("!h!e!a!d"), Ok(query));
        for bad in ["HEAD", "a!", "a!1", "a/b"] {
            assert!(VersionQuery::from_escaped(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn canonical_versions_are_recognised() {
        let as_version = |query: &str| query.parse::<VersionQuery>().unwrap().as_version();
        let version: Version = "v2.0.0+incompatible".parse().unwrap();
        assert_eq!(as_version("v2.0.0+incompatible"), Some(version.clone()));
        assert_eq!(as_version("v1.2"), None);
        assert_eq!(as_version("v1.2.3+meta"), None);
        assert_eq!(VersionQuery::from(version).as_str(), "v2.0.0+incompatible");
    }
}
