use proptest::prelude::*;

use super::*;

const COMMIT: &str = "20200102030405-abcdefabcdef";

fn time() -> Timestamp {
    "2020-01-02T03:04:05Z".parse().unwrap()
}

fn name(major: &PathMajor, base: Option<&str>) -> String {
    let base = base.map(|base| base.parse().unwrap());
    PseudoVersion::name(major, base.as_ref(), time(), "abcdefabcdef").unwrap().to_string()
}

#[test]
fn names() {
    let gopkg_in = |digits: &str| PathMajor::GopkgIn { digits: digits.into(), unstable: false };
    for (major, base, head) in [
        (PathMajor::Unsuffixed, None, "v0.0.0-"),
        (PathMajor::Slash("2".into()), None, "v2.0.0-"),
        (gopkg_in("0"), None, "v0.0.0-"),
        (gopkg_in("1"), None, "v1.0.0-"),
        (PathMajor::Unsuffixed, Some("v1.2.3"), "v1.2.4-0."),
        (PathMajor::Unsuffixed, Some("v1.2.99"), "v1.2.100-0."),
        (PathMajor::Unsuffixed, Some("v1.2.3-pre"), "v1.2.3-pre.0."),
        (PathMajor::Unsuffixed, Some("v1.2.3-0"), "v1.2.3-0.0."),
    ] {
        assert_eq!(name(&major, base), format!("{head}{COMMIT}"));
    }
}

#[test]
fn incompatible_stays_at_the_end() {
    let of = |base| name(&PathMajor::Unsuffixed, Some(base));
    assert_eq!(of("v2.0.0+incompatible"), format!("v2.0.1-0.{COMMIT}+incompatible"));
    assert_eq!(of("v2.0.0-a+incompatible"), format!("v2.0.0-a.0.{COMMIT}+incompatible"));
}

#[test]
fn time_is_written_in_utc_whole_seconds() {
    let time = "2020-01-02T08:34:05.999+05:30".parse().unwrap();
    let version = PseudoVersion::name(&PathMajor::Unsuffixed, None, time, "abcdefabcdef").unwrap();
    assert_eq!(version.as_str(), format!("v0.0.0-{COMMIT}"));
}

#[test]
fn a_revision_that_would_break_the_name_is_refused() {
    for bad in ["", "a-b", "a.b", "a+b", "\u{e9}"] {
        let error = PseudoVersion::name(&PathMajor::Unsuffixed, None, time(), bad).unwrap_err();
        assert_eq!(error, PseudoVersionError::Revision { revision: bad.to_owned() });
    }
}

#[test]
fn shape() {
    for text in [
        "v0.0.0-20200102030405-abcdefabcdef",
        "v7.0.0-20200102030405-a",
        "v0.0.0-99999999999999-ABCdef0123456789",
        "v1.2.3-0.20200102030405-abc",
        "v1.2.3-pre.0.20200102030405-abc",
        "v1.2.3-a-b.0.20200102030405-abc",
        "v1.2.3-0.0.20200102030405-abc",
        "v1.2.0-0.20200102030405-abc",
        "v2.0.1-0.20200102030405-abc+incompatible",
        "v0.0.0-20200102030405-abc+meta-data.1",
    ] {
        assert!(is_pseudo_version(text), "{text}");
    }
    for text in [
        "",
        "v0.0.0",
        "v0.0-20200102030405-abc",
        "v0.0.1-20200102030405-abc",
        "v0.1.0-20200102030405-abc",
        "v0.0.0-2020010203040-abc",
        "v0.0.0-202001020304055-abc",
        "v0.0.0-20200102030405-",
        "v0.0.0-20200102030405",
        "v0.0.0-20200102030405-a.b",
        "v0.0.0-pre-20200102030405-abc",
        "v0.0.0-pre.20200102030405-abc",
        "v1.2.3-pre-0.20200102030405-abc",
        "v1.2.3-pre.10.20200102030405-abc",
        "v1.2.3-10.20200102030405-abc",
        "v01.0.0-20200102030405-abc",
        "v1.2.3-0.20200102030405-a-b",
        "v0.0.0-\u{e9}0200102030405-abc",
        "sub/v0.0.0-20200102030405-abc",
        "v0.0.0-20200102030405-abc\n",
    ] {
        assert!(!is_pseudo_version(text), "{text}");
        let shape = PseudoVersionError::Shape { text: text.to_owned() };
        assert_eq!(PseudoVersion::parse(text), Err(shape));
    }
}

