//! `Exclusions`: modules and versions that nobody gets and nobody is asked about.

use std::{fmt, str::FromStr};

use super::{Pattern, PatternError};
use crate::module::{ModulePath, Version};

/// The exclusion rules; of those that match the first decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions(Vec<ExclusionRule>);

/// `[!]glob[@range][=[refuse:|absent:]reason]`, such as `github.com/evil/*=SEC-123` or
/// `github.com/old/*@<v1.4.0=absent:use v1.4 or later`. With a `!` it allows again, and
/// has no reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExclusionRule {
    pattern: Pattern,
    exclusion: Exclusion,
}

/// How an exclusion looks to the client, and why it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusion {
    look: Look,
    reason: Option<String>,
}

/// How a refusal looks (design §6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// The go command stops there.
    #[default]
    Refuse,
    /// The go command asks the next proxy, or the repository.
    Absent,
}

/// A text that is no exclusion rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionRuleError {
    /// Before the `=`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// What is allowed needs no reason.
    #[error("an entry with ! allows again and has no reason: leave out = and what follows")]
    ReasonToAllow,
    /// Nothing after the `=`.
    #[error("a reason is expected after =")]
    EmptyReason,
    /// It has to fit in the body of an answer.
    #[error("a reason is one line without control characters")]
    ControlCharacter,
}

impl Exclusions {
    /// Why this version of the module is excluded, if it is. Without a version (list,
    /// latest, a branch) the question is whether all versions are: a rule with a range
    /// excludes not the module, and one that allows some versions leaves it open.
    pub fn find(&self, module: &ModulePath, version: Option<&Version>) -> Option<&Exclusion> {
        let decisive = self.0.iter().find(|rule| {
            let allows_some = version.is_none() && rule.pattern.is_exception();
            if allows_some {
                rule.pattern.names(module)
            } else {
                rule.pattern.matches(module, version)
            }
        })?;
        (!decisive.pattern.is_exception()).then_some(&decisive.exclusion)
    }

    /// Whether some versions of the module are excluded.
    pub fn excludes_some(&self, module: &ModulePath) -> bool {
        let mut rules = self.0.iter().filter(|rule| rule.pattern.names(module));
        // An exception for all versions leaves nothing to the rules behind it.
        let decisive = rules
            .find(|ExclusionRule { pattern, .. }| !(pattern.is_exception() && pattern.has_range()));
        decisive.is_some_and(|rule| !rule.pattern.is_exception())
    }

    /// Takes out of a list those versions that are excluded, so that nobody is offered
    /// what is refused afterwards.
    pub fn retain_allowed(&self, module: &ModulePath, versions: &mut Vec<Version>) {
        if self.0.iter().any(|rule| rule.pattern.names(module)) {
            versions.retain(|version| self.find(module, Some(version)).is_none());
        }
    }
}

impl FromIterator<ExclusionRule> for Exclusions {
    fn from_iter<I: IntoIterator<Item = ExclusionRule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl ExclusionRule {
    /// A rule of its parts, `exclusion` being what stands after the `=`, if anything does.
    pub fn new(pattern: Pattern, exclusion: Option<Exclusion>) -> Result<Self, ExclusionRuleError> {
        if pattern.is_exception() && exclusion.is_some() {
            return Err(ExclusionRuleError::ReasonToAllow);
        }
        Ok(Self { pattern, exclusion: exclusion.unwrap_or_default() })
    }
}

impl Exclusion {
    /// How it looks to the client.
    pub fn look(&self) -> Look {
        self.look
    }

    /// Why it is, in one line.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

impl FromStr for ExclusionRule {
    type Err = ExclusionRuleError;

    fn from_str(text: &str) -> Result<Self, ExclusionRuleError> {
        let (pattern, exclusion) = Pattern::split_assignment(text);
        Self::new(pattern.parse()?, exclusion.map(str::parse).transpose()?)
    }
}

impl FromStr for Exclusion {
    type Err = ExclusionRuleError;

    /// Parses `[refuse:|absent:]reason`, or the look alone.
    fn from_str(text: &str) -> Result<Self, ExclusionRuleError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ExclusionRuleError::EmptyReason);
        }
        if text.chars().any(char::is_control) {
            return Err(ExclusionRuleError::ControlCharacter);
        }
        let (word, after) = text.split_once(':').unwrap_or((text, ""));
        let (look, reason) = match word.trim_end() {
            "refuse" => (Look::Refuse, after),
            "absent" => (Look::Absent, after),
            _ => (Look::default(), text),
        };
        let reason = Some(reason.trim()).filter(|reason| !reason.is_empty());
        Ok(Self { look, reason: reason.map(str::to_owned) })
    }
}

