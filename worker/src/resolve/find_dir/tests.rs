use super::*;

const ROOT: &str = "h.example/r";

/// The directory (with `*` if synthetic) or the message. `-` is a file that does not
/// exist; otherwise the word after `module`.
fn find(module: &str, go_mod: &str, major_go_mod: &str) -> Result<String, String> {
    let root = if module.starts_with("gopkg.in/") { module } else { ROOT };
    find_in(root, module, go_mod, major_go_mod)
}

fn find_in(root: &str, module: &str, go_mod: &str, major_go_mod: &str) -> Result<String, String> {
    let place = Place::of(&module.parse().unwrap(), root, "").unwrap();
    let file = |declared: &str| (declared != "-").then(|| format!("module {declared}\n"));
    let (go_mod, major_go_mod) = (file(go_mod), file(major_go_mod));
    find_dir(
        &place,
        go_mod.as_deref().map(str::as_bytes),
        major_go_mod.as_deref().map(str::as_bytes),
    )
    .map(|found| format!("/{}{}", found.directory, if found.is_synthetic { "*" } else { "" }))
    .map_err(|unfit| unfit.to_string())
}

#[test]
fn modules_without_a_suffix_have_one_place() {
    #[rustfmt::skip]
    let table = [
        (ROOT, "h.example/r", Ok("/")),
        // Only the major version is compared.
        (ROOT, "other.example/x", Ok("/")),
        (ROOT, "gopkg.in/x.v0", Ok("/")),
        (ROOT, "gopkg.in/x.v1", Ok("/")),
        // Historic exception.
        (ROOT, "gopkg.in/x.v2", Ok("/")),
        (ROOT, "gopkg.in/x", Ok("/")),
        // A block reads as the path `(`.
        (ROOT, "(\n h.example/r/v2\n)", Ok("/")),
        (ROOT, "-", Ok("/*")),
        (ROOT, "h.example/r/v2", Err("go.mod has the module path \"h.example/r/v2\", which is for a later major version")),
        (ROOT, "h.example/r/v1", Err("go.mod has a malformed module path \"h.example/r/v1\"")),
        (ROOT, "", Err("go.mod has no module path")),
        (ROOT, "\"\"", Err("go.mod has no module path")),
        ("h.example/r/a", "h.example/r/a", Ok("/a")),
        ("h.example/r/a", "h.example/r/a/v2", Err("a/go.mod has the module path \"h.example/r/a/v2\", which is for a later major version")),
        ("h.example/r/a", "-", Err("a/go.mod is missing")),
    ];
    for (module, go_mod, expected) in table {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(find(module, go_mod, "-"), expected, "{module}: {go_mod}");
        // The second file is not looked at.
        assert_eq!(find(module, go_mod, "h.example/r/v2"), expected, "{module}: {go_mod}");
    }
}

