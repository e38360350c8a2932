//! `PathMajor`: the major-version suffix of a module path (go-modules §1.1, §3.1, §3.4).

use std::fmt;

use super::Version;

/// The suffix of a module path. Numbers are digit strings: they may have any length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathMajor {
    /// None: versions v0 and v1.
    Unsuffixed,
    /// `/vN`, N at least 2; holds the digits of N.
    Slash(String),
    /// `.vN` or `.vN-unstable`, on `gopkg.in/` only.
    GopkgIn {
        /// The digits of N, which may be 0 and 1 here.
        digits: String,
        /// Whether `-unstable` follows.
        unstable: bool,
    },
}

impl PathMajor {
    /// Splits any text that is to be a module path. `None` if it ends in something
    /// that looks like a suffix but cannot be one, or on `gopkg.in/` lacks one.
    pub fn split(path: &str) -> Option<(&str, Self)> {
        if path.starts_with("gopkg.in/") {
            return split_gopkg_in(path);
        }
        let before = path.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = &path[before.len()..];
        let Some(prefix) = before.strip_suffix("/v").filter(|_| !number.is_empty()) else {
            return Some((path, Self::Unsuffixed));
        };
        if number.contains('.') || number.starts_with('0') || number == "1" {
            return None;
        }
        Some((prefix, Self::Slash(number.to_owned())))
    }

    /// Whether the module may have this version: v0 and v1 without a suffix, vN with
    /// one. As for the `go` command, an unsuffixed path takes any `+incompatible`
    /// version, and `.v1` takes `v0.0.0-*`, which pseudo-versions of old began with.
    pub fn fits(&self, version: &Version) -> bool {
        let major = version.major();
        match self {
            Self::Unsuffixed => matches!(major, "v0" | "v1") || version.is_incompatible(),
            Self::GopkgIn { digits, .. }
                if digits == "1" && version.as_str().starts_with("v0.0.0-") =>
            {
                true
            }
            Self::Slash(digits) | Self::GopkgIn { digits, .. } => major[1..] == **digits,
        }
    }

    /// The major version of a pseudo-version that has no base: `v0`, or `vN`.
    pub fn default_major(&self) -> String {
        match self {
            Self::Unsuffixed => "v0".to_owned(),
            Self::Slash(digits) | Self::GopkgIn { digits, .. } => format!("v{digits}"),
        }
    }

    /// Whether a go.mod that declares the path `declared` may stand for a module with
    /// this suffix: "compatible" in go-modules §3.6. Only suffixes are compared, since
    /// forks keep the path they were forked from.
    pub fn accepts_declared(&self, declared: &str) -> bool {
        // Once accepted by mistake, and relied upon since.
        if *self == Self::Unsuffixed && declared.starts_with("gopkg.in/") {
            return true;
        }
        match Self::split(declared) {
            None => false,
            Some(_) if declared.is_empty() => false,
            Some((_, suffix)) => self.to_string().get(1..) == suffix.to_string().get(1..),
        }
    }
}

fn split_gopkg_in(path: &str) -> Option<(&str, PathMajor)> {
    let stable = path.strip_suffix("-unstable").unwrap_or(path);
    let before = stable.trim_end_matches(|c: char| c.is_ascii_digit());
    let prefix = before.strip_suffix(".v")?;
    let digits = &stable[before.len()..];
    // Go's own check lets `.v-unstable` pass and then crashes on it.
    if digits.is_empty() || digits.starts_with('0') && path.strip_prefix(before) != Some("0") {
        return None;
    }
    let unstable = stable.len() < path.len();
    Some((prefix, PathMajor::GopkgIn { digits: digits.to_owned(), unstable }))
}

impl fmt::Display for PathMajor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsuffixed => Ok(()),
            Self::Slash(digits) => write!(f, "/v{digits}"),
            Self::GopkgIn { digits, unstable: false } => write!(f, ".v{digits}"),
            Self::GopkgIn { digits, unstable: true } => write!(f, ".v{digits}-unstable"),
        }
    }
}

#[cfg(test)]
mod tests;
