//! The body of `@v/list` (go-modules §1.6).

use stoa_shared::module::{PathMajor, Version};

/// The versions in a list: the first field of each line where it is a canonical version
/// that a module of this major version may have, and no pseudo-version. In list order, each
/// once.
pub(super) fn parse(body: &[u8], major: &PathMajor) -> Vec<Version> {
    let text = String::from_utf8_lossy(body);
    let fields = text.lines().filter_map(|line| line.split_whitespace().next());
    let mut versions: Vec<Version> = fields
        .filter_map(|field| field.parse().ok())
        .filter(|version: &Version| !version.is_pseudo() && major.fits(version))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions
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
            let versions = parse(body.as_bytes(), &module.split_major().1);
            let versions: Vec<&str> = versions.iter().map(Version::as_str).collect();
            assert_eq!(versions.join(" "), expected, "{body:?}");
        }
    }
}
