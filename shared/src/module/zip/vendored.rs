//! Which files belong to vendored packages (go-modules §4.2(2)).

use crate::module::GoMod;

/// The rule for vendored files. It changed with a language version, because the old one
/// is mistaken and sums must stay what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VendorRule {
    /// Up to language version 1.23.
    Old,
    /// From language version 1.24 on.
    New,
}

impl VendorRule {
    pub(super) fn of(go_mod: Option<&GoMod>) -> Self {
        let go_version = go_mod.and_then(GoMod::go_version);
        if go_version.is_some_and(|version| version.at_least(1, 24)) {
            Self::New
        } else {
            Self::Old
        }
    }

    /// Whether the file is left out of the zip. Files that lie in a vendor directory
    /// itself belong to no package and stay.
    pub(super) fn omits(self, path: &[u8]) -> bool {
        const VENDOR: &[u8] = b"/vendor/";
        if self == Self::New && path == b"vendor/modules.txt" {
            return true;
        }
        if let Some(rest) = path.strip_prefix(&VENDOR[1..]) {
            return rest.contains(&b'/');
        }
        let Some(start) = path.windows(VENDOR.len()).position(|window| window == VENDOR) else {
            return false;
        };
        match self {
            // The mistake was to look at the wrong end of the path, and so at this slash.
            Self::Old => path[VENDOR.len()..].contains(&b'/'),
            Self::New => path[start + VENDOR.len()..].contains(&b'/'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_rule_omits() {
        for (path, old, new) in [
            ("vendor/modules.txt", false, true),
            ("vendor/x.go", false, false),
            ("vendor/a/b.go", true, true),
            ("vendor/a/vendor/b.go", true, true),
            ("pkg/vendor/v.go", true, false),
            ("p/vendor/v.go", true, false),
            ("a/b/vendor/modules.txt", true, false),
            ("pkg/vendor/foo/f.go", true, true),
            ("a/vendor/b/vendor/c", true, true),
            ("a/vendor/vendor/c", true, true),
            ("myvendor/a/b.go", false, false),
            ("x/vendor.go", false, false),
            ("x/vendor", false, false),
            ("vendor", false, false),
            ("Vendor/a/b", false, false),
        ] {
            assert_eq!(VendorRule::Old.omits(path.as_bytes()), old, "{path} under the old rule");
            assert_eq!(VendorRule::New.omits(path.as_bytes()), new, "{path} under the new rule");
        }
    }

    #[test]
    fn the_go_directive_decides() {
        for (go_mod, rule) in [
            ("module m\n", VendorRule::Old),
            ("module m\ngo 1.23\n", VendorRule::Old),
            ("module m\ngo 1.24\n", VendorRule::New),
            ("module m\ngo 1.24rc1\n", VendorRule::New),
            ("module m\ngo 1.24.2\n", VendorRule::New),
        ] {
            let go_mod = GoMod::parse(go_mod.as_bytes()).unwrap();
            assert_eq!(VendorRule::of(Some(&go_mod)), rule);
        }
        assert_eq!(VendorRule::of(None), VendorRule::Old);
    }
}
