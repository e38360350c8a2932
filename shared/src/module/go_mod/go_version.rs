//! `GoVersion`: the argument of the go directive (go-modules §3.9, §4.2).

use std::{cmp::Ordering, fmt};

use crate::module::semver::{compare_numbers, split_number};

/// A Go version such as `1.24`, `1.24.2` or `1.24rc1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoVersion(String);

impl GoVersion {
    /// `A.B` or `A.B.C`, letters and digits may follow. What older modules hold instead,
    /// such as `v1.24.1` or `1.24.x`, is cut to its `A.B`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if split_version(text).is_some_and(|(_, _, rest)| is_strict_rest(rest)) {
            return Some(Self(text.to_owned()));
        }
        let (major, minor, rest) = split_version(text.strip_prefix('v').unwrap_or(text))?;
        (!rest.is_empty()).then(|| Self(format!("{major}.{minor}")))
    }

    /// Whether the language version, which is `A.B`, is at least `major.minor`. A version
    /// that Go never names so, such as `1.24.2rc1`, is none and therefore is not.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        let Some((own_major, own_minor, rest)) = split_version(&self.0) else { return false };
        let order = compare_numbers(own_major, &major.to_string())
            .then_with(|| compare_numbers(own_minor, &minor.to_string()));
        order != Ordering::Less && is_release_or_candidate(rest)
    }
}

/// `A`, `B` and the rest, which does not start with a digit.
fn split_version(text: &str) -> Option<(&str, &str, &str)> {
    let (major, rest) = split_number(text)?;
    let (minor, rest) = split_number(rest.strip_prefix('.')?)?;
    (major != "0").then_some((major, minor, rest))
}

/// `[.C][LETTERS DIGITS]`
fn is_strict_rest(rest: &str) -> bool {
    let suffix = match rest.strip_prefix('.') {
        None => rest,
        Some(patch) => match split_number(patch) {
            None => return false,
            Some((_, suffix)) => suffix,
        },
    };
    suffix.is_empty() || split_kind(suffix).is_some()
}

/// `[.C]` or `LETTERS NUMBER`
fn is_release_or_candidate(rest: &str) -> bool {
    match rest.strip_prefix('.') {
        Some(patch) => split_number(patch).is_some_and(|(_, suffix)| suffix.is_empty()),
        None => {
            rest.is_empty() || split_kind(rest).is_some_and(|digits| split_number(digits).is_some())
        }
    }
}

/// The digits of `LETTERS DIGITS`, neither empty.
fn split_kind(suffix: &str) -> Option<&str> {
    let digits = suffix.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let is_kind = digits.len() < suffix.len()
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_kind.then_some(digits)
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        GoVersion::parse(text).map(|version| version.to_string())
    }

    #[test]
    fn strict_versions_are_kept_and_lax_ones_cut() {
        for text in ["1.24", "1.24.2", "1.24.0", "1.24rc1", "1.24.2rc1", "1.0", "10.20.30abc01"] {
            assert_eq!(parsed(text).as_deref(), Some(text));
        }
        for text in ["v1.24.2", "1.24.x", "1.24-foo", "1.24rc", "1.24 ", "1.24.02", "v1.24\u{e9}"] {
            assert_eq!(parsed(text).as_deref(), Some("1.24"), "{text}");
        }
        for text in
            ["", "1", "v1.24", "1.024", "01.24", "0.24", "0.24.x", "go1.24", "\"1.24\"", "1."]
        {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn language_version() {
        let at_least = |text| GoVersion::parse(text).unwrap().at_least(1, 24);
        for new in [
            "1.24",
            "1.24.0",
            "1.24.2",
            "1.24rc1",
            "1.24beta0",
            "1.24.x",
            "v1.30.1",
            "1.100",
            "2.0",
            "1.99999999999999999999",
        ] {
            assert!(at_least(new), "{new}");
        }
        for old in ["1.23", "1.23.99", "1.9", "1.0", "1.24.2rc1", "1.24rc01", "1.23.x"] {
            assert!(!at_least(old), "{old}");
        }
    }
}
