//! Which of a list of versions `latest` means (go-modules §1.7).

use super::Version;

/// The highest release, else the highest pre-release, of versions in list order. With
/// `compatible_only` none that is `+incompatible`.
pub fn preferred(versions: &[Version], compatible_only: bool) -> Option<&Version> {
    let candidates =
        || versions.iter().rev().filter(|version| !(compatible_only && version.is_incompatible()));
    candidates().find(|version| !version.is_prerelease()).or_else(|| candidates().next())
}

/// What `latest` means as far as the versions alone tell: `+incompatible` ones count where
/// there is no other.
pub fn latest(versions: &[Version]) -> Option<&Version> {
    preferred(versions, versions.iter().any(|version| !version.is_incompatible()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_repository_incompatible_versions_count_where_there_is_no_other() {
        let cases: [(&[&str], Option<&str>); 4] = [
            (&[], None),
            (&["v2.0.0+incompatible", "v3.0.0+incompatible"], Some("v3.0.0+incompatible")),
            (&["v1.1.0", "v2.0.0+incompatible"], Some("v1.1.0")),
            (&["v1.1.0-rc.1", "v2.0.0+incompatible"], Some("v1.1.0-rc.1")),
        ];
        for (versions, expected) in cases {
            let versions: Vec<Version> =
                versions.iter().map(|version| version.parse().unwrap()).collect();
            assert_eq!(latest(&versions).map(Version::as_str), expected);
        }
    }

    #[test]
    fn releases_come_first_and_modules_hide_incompatible_versions() {
        let cases: [(&[&str], bool, Option<&str>); 6] = [
            (&[], false, None),
            (&["v1.1.0", "v1.2.0-rc.1"], false, Some("v1.1.0")),
            (&["v1.2.0-rc.1", "v1.2.0-rc.2"], false, Some("v1.2.0-rc.2")),
            (&["v1.1.0", "v2.0.0+incompatible"], false, Some("v2.0.0+incompatible")),
            (&["v1.1.0", "v2.0.0+incompatible"], true, Some("v1.1.0")),
            (&["v1.1.0-rc.1", "v2.0.0+incompatible"], true, Some("v1.1.0-rc.1")),
        ];
        for (versions, compatible_only, expected) in cases {
            let versions: Vec<Version> =
                versions.iter().map(|version| version.parse().unwrap()).collect();
            let found = preferred(&versions, compatible_only).map(Version::as_str);
            assert_eq!(found, expected);
        }
    }
}
