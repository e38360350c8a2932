use super::*;

/// In rising order; those on one line are equal in precedence.
const RISING: &[&[&str]] = &[
    &["", "x", "1.2.3", "v", "v01.0.0", "v1.02.3", "v1.2.3-01", "v1.2.3-", "v1.2.3+", "v1.2-pre"],
    &["v0.0.0-20200101000000-abcdef123456"],
    &["v0.0.0", "v0", "v0.0"],
    &["v1.0.0-0"],
    &["v1.0.0-2"],
    &["v1.0.0-10"],
    &["v1.0.0-99999999999999999999"],
    &["v1.0.0-100000000000000000000"],
    &["v1.0.0-100000000000000000000.a"],
    &["v1.0.0--"],
    &["v1.0.0-0a", "v1.0.0-0a+x"],
    &["v1.0.0-B"],
    &["v1.0.0-alpha"],
    &["v1.0.0-alpha.1"],
    &["v1.0.0-alpha.beta"],
    &["v1.0.0-alpha-1"],
    &["v1.0.0-beta.2"],
    &["v1.0.0-beta.11"],
    &["v1.0.0", "v1", "v1.0", "v1.0.0+meta", "v1.0.0+incompatible", "v1.0.0+01.-"],
    &["v1.2.3"],
    &["v1.10.0"],
    &["v9.0.0"],
    &["v10.0.0"],
    &["v99999999999999999999.0.0"],
];

#[test]
fn order() {
    for (left_rank, lefts) in RISING.iter().enumerate() {
        for (right_rank, rights) in RISING.iter().enumerate() {
            for left in *lefts {
                for right in *rights {
                    assert_eq!(compare(left, right), left_rank.cmp(&right_rank), "{left} {right}");
                }
            }
        }
    }
}

#[test]
fn equal_precedence_is_ordered_by_text_in_lists() {
    let mut list = ["v1.0.0+b", "v2.0.0", "v1.0.0", "v1.0.0+a"];
    list.sort_by(|left, right| compare_in_list(left, right));
    assert_eq!(list, ["v1.0.0", "v1.0.0+a", "v1.0.0+b", "v2.0.0"]);
}

#[test]
fn parts() {
    for (version, canonical_form, major_part, prerelease_part, build_part) in [
        ("v1", Some("v1.0.0"), "v1", "", ""),
        ("v1.2", Some("v1.2.0"), "v1", "", ""),
        ("v1.2.3-a.1+b.2", Some("v1.2.3-a.1"), "v1", "-a.1", "+b.2"),
        ("v12.0.0+incompatible", Some("v12.0.0"), "v12", "", "+incompatible"),
        ("v1.2.3+a-b", Some("v1.2.3"), "v1", "", "+a-b"),
        ("v1.2.3-01", None, "", "", ""),
        ("v1.2.3-a..b", None, "", "", ""),
        ("v1.2.3+a+b", None, "", "", ""),
        ("v1.2.3_", None, "", "", ""),
        ("v1+meta", None, "", "", ""),
        ("V1.2.3", None, "", "", ""),
        ("v1.2.3\u{e9}", None, "", "", ""),
    ] {
        assert_eq!(is_valid(version), canonical_form.is_some(), "{version}");
        assert_eq!(canonical(version).as_deref(), canonical_form, "{version}");
        assert_eq!(major(version), major_part, "{version}");
        assert_eq!(prerelease(version), prerelease_part, "{version}");
        assert_eq!(build(version), build_part, "{version}");
    }
}