#[test]
fn bases() {
    for (head, build, base) in [
        ("v0.0.0-", "", None),
        ("v2.0.0-", "+incompatible", None),
        ("v1.2.4-0.", "", Some("v1.2.3")),
        ("v1.3.100-0.", "", Some("v1.3.99")),
        ("v1.3.1-0.", "", Some("v1.3.0")),
        ("v1.3.10-0.", "+incompatible", Some("v1.3.9")),
        ("v1.2.4-0.", "+meta", Some("v1.2.3+meta")),
        ("v1.2.3-pre.0.", "", Some("v1.2.3-pre")),
        ("v1.2.3-0.0.", "", Some("v1.2.3-0")),
        ("v1.2.0-a.0.0.", "+x", Some("v1.2.0-a.0+x")),
    ] {
        let parsed = PseudoVersion::parse(&format!("{head}{COMMIT}{build}")).unwrap();
        assert_eq!(parsed.base(), base, "{head}{build}");
        assert_eq!(parsed.time(), time());
        assert_eq!(parsed.revision(), "abcdefabcdef");
    }
}

#[test]
fn impossible_pseudo_versions_say_why() {
    for (head, time, build, message) in [
        (
            "v1.2.0-0.",
            "20200102030405",
            "",
            "version before v1.2.0 would have negative patch number",
        ),
        (
            "v0.0.0-",
            "20200102030405",
            "+meta",
            r#"lacks base version, but has build metadata "+meta""#,
        ),
        ("v0.0.0-", "20201302030405", "", r#"malformed time "20201302030405""#),
        ("v0.0.0-", "20210229000000", "", r#"malformed time "20210229000000""#),
        ("v0.0.0-", "20200102030460", "", r#"malformed time "20200102030460""#),
        ("v0.0.0-", "00000000000000", "", r#"malformed time "00000000000000""#),
    ] {
        let text = format!("{head}{time}-abc{build}");
        let error = PseudoVersion::parse(&text).unwrap_err().to_string();
        assert_eq!(error, format!("pseudo-version {text} invalid: {message}"));
    }
}

fn any_base() -> impl Strategy<Value = Option<String>> {
    let number = "0|[1-9][0-9]{0,25}|[1-9]9{0,3}|10{0,3}";
    let prerelease = "(-([a-z0][a-zA-Z-]{0,3}|0|[1-9][0-9]?)(\\.(0|[a-z]+[0-9]?)){0,2})?";
    prop::option::of((number, number, number, prerelease).prop_map(
        |(major, minor, patch, prerelease)| format!("v{major}.{minor}.{patch}{prerelease}"),
    ))
}

proptest! {
    #[test]
    fn names_parse_back(
        base in any_base(),
        incompatible: bool,
        seconds in 0i64..253_000_000_000,
        revision in "[0-9a-f]{12}",
    ) {
        let time = Timestamp::from_second(seconds).unwrap();
        let base_version = base.as_ref().map(|base| {
            let base: Version = base.parse().unwrap();
            if incompatible { base.with_incompatible() } else { base }
        });
        let major = PathMajor::Slash("3".into());
        let version = PseudoVersion::name(&major, base_version.as_ref(), time, &revision).unwrap();
        prop_assert!(version.is_pseudo());
        prop_assert_eq!(version.is_incompatible(), incompatible && base.is_some());
        if let Some(base) = &base_version {
            prop_assert!(base < &version, "{} {}", base, version);
        }
        let parsed = PseudoVersion::parse(version.as_str()).unwrap();
        prop_assert_eq!(parsed, PseudoVersion { base, time, revision });
    }

    #[test]
    fn decrement_undoes_increment(number in "0|[1-9][0-9]{0,30}|9{1,5}|[1-9]9{0,5}") {
        prop_assert_eq!(decrement(&increment(&number)), Some(number));
    }
}
