//! `PrivateModules`: which modules never leave this deployment, not even as a name.

use std::{fmt, str::FromStr};

use super::{Pattern, PatternError};
use crate::module::ModulePath;

/// The private patterns; of those that match a module the first decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateModules(Vec<PrivatePattern>);

/// `[!]glob`: a [`Pattern`] without a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivatePattern(Pattern);

/// A text that is no private pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivatePatternError {
    /// No pattern at all.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A list names no version, and must not name the module either.
    #[error(
        "whether a module is private cannot depend on its version: leave out @ and what follows"
    )]
    Range,
}

impl PrivateModules {
    /// Whether the module is private.
    pub fn contains(&self, module: &ModulePath) -> bool {
        let decisive = self.0.iter().find(|PrivatePattern(pattern)| pattern.names(module));
        decisive.is_some_and(|PrivatePattern(pattern)| !pattern.is_exception())
    }
}

impl FromIterator<PrivatePattern> for PrivateModules {
    fn from_iter<I: IntoIterator<Item = PrivatePattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

impl FromStr for PrivatePattern {
    type Err = PrivatePatternError;

    fn from_str(text: &str) -> Result<Self, PrivatePatternError> {
        let pattern: Pattern = text.parse()?;
        if pattern.has_range() {
            return Err(PrivatePatternError::Range);
        }
        Ok(Self(pattern))
    }
}

impl fmt::Display for PrivatePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let patterns = ["!corp.example/open/*", "corp.example/*", "*.corp.example", "!*"];
        let private: PrivateModules =
            patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        for (module, expected) in [
            ("corp.example/secret", true),
            ("corp.example/secret/v2", true),
            ("corp.example/open", true),
            ("corp.example/open/tool", false),
            ("git.corp.example/secret", true),
            ("corp.example", false),
            ("github.com/a/b", false),
        ] {
            assert_eq!(private.contains(&module.parse().unwrap()), expected, "{module}");
        }
        assert!(!PrivateModules::default().contains(&"corp.example/a".parse().unwrap()));
    }

    #[test]
    fn a_range_is_refused() {
        let refusal = "corp.example/*@<v1.0.0".parse::<PrivatePattern>().unwrap_err();
        assert_eq!(refusal, PrivatePatternError::Range);
        assert_eq!("!a.example/*".parse::<PrivatePattern>().unwrap().to_string(), "!a.example/*");
    }
}
