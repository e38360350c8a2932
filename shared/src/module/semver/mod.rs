//! Semantic versions as Go reads them (go-modules §8): a leading `v`, minor and patch
//! may be missing, numbers of any length. These functions take any text; a text that
//! is no version sorts below all versions and has no parts.

use std::{borrow::Cow, cmp::Ordering};

/// Whether this is `vX`, `vX.Y` or `vX.Y.Z[-PRERELEASE][+BUILD]`.
pub fn is_valid(version: &str) -> bool {
    Parts::of(version).is_some()
}

/// The version in full, without build metadata: `v1.2.0` for `v1.2`, `v1.2.3` for
/// `v1.2.3+meta`. `None` if it is none.
pub fn canonical(version: &str) -> Option<Cow<'_, str>> {
    let parts = Parts::of(version)?;
    Some(match (parts.minor, parts.patch) {
        (None, _) => Cow::Owned(format!("{version}.0.0")),
        (_, None) => Cow::Owned(format!("{version}.0")),
        _ => Cow::Borrowed(&version[..version.len() - parts.build.len()]),
    })
}

/// The major version with its `v`; empty if `version` is none.
pub fn major(version: &str) -> &str {
    Parts::of(version).map_or("", |parts| &version[..1 + parts.major.len()])
}

/// The prerelease with its `-`; empty if there is none.
pub fn prerelease(version: &str) -> &str {
    Parts::of(version).map_or("", |parts| parts.prerelease)
}

/// The build metadata with its `+`; empty if there is none.
pub fn build(version: &str) -> &str {
    Parts::of(version).map_or("", |parts| parts.build)
}

/// Precedence: build metadata does not count, `v1` equals `v1.0.0`.
pub fn compare(left: &str, right: &str) -> Ordering {
    match (Parts::of(left), Parts::of(right)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(left), Some(right)) => left.compare(&right),
    }
}

/// The order of version lists: by precedence, those of equal precedence by their text.
pub fn compare_in_list(left: &str, right: &str) -> Ordering {
    compare(left, right).then_with(|| left.cmp(right))
}

/// Compares numbers written in decimal without leading zeros.
pub(super) fn compare_numbers(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

struct Parts<'a> {
    major: &'a str,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    prerelease: &'a str,
    build: &'a str,
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Option<Self> {
        let (major, rest) = split_number(version.strip_prefix('v')?)?;
        let mut parts = Self { major, minor: None, patch: None, prerelease: "", build: "" };
        if rest.is_empty() {
            return Some(parts);
        }
        let (minor, rest) = split_number(rest.strip_prefix('.')?)?;
        parts.minor = Some(minor);
        if rest.is_empty() {
            return Some(parts);
        }
        let (patch, rest) = split_number(rest.strip_prefix('.')?)?;
        parts.patch = Some(patch);

        let (prerelease, build) = rest.split_at(rest.find('+').unwrap_or(rest.len()));
        if !prerelease.is_empty()
            && !prerelease.strip_prefix('-')?.split('.').all(is_prerelease_identifier)
        {
            return None;
        }
        if !build.is_empty() && !build.strip_prefix('+')?.split('.').all(is_identifier) {
            return None;
        }
        Some(Self { prerelease, build, ..parts })
    }

    fn compare(&self, other: &Self) -> Ordering {
        compare_numbers(self.major, other.major)
            .then_with(|| compare_numbers(self.minor.unwrap_or("0"), other.minor.unwrap_or("0")))
            .then_with(|| compare_numbers(self.patch.unwrap_or("0"), other.patch.unwrap_or("0")))
            .then_with(|| compare_prereleases(self.prerelease, other.prerelease))
    }
}

/// Splits off a number: decimal, without leading zeros.
pub(super) fn split_number(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - rest.len()];
    let is_number = !number.is_empty() && (number == "0" || !number.starts_with('0'));
    is_number.then_some((number, rest))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_prerelease_identifier(text: &str) -> bool {
    is_identifier(text) && !(is_numeric(text) && text.len() > 1 && text.starts_with('0'))
}

fn is_numeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Both with their `-`, or empty. A release comes after its prereleases.
fn compare_prereleases(left: &str, right: &str) -> Ordering {
    match (left.strip_prefix('-'), right.strip_prefix('-')) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => {
            let keys = |text| str::split(text, '.').map(IdentifierKey::of);
            keys(left).cmp(keys(right))
        }
    }
}

/// Orders as identifiers do: numbers by value, below words, which go by their text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum IdentifierKey<'a> {
    Number { length: usize, digits: &'a str },
    Word(&'a str),
}

impl<'a> IdentifierKey<'a> {
    fn of(text: &'a str) -> Self {
        if is_numeric(text) {
            Self::Number { length: text.len(), digits: text }
        } else {
            Self::Word(text)
        }
    }
}

#[cfg(test)]
mod tests;