impl fmt::Display for ExclusionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exclusion == Exclusion::default() {
            self.pattern.fmt(f)
        } else {
            write!(f, "{}={}", self.pattern, self.exclusion)
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let look = match self.look {
            Look::Refuse => "refuse",
            Look::Absent => "absent",
        };
        match &self.reason {
            Some(reason) => write!(f, "{look}:{reason}"),
            None => f.write_str(look),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclusions(rules: &[&str]) -> Exclusions {
        rules.iter().map(|rule| rule.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let exclusions = exclusions(&[
            "!github.com/evil/reformed",
            "github.com/evil/*=SEC-123",
            "github.com/old/*@<v1.4.0=absent:use v1.4 or later",
            "!github.com/frozen/a@v1.0.0",
            "github.com/frozen/*=absent",
            "github.com/plain",
        ]);
        for (module, version, expected) in [
            ("github.com/evil/a", None, Some("refuse:SEC-123")),
            ("github.com/evil/a", Some("v1.0.0"), Some("refuse:SEC-123")),
            ("github.com/evil/reformed", None, None),
            ("github.com/evil/reformed", Some("v1.0.0"), None),
            // A range excludes versions, never the module's list.
            ("github.com/old/a", None, None),
            ("github.com/old/a", Some("v1.3.9"), Some("absent:use v1.4 or later")),
            ("github.com/old/a", Some("v1.4.0"), None),
            // One version is allowed, so there is a list to look at.
            ("github.com/frozen/a", None, None),
            ("github.com/frozen/a", Some("v1.0.0"), None),
            ("github.com/frozen/a", Some("v1.0.1"), Some("absent")),
            ("github.com/frozen/b", None, Some("absent")),
            ("github.com/plain/a", None, Some("refuse")),
            ("github.com/other", None, None),
        ] {
            let version = version.map(|version: &str| version.parse().unwrap());
            let found = exclusions.find(&module.parse().unwrap(), version.as_ref());
            let found = found.map(Exclusion::to_string);
            assert_eq!(found.as_deref(), expected, "{module} {version:?}");
        }
    }

    #[test]
    fn a_module_may_be_excluded_in_part() {
        let exclusions = exclusions(&["!a.b/c", "!a.b/d@v1.0.0", "a.b/*@<v1.2.0", "x.y"]);
        for (module, expected) in
            [("a.b/c", false), ("a.b/d", true), ("a.b/e", true), ("x.y/z", true), ("o.p/q", false)]
        {
            assert_eq!(exclusions.excludes_some(&module.parse().unwrap()), expected, "{module}");
        }
    }

    #[test]
    fn a_list_loses_the_versions_that_are_excluded() {
        let exclusions = exclusions(&["!a.b/c@v1.1.0", "a.b/*@>=v1.1.0 <v1.3.0=broken"]);
        let versions = ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"];
        for (module, expected) in [
            ("a.b/c", vec!["v1.0.0", "v1.1.0", "v1.3.0"]),
            ("a.b/d", vec!["v1.0.0", "v1.3.0"]),
            ("x.y/z", versions.to_vec()),
        ] {
            let mut list = versions.map(|version| version.parse().unwrap()).to_vec();
            exclusions.retain_allowed(&module.parse().unwrap(), &mut list);
            let list: Vec<&str> = list.iter().map(Version::as_str).collect();
            assert_eq!(list, expected, "{module}");
        }
    }

    #[test]
    fn a_rule_says_how_a_refusal_looks_and_why() {
        for (text, look, reason, shown) in [
            ("a.b", Look::Refuse, None, "a.b"),
            ("a.b=refuse", Look::Refuse, None, "a.b"),
            ("a.b=SEC-123", Look::Refuse, Some("SEC-123"), "a.b=refuse:SEC-123"),
            ("a.b = see SEC: 1=2", Look::Refuse, Some("see SEC: 1=2"), "a.b=refuse:see SEC: 1=2"),
            ("a.b=absent:", Look::Absent, None, "a.b=absent"),
            (
                "a.b=absent: gone, ask x@y",
                Look::Absent,
                Some("gone, ask x@y"),
                "a.b=absent:gone, ask x@y",
            ),
            ("a.b@<=v1.0.0=refuse:old", Look::Refuse, Some("old"), "a.b@<=v1.0.0=refuse:old"),
            ("!a.b@v1.0.0", Look::Refuse, None, "!a.b@v1.0.0"),
        ] {
            let rule: ExclusionRule = text.parse().unwrap();
            assert_eq!((rule.exclusion.look(), rule.exclusion.reason()), (look, reason), "{text}");
            assert_eq!(rule.to_string(), shown);
            assert_eq!(shown.parse(), Ok(rule));
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (bad, problem) in [
            ("=SEC-123", "the pattern is empty"),
            ("a.b=", "a reason is expected after ="),
            ("a.b=two\nlines", "a reason is one line without control characters"),
            ("a.b@<v1.0.0 =SEC-123", r#""SEC-123" is not a semantic version"#),
            (
                "!a.b=SEC-123",
                "an entry with ! allows again and has no reason: leave out = and what follows",
            ),
        ] {
            assert_eq!(bad.parse::<ExclusionRule>().unwrap_err().to_string(), problem, "{bad}");
        }
    }
}
