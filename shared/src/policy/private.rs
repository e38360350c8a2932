//! `PrivateModules`: which modules never leave this deployment, not even as a name.

use std::{fmt, str::FromStr};

use super::{Pattern, PatternError};
use crate::module::ModulePath;

/// The private patterns; of those that match a module the first decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateModules(Vec<PrivatePattern>);

/// `[!]glob`: a [`Pattern`] without a range. Where it ends in `/*` it is about what stands
/// before that, too: the go command asks for each prefix of a path, and whoever heard of
/// that one would know whose modules lie below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivatePattern {
    written: Pattern,
    with_parents: Pattern,
}

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
        self.decided_by(module).is_some_and(|pattern| !pattern.written.is_exception())
    }

    /// Whether it is private for what lies below it alone.
    pub fn contains_as_parent(&self, module: &ModulePath) -> bool {
        let decisive = self.decided_by(module).filter(|pattern| !pattern.written.is_exception());
        decisive.is_some_and(|pattern| !pattern.written.names(module))
    }

    fn decided_by(&self, module: &ModulePath) -> Option<&PrivatePattern> {
        self.0.iter().find(|pattern| pattern.with_parents.names(module))
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
        let written: Pattern = text.parse()?;
        if written.has_range() {
            return Err(PrivatePatternError::Range);
        }
        let mut parents = text.trim().trim_end_matches('/');
        if !written.is_exception() {
            while let Some(parent) = parents.strip_suffix("/*") {
                parents = parent.trim_end_matches('/');
            }
        }
        Ok(Self { with_parents: parents.parse()?, written })
    }
}

impl fmt::Display for PrivatePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_above_private_modules_alone_is_private_too() {
        for (pattern, module, is_private, is_parent) in [
            ("git.corp.example/*", "git.corp.example/team/m", true, false),
            ("git.corp.example/*", "git.corp.example/team", true, false),
            ("git.corp.example/*", "git.corp.example", true, true),
            ("git.corp.example/*/*", "git.corp.example/team", true, true),
            ("git.corp.example/*/", "git.corp.example", true, true),
            ("*.corp.example/*", "git.corp.example", true, true),
            ("git.corp.example", "git.corp.example", true, false),
            // There may be a public module of that name.
            ("corp.example/lib/internal", "corp.example/lib", false, false),
            ("corp.example/secret-*", "corp.example", false, false),
            ("github.com/corp/*", "github.com", false, false),
            ("*/*", "corp.example", true, true),
        ] {
            let private: PrivateModules = [pattern.parse().unwrap()].into_iter().collect();
            let module: ModulePath = module.parse().unwrap();
            let found = (private.contains(&module), private.contains_as_parent(&module));
            assert_eq!(found, (is_private, is_parent), "{pattern} {module}");
        }
    }

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
            ("corp.example", true),
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
