//! `Version`: the name of one version of a module (go-modules, Words).

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    escape::{escape, unescape},
    pseudo_version::is_pseudo_version,
    semver,
};

const INCOMPATIBLE: &str = "+incompatible";

/// A canonical semantic version, `vX.Y.Z[-PRERELEASE][+incompatible]`: what names a
/// `.mod` or a `.zip`. Ordered as in version lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// A text that is no canonical version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing like one.
    #[error("{text:?} is not a semantic version")]
    NotSemantic {
        /// The text.
        text: String,
    },
    /// A version, but not written in full or with other metadata.
    #[error("version {text:?} is not canonical, should be {canonical}")]
    NotCanonical {
        /// The text.
        text: String,
        /// The canonical version of equal precedence.
        canonical: String,
    },
    /// An escaped version that escaping never writes.
    #[error("escaped version {text:?} is malformed: wrong use of ! or upper-case letters")]
    Escaping {
        /// The text.
        text: String,
    },
}

impl Version {
    /// The version as developers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version as URLs and storage keys write it: `!x` for `X`.
    pub fn escaped(&self) -> String {
        escape(&self.0)
    }

    /// Reads what [`escaped`](Self::escaped) wrote.
    pub fn from_escaped(escaped: &str) -> Result<Self, VersionError> {
        unescape(escaped)
            .ok_or_else(|| VersionError::Escaping { text: escaped.to_owned() })?
            .parse()
    }

    /// The canonical version that any version text stands for: full, and of its
    /// metadata only `+incompatible` kept. `None` if the text is no version.
    pub fn canonicalize(text: &str) -> Option<Self> {
        let mut canonical = semver::canonical(text)?.into_owned();
        if semver::build(text) == INCOMPATIBLE {
            canonical.push_str(INCOMPATIBLE);
        }
        Some(Self(canonical))
    }

    /// The major version with its `v`.
    pub fn major(&self) -> &str {
        semver::major(&self.0)
    }

    /// Whether `+incompatible` marks a v2 or later of a module that has no go.mod.
    pub fn is_incompatible(&self) -> bool {
        self.0.ends_with(INCOMPATIBLE)
    }

    /// The same version without `+incompatible`.
    #[must_use]
    pub fn without_incompatible(&self) -> Self {
        Self(self.0.strip_suffix(INCOMPATIBLE).unwrap_or(&self.0).to_owned())
    }

    /// The same version with `+incompatible`.
    #[must_use]
    pub fn with_incompatible(&self) -> Self {
        if self.is_incompatible() {
            self.clone()
        } else {
            Self(format!("{}{INCOMPATIBLE}", self.0))
        }
    }

    /// Whether this comes before a release. Pseudo-versions do, too.
    pub fn is_prerelease(&self) -> bool {
        !semver::prerelease(&self.0).is_empty()
    }

    /// Whether this names a commit rather than a tag.
    pub fn is_pseudo(&self) -> bool {
        is_pseudo_version(&self.0)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::canonicalize(text) {
            None => Err(VersionError::NotSemantic { text: text.to_owned() }),
            Some(version) if version.0 == text => Ok(version),
            Some(Self(canonical)) => {
                Err(VersionError::NotCanonical { text: text.to_owned(), canonical })
            }
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        semver::compare_in_list(&self.0, &other.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn only_canonical_versions_parse() {
        for text in ["v0.0.0", "v1.2.3-Pre.1", "v2.0.0+incompatible", "v1.0.0+incompatible"] {
            assert_eq!(version(text).as_str(), text);
        }
        for text in ["", "v1.2.x", "1.2.3", "latest", "v1.2.3\n", "v1.2.3-01", "+incompatible"] {
            let expected = VersionError::NotSemantic { text: text.to_owned() };
            assert_eq!(text.parse::<Version>(), Err(expected));
        }
        for (text, canonical) in [
            ("v1", "v1.0.0"),
            ("v1.2", "v1.2.0"),
            ("v1.2.3+meta", "v1.2.3"),
            ("v2.0.0-pre+incompatible.1", "v2.0.0-pre"),
        ] {
            let expected =
                VersionError::NotCanonical { text: text.into(), canonical: canonical.into() };
            assert_eq!(text.parse::<Version>(), Err(expected));
        }
    }

    #[test]
    fn escaping_round_trips() {
        assert_eq!(version("v0.2.0-Beta").escaped(), "v0.2.0-!beta");
        assert_eq!(Version::from_escaped("v0.2.0-!beta"), Ok(version("v0.2.0-Beta")));
        let bad = "v0.2.0-Beta";
        assert_eq!(Version::from_escaped(bad), Err(VersionError::Escaping { text: bad.into() }));
        assert!(Version::from_escaped("!v1.0.0").is_err());
    }

    #[test]
    fn incompatible_is_a_suffix_and_nothing_more() {
        let plain = version("v2.0.0");
        let marked = plain.with_incompatible();
        assert_eq!(marked.as_str(), "v2.0.0+incompatible");
        assert!(marked.is_incompatible() && !plain.is_incompatible());
        assert_eq!(marked.with_incompatible(), marked);
        assert_eq!(marked.without_incompatible(), plain);
        assert_eq!(plain.without_incompatible(), plain);
        assert!(plain < marked && marked < version("v2.0.1-0"));
    }

    #[test]
    fn prereleases_and_pseudo_versions() {
        assert!(!version("v1.0.0").is_prerelease());
        assert!(version("v1.0.0-rc1").is_prerelease());
        assert!(!version("v1.0.0-rc1").is_pseudo());
        assert!(version("v0.0.0-20200102030405-abcdefabcdef").is_pseudo());
    }

    #[test]
    fn serde_goes_through_the_parser() {
        assert_eq!(serde_json::to_string(&version("v1.0.0")).unwrap(), r#""v1.0.0""#);
        assert!(serde_json::from_str::<Version>(r#""v1.0""#).is_err());
    }
}
