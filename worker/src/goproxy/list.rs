//! The body of `@v/list` (go-modules §1.6).

use jiff::Timestamp;
use stoa_shared::module::{PathMajor, PseudoVersion, Version};

/// What a list says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its versions but for pseudo-versions, in list order, each once.
    pub(crate) versions: Vec<Version>,
    /// The pseudo-version of the latest commit in it: what a static tree has instead of
    /// `@latest`, where nothing is tagged.
    pub(crate) latest_commit: Option<Version>,
}

/// Reads the first field of each line where it is a canonical version that a module of this
/// major version may have; the second one may be a time.
pub(super) fn parse(body: &[u8], major: &PathMajor) -> Listed {
    let text = String::from_utf8_lossy(body);
    let mut versions = Vec::new();
    let mut latest_commit: Option<(Timestamp, Version)> = None;
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let Some(version) = fields.next().and_then(|field| field.parse::<Version>().ok()) else {
            continue;
        };
        if !major.fits(&version) {
            continue;
        }
        if !version.is_pseudo() {
            versions.push(version);
            continue;
        }
        let said = fields.next().and_then(|field| field.parse().ok());
        let named = || Some(PseudoVersion::parse(version.as_str()).ok()?.time());
        let Some(time) = said.or_else(named) else { continue };
        if latest_commit.as_ref().is_none_or(|(latest, _)| *latest < time) {
            latest_commit = Some((time, version));
        }
    }
    versions.sort_unstable();
    versions.dedup();
    Listed { versions, latest_commit: latest_commit.map(|(_, version)| version) }
}

#[cfg(test)]
mod tests {
    use stoa_shared::module::ModulePath;

    use super::*;

    #[test]
    fn what_is_no_version_of_the_module_is_left_out() {
        for (module, body, expected) in [
            ("m.example/a", "", ""),
            (
                "m.example/a",
                "v1.10.0\nv1.9.0\r\nv1.9.0\n\n v1.0.0-rc.1 2020-01-02T03:04:05Z\n",
                "v1.0.0-rc.1 v1.9.0 v1.10.0",
            ),
            ("m.example/a", "v1.0.0\nv2.0.0\nv3.0.0+incompatible", "v1.0.0 v3.0.0+incompatible"),
            ("m.example/a/v2", "v1.0.0\nv2.0.0\nv2.1.0+incompatible.1\n", "v2.0.0"),
            ("m.example/a", "v0.0.0-20200102030405-0123456789ab\nmain\nv1\nv1.0\n1.0.0\n", ""),
            ("m.example/a", "<html>v1.0.0</html>\nv1.0.0 <\n\u{fffd}\n", "v1.0.0"),
        ] {
            let module: ModulePath = module.parse().unwrap();
            let listed = parse(body.as_bytes(), &module.split_major().1);
            let versions: Vec<&str> = listed.versions.iter().map(Version::as_str).collect();
            assert_eq!(versions.join(" "), expected, "{body:?}");
        }
    }

    #[test]
    fn the_latest_commit_is_told_by_its_time() {
        const FIRST: &str = "v0.0.0-20200102030405-0123456789ab";
        const SECOND: &str = "v0.0.0-20210102030405-0123456789ab";
        for (body, expected) in [
            (format!("{SECOND}\n{FIRST}\n"), Some(SECOND)),
            (format!("{FIRST}\n{SECOND}\nv1.0.0\n"), Some(SECOND)),
            (format!("{FIRST} 2022-01-02T03:04:05Z\n{SECOND} nonsense\n"), Some(FIRST)),
            ("v2.0.1-0.20210102030405-0123456789ab\nv1.0.0\n".to_owned(), None),
        ] {
            let module: ModulePath = "m.example/a".parse().unwrap();
            let listed = parse(body.as_bytes(), &module.split_major().1);
            assert_eq!(listed.latest_commit.as_ref().map(Version::as_str), expected, "{body}");
        }
    }
}
