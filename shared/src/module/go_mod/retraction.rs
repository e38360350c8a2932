//! `Retraction`: versions that their author has taken back (go-modules §3.8).

use super::unquote::argument;
use crate::module::{Version, semver};

/// An interval of versions, both ends included. The ends are kept as written: one that
/// is no version sorts below all, as for the `go` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retraction {
    low: String,
    high: String,
}

impl Retraction {
    /// `version` or `[ low , high ]`; whatever follows is ignored. Malformed ones are
    /// `None`, since a dependency's mistake must not make it unusable.
    pub(super) fn parse(arguments: &[&str]) -> Option<Self> {
        match *arguments {
            ["[", low, ",", high, "]", ..] => {
                Some(Self { low: argument(low).ok()?, high: argument(high).ok()? })
            }
            ["[" | "(", ..] | [] => None,
            [version, ..] => {
                let version = argument(version).ok()?;
                Some(Self { low: version.clone(), high: version })
            }
        }
    }

    pub(super) fn contains(&self, version: &Version) -> bool {
        semver::compare(&self.low, version.as_str()).is_le()
            && semver::compare(version.as_str(), &self.high).is_le()
    }
}