#[test]
fn modules_with_a_suffix_have_two_places_and_may_use_one() {
    const V2: &str = "h.example/r/v2";
    #[rustfmt::skip]
    let table = [
        // compatible, compatible
        (V2, "m.example/v2", "m.example/v2", Err("v2/go.mod and go.mod both have /v2 module paths")),
        // anything else, compatible
        (V2, "h.example/r", "h.example/r/v2", Ok("/v2")),
        (V2, "", "m.example/v2", Ok("/v2")),
        (V2, "-", "h.example/r/v2", Ok("/v2")),
        (V2, "-", "gopkg.in/x.v2", Ok("/v2")),
        // anything, exists and not compatible
        (V2, "h.example/r/v2", "h.example/r", Err("v2/go.mod has the module path \"h.example/r\", which does not end in /v2")),
        (V2, "h.example/r/v2", "h.example/r/v3", Err("v2/go.mod has the module path \"h.example/r/v3\", which does not end in /v2")),
        (V2, "h.example/r/v2", "", Err("v2/go.mod has no module path")),
        (V2, "h.example/r", "gopkg.in/x.v3", Err("v2/go.mod has the module path \"gopkg.in/x.v3\", which does not end in /v2")),
        (V2, "-", "h.example/r/v02", Err("v2/go.mod has the module path \"h.example/r/v02\", which does not end in /v2")),
        // compatible, absent
        (V2, "h.example/r/v2", "-", Ok("/")),
        (V2, "gopkg.in/x.v2", "-", Ok("/")),
        // exists and not compatible, absent
        (V2, "h.example/r", "-", Err("go.mod has the module path \"h.example/r\", which does not end in /v2 (and v2/go.mod does not exist)")),
        (V2, "gopkg.in/x.v1", "-", Err("go.mod has the module path \"gopkg.in/x.v1\", which does not end in /v2 (and v2/go.mod does not exist)")),
        (V2, "", "-", Err("go.mod has no module path (and v2/go.mod does not exist)")),
        // absent, absent
        (V2, "-", "-", Err("go.mod is missing (and v2/go.mod does not exist)")),
        // The same below the top.
        ("h.example/r/a/v2", "x.example/v2", "x.example/v2", Err("a/v2/go.mod and a/go.mod both have /v2 module paths")),
        ("h.example/r/a/v2", "x.example", "x.example/v2", Ok("/a/v2")),
        ("h.example/r/a/v2", "x.example/v2", "-", Ok("/a")),
        ("h.example/r/a/v2", "-", "-", Err("a/go.mod is missing (and a/v2/go.mod does not exist)")),
    ];
    for (module, go_mod, major_go_mod, expected) in table {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        let found = find(module, go_mod, major_go_mod);
        assert_eq!(found, expected, "{module}: {go_mod}, {major_go_mod}");
    }
}

#[test]
fn a_repository_of_one_major_version_has_no_second_place() {
    let find = |go_mod| find_in("h.example/r/v2", "h.example/r/v2", go_mod, "h.example/r/v2");
    assert_eq!(find("h.example/r/v2"), Ok("/".to_owned()));
    assert_eq!(find("-"), Err("go.mod is missing".to_owned()));
    let message = "go.mod has the module path \"h.example/r\", which does not end in /v2";
    assert_eq!(find("h.example/r"), Err(message.to_owned()));
}

#[test]
fn gopkg_in_modules_may_do_without_go_mod() {
    #[rustfmt::skip]
    let table = [
        ("gopkg.in/x.v2", "-", Ok("/*")),
        ("gopkg.in/x.v2-unstable", "-", Ok("/*")),
        ("gopkg.in/x.v2", "gopkg.in/x.v2", Ok("/")),
        ("gopkg.in/x.v2", "h.example/r/v2", Ok("/")),
        ("gopkg.in/x.v2", "h.example/r", Err("go.mod has the module path \"h.example/r\", which does not end in .v2")),
        ("gopkg.in/x.v1", "h.example/r", Err("go.mod has the module path \"h.example/r\", which does not end in .v1")),
        ("gopkg.in/x.v2", "gopkg.in/x.v3", Err("go.mod has the module path \"gopkg.in/x.v3\", which does not end in .v2")),
        ("gopkg.in/x.v2", "", Err("go.mod has no module path")),
    ];
    for (module, go_mod, expected) in table {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(find(module, go_mod, "-"), expected, "{module}: {go_mod}");
    }
}

#[test]
fn messages_are_one_short_line() {
    let message = find(ROOT, &format!("\"a\\n{}/v2\"", "b".repeat(1000)), "-").unwrap_err();
    assert!(message.len() < 250 && !message.contains('\n'), "{message}");
}

#[test]
fn a_synthetic_go_mod_is_one_line() {
    for module in ["h.example/R", "gopkg.in/x.v2"] {
        let text = synthetic_go_mod(&module.parse().unwrap());
        assert_eq!(text, format!("module {module}\n"));
    }
}
