use super::*;

fn slash(digits: &str) -> PathMajor {
    PathMajor::Slash(digits.to_owned())
}

fn gopkg_in(digits: &str, unstable: bool) -> PathMajor {
    PathMajor::GopkgIn { digits: digits.to_owned(), unstable }
}

#[test]
fn split() {
    for (path, prefix, major) in [
        ("x.y/z", "x.y/z", PathMajor::Unsuffixed),
        ("", "", PathMajor::Unsuffixed),
        ("v2", "v2", PathMajor::Unsuffixed),
        ("/v2", "", slash("2")),
        ("x.y/z1.0", "x.y/z1.0", PathMajor::Unsuffixed),
        ("x.y/v", "x.y/v", PathMajor::Unsuffixed),
        ("x.y/v2", "x.y", slash("2")),
        ("x.y/z/v123456789012345678901", "x.y/z", slash("123456789012345678901")),
        ("gopkg.in/x.v0", "gopkg.in/x", gopkg_in("0", false)),
        ("gopkg.in/x.v12", "gopkg.in/x", gopkg_in("12", false)),
        ("gopkg.in/x.v1-unstable", "gopkg.in/x", gopkg_in("1", true)),
    ] {
        assert_eq!(PathMajor::split(path), Some((prefix, major.clone())), "{path}");
        assert_eq!(format!("{prefix}{major}"), path);
    }
    for path in [
        "x.y/v0",
        "x.y/v1",
        "x.y/v02",
        "x.y/v2.0",
        "x.y/v.",
        "gopkg.in/x",
        "gopkg.in/x.v",
        "gopkg.in/x.v01",
        "gopkg.in/x.v0-unstable",
        "gopkg.in/x.v2-unstable-unstable",
        "gopkg.in/x.v-unstable",
        "gopkg.in/x/v2",
    ] {
        assert_eq!(PathMajor::split(path), None, "{path}");
    }
}

#[test]
fn fits() {
    for (major, good, bad) in [
        (PathMajor::Unsuffixed, "v0.1.0 v1.0.0-pre v2.0.0+incompatible", "v2.0.0 v10.0.0"),
        (slash("2"), "v2.0.0 v2.1.0-pre", "v1.0.0 v20.0.0 v0.0.0-20200102030405-abcdefabcdef"),
        (gopkg_in("1", false), "v1.0.0 v0.0.0-20200102030405-abcdefabcdef", "v0.0.0 v0.1.0 v2.0.0"),
        (gopkg_in("1", true), "v1.0.0 v0.0.0-20200102030405-abcdefabcdef", "v0.1.0"),
        (gopkg_in("0", false), "v0.1.0", "v1.0.0"),
        (gopkg_in("2", true), "v2.0.0", "v0.0.0-20200102030405-abcdefabcdef v1.0.0"),
    ] {
        for version in good.split(' ') {
            assert!(major.fits(&version.parse().unwrap()), "{major} {version}");
        }
        for version in bad.split(' ') {
            assert!(!major.fits(&version.parse().unwrap()), "{major} {version}");
        }
    }
}

#[test]
fn default_major() {
    assert_eq!(PathMajor::Unsuffixed.default_major(), "v0");
    assert_eq!(slash("3").default_major(), "v3");
    assert_eq!(gopkg_in("1", true).default_major(), "v1");
}

#[test]
fn declared_paths() {
    for (wanted, good, bad) in [
        (PathMajor::Unsuffixed, "x y/z (  gopkg.in/x.v0 gopkg.in/x.v3 gopkg.in/x", "x.y/v2 x.y/v1"),
        (slash("2"), "x.y/v2 other/v2 gopkg.in/x.v2", "x.y x.y/v3 gopkg.in/x.v2-unstable x.y/v02"),
        (gopkg_in("1", false), "gopkg.in/x.v1", "x.y gopkg.in/x.v0 gopkg.in/x.v1-unstable x.y/v2"),
        (gopkg_in("2", true), "gopkg.in/x.v2-unstable", "gopkg.in/x.v2 x.y/v2"),
    ] {
        for declared in good.split_whitespace() {
            assert!(wanted.accepts_declared(declared), "{wanted} {declared}");
        }
        for declared in bad.split_whitespace() {
            assert!(!wanted.accepts_declared(declared), "{wanted} {declared}");
        }
        assert!(!wanted.accepts_declared(""));
    }
}
