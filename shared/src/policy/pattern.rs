//! `Pattern`: which modules, or which of their versions, one entry of a policy is about.

use std::{fmt, str::FromStr};

use super::{Glob, GlobError, VersionRange, VersionRangeError};
use crate::module::{ModulePath, Version};

/// `[!]glob[@range]`, such as `corp.example/*`, `!corp.example/open` or
/// `github.com/old/*@<v1.4.0`. Of a list of them the first that matches wins; one with a
/// `!` allows again what a later one would catch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    is_exception: bool,
    glob: Glob,
    range: Option<VersionRange>,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Before the `@`.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// Well-formed, but nothing would ever match: what has to stay private would not.
    #[error("character {0:?} cannot be in a module path")]
    Character(char),
    /// Likewise.
    #[error("the first element of a module path has a dot: nothing matches this")]
    Dot,
    /// Likewise.
    #[error("the host of a module path has no upper case: nothing matches {0:?}")]
    UpperCase(char),
    /// Likewise.
    #[error(
        "no element of a module path is empty, or begins or ends with a dot: nothing matches this"
    )]
    Element,
    /// After the `@`.
    #[error(transparent)]
    Range(#[from] VersionRangeError),
}

impl Pattern {
    /// Whether a `!` stands in front.
    pub fn is_exception(&self) -> bool {
        self.is_exception
    }

    /// Whether it is about some versions of a module only.
    pub fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// Whether it is about the module, or about versions of it.
    pub fn names(&self, module: &ModulePath) -> bool {
        self.glob.matches_prefix(module.as_str())
    }

    /// Whether it is about this version of the module. Without a version (list, latest, a
    /// branch) a pattern with a range is about nothing.
    pub fn matches(&self, module: &ModulePath, version: Option<&Version>) -> bool {
        let is_in_range = match (&self.range, version) {
            (None, _) => true,
            (Some(range), Some(version)) => range.contains(version),
            (Some(_), None) => false,
        };
        is_in_range && self.names(module)
    }

    /// Splits `pattern=value` at its `=`, which is none of the range's.
    pub(super) fn split_assignment(text: &str) -> (&str, Option<&str>) {
        let end = match text.find(['@', '=']) {
            Some(index) if text[index..].starts_with('@') => {
                let range = index + 1;
                range + VersionRange::length_before_assignment(&text[range..])
            }
            Some(index) => index,
            None => text.len(),
        };
        (text[..end].trim_end(), text[end..].strip_prefix('=').map(str::trim))
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let (is_exception, text) = match text.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (glob, range) = match text.split_once('@') {
            Some((glob, range)) => (glob, Some(range)),
            None => (text, None),
        };
        let elements = glob.strip_suffix('/').unwrap_or(glob);
        let host = elements.split('/').next().unwrap_or_default();
        let glob: Glob = glob.parse()?;
        let may_stand = |character: &char| {
            character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~' | '/')
        };
        if let Some(character) = glob.literals().find(|character| !may_stand(character)) {
            return Err(PatternError::Character(character));
        }
        if !host.contains(['.', '*', '?', '[']) {
            return Err(PatternError::Dot);
        }
        // Within a class, a character or a slash may stand for something else.
        let is_plain = |text: &str| !text.contains(['[', '\\']);
        if is_plain(host)
            && let Some(character) = host.chars().find(char::is_ascii_uppercase)
        {
            return Err(PatternError::UpperCase(character));
        }
        let is_no_element =
            |text: &str| text.is_empty() || text.starts_with('.') || text.ends_with('.');
        if is_plain(elements) && elements.split('/').any(is_no_element) {
            return Err(PatternError::Element);
        }
        let range = range.map(str::parse).transpose()?;
        Ok(Self { is_exception, glob, range })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_exception { "!" } else { "" };
        write!(f, "{mark}{}", self.glob)?;
        match &self.range {
            Some(range) => write!(f, "@{range}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_about_a_module_or_some_of_its_versions() {
        for (pattern, version, expected) in [
            ("a.example/*", None, true),
            ("a.example/*", Some("v1.0.0"), true),
            ("a.example/*@<v1.4.0", Some("v1.3.0"), true),
            ("a.example/*@<v1.4.0", Some("v1.4.0"), false),
            ("a.example/*@<v1.4.0", None, false),
            ("b.example/*@<v1.4.0", Some("v1.3.0"), false),
            ("!a.example/*", None, true),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            let version = version.map(|version: &str| version.parse().unwrap());
            let module = "a.example/m".parse().unwrap();
            assert_eq!(pattern.matches(&module, version.as_ref()), expected, "{pattern}");
        }
    }

    #[test]
    fn what_would_never_match_is_refused() {
        const NO_ELEMENT: &str = "no element of a module path is empty, or begins or ends with a dot: nothing matches this";
        for (bad, problem) in [
            ("", "the pattern is empty"),
            ("!", "the pattern is empty"),
            ("@<v1.0.0", "the pattern is empty"),
            ("!!a.example", "character '!' cannot be in a module path"),
            ("a.example/* b.example/*", "character ' ' cannot be in a module path"),
            ("https://a.example/*", "character ':' cannot be in a module path"),
            ("corp/*", "the first element of a module path has a dot: nothing matches this"),
            ("A.example/*", "the host of a module path has no upper case: nothing matches 'A'"),
            ("a.example/...", NO_ELEMENT),
            ("a.example/*/...", NO_ELEMENT),
            ("a.example//x", NO_ELEMENT),
            ("a.example/foo.", NO_ELEMENT),
            ("/a.example", "the first element of a module path has a dot: nothing matches this"),
            ("a.example/[", "malformed pattern: [ without ]"),
            ("a.example@v1", r#"version "v1" is not canonical, should be v1.0.0"#),
            (
                "a.example@",
                "a version range such as <v1.4.0 or >=v1.2.0 <v1.4.0 is expected after @",
            ),
        ] {
            assert_eq!(bad.parse::<Pattern>().unwrap_err().to_string(), problem, "{bad}");
        }
    }

    #[test]
    fn a_pattern_displays_as_it_parses() {
        for text in [
            "a.example/*",
            "!a.example",
            "!a.example/[a-c]?@>=v1.2.0 <v1.4.0",
            "*.example/Upper/v2.*",
            "[A-Z].example/..[a-z]",
        ] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_assignment_is_split_at_the_first_equals_sign_that_is_no_operator() {
        for (text, pattern, value) in [
            ("a.b/*", "a.b/*", None),
            ("a.b/*=x=y@z", "a.b/*", Some("x=y@z")),
            ("a.b = x", "a.b", Some("x")),
            ("a.b=", "a.b", Some("")),
            ("a.b@v1.0.0=x", "a.b@v1.0.0", Some("x")),
            ("a.b@<=v1.0.0=x", "a.b@<=v1.0.0", Some("x")),
            ("a.b@=v1.0.0=x", "a.b@=v1.0.0", Some("x")),
            ("a.b@>=v1.2.0 <v1.4.0=x >= y", "a.b@>=v1.2.0 <v1.4.0", Some("x >= y")),
            ("a.b@>=v1.2.0 =v1.4.0", "a.b@>=v1.2.0 =v1.4.0", None),
        ] {
            assert_eq!(Pattern::split_assignment(text), (pattern, value), "{text}");
        }
    }
}
