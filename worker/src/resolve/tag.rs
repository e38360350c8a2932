//! Which version a tag names for a module (go-modules §3.5, `tv`).

use stoa_shared::module::{Version, is_pseudo_version, semver};

/// The version in a tag's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagVersion {
    /// Canonical, without build metadata.
    pub(super) version: Version,
    /// Whether the tag carries exactly that text.
    pub(super) is_canonical: bool,
}

impl TagVersion {
    /// `None` unless the tag has the prefix and names a complete version. The shape
    /// of a pseudo-version is looked for in the whole tag, so that below the root
    /// such a tag passes: a quirk of the go command.
    pub(super) fn of(tag: &str, tag_prefix: &str) -> Option<Self> {
        let rest = tag.strip_prefix(tag_prefix)?;
        if is_pseudo_version(tag) {
            return None;
        }
        let canonical = semver::canonical(rest)?;
        if !rest.starts_with(canonical.as_ref()) {
            return None;
        }
        let version = canonical.parse().ok()?;
        Some(Self { version, is_canonical: canonical == rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_versions_as_the_go_command_reads_them() {
        let canonical = |version: &str| Some((version.to_owned(), true));
        let loose = |version: &str| Some((version.to_owned(), false));
        let pseudo = "v0.0.0-20200102030405-abcdefabcdef";
        let cases = [
            ("v1.2.3", "", canonical("v1.2.3")),
            ("v1.2.3-rc.1", "", canonical("v1.2.3-rc.1")),
            ("v1.2.3+meta", "", loose("v1.2.3")),
            ("v1.2", "", None),
            ("1.2.3", "", None),
            ("sub/v1.2.3", "sub/", canonical("v1.2.3")),
            ("v1.2.3", "sub/", None),
            (pseudo, "", None),
            (&format!("sub/{pseudo}"), "sub/", canonical(pseudo)),
        ];
        for (tag, prefix, expected) in cases {
            let found =
                TagVersion::of(tag, prefix).map(|tag| (tag.version.to_string(), tag.is_canonical));
            assert_eq!(found, expected, "{tag}");
        }
    }
}
