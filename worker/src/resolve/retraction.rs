//! Which versions the module's author has retracted (go-modules §3.8).

use stoa_shared::module::{GoMod, Version};

/// What one go.mod retracts.
#[derive(Debug, Clone, Default)]
pub(super) struct Retractions {
    go_mod: Option<GoMod>,
}

impl Retractions {
    /// What `go_mod` retracts; nothing if it cannot be parsed.
    pub(super) fn of(go_mod: &[u8]) -> Self {
        Self { go_mod: GoMod::parse(go_mod).ok() }
    }

    /// Whether `version` lies in a retracted interval.
    pub(super) fn contains(&self, version: &Version) -> bool {
        self.go_mod.as_ref().is_some_and(|go_mod| go_mod.retracts(version))
    }
}

/// The version whose go.mod speaks for the module: the highest release before the
/// first `+incompatible` one, else the highest of those.
pub(super) fn speaker(versions: &[Version]) -> Option<&Version> {
    let end = versions.iter().position(Version::is_incompatible).unwrap_or(versions.len());
    let compatible = &versions[..end];
    compatible.iter().rev().find(|version| !version.is_prerelease()).or(compatible.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_compatible_release_speaks() {
        let cases: [(&[&str], Option<&str>); 4] = [
            (&[], None),
            (&["v1.0.0", "v1.1.0-rc.1"], Some("v1.0.0")),
            (&["v1.0.0-rc.1", "v1.1.0-rc.1"], Some("v1.1.0-rc.1")),
            (&["v1.0.0", "v2.0.0+incompatible"], Some("v1.0.0")),
        ];
        for (versions, expected) in cases {
            let versions: Vec<Version> =
                versions.iter().map(|version| version.parse().unwrap()).collect();
            assert_eq!(speaker(&versions).map(Version::as_str), expected);
        }
    }

    #[test]
    fn a_broken_go_mod_retracts_nothing() {
        let retractions = Retractions::of(b"module m\nretract [v1.0.0, v1.2.0]\n");
        let (inside, outside) = ("v1.1.0".parse().unwrap(), "v1.3.0".parse().unwrap());
        assert!(retractions.contains(&inside) && !retractions.contains(&outside));
        assert!(!Retractions::of(b"module m\nretract v1.1.0\nrequire (\n").contains(&inside));
    }
}
