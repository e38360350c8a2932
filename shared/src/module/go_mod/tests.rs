use super::*;

fn parse(text: &str) -> GoMod {
    GoMod::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn problem(text: &str) -> (usize, GoModProblem) {
    match GoMod::parse(text.as_bytes()) {
        Err(GoModError::Line { line, problem }) => (line, problem),
        other => panic!("{text:?}: {other:?}"),
    }
}

fn versions(text: &str) -> impl Iterator<Item = Version> {
    text.split_whitespace().map(|version| version.parse().unwrap())
}

#[test]
fn module_and_go_lines() {
    for (text, module_path, go_version) in [
        ("", None, None),
        ("// only a comment", None, None),
        ("module example.com/m\n\ngo 1.24.2\n", Some("example.com/m"), Some("1.24.2")),
        ("module \"example.com/m\" // c\r\ngo 1.24.x // c", Some("example.com/m"), Some("1.24")),
        ("module (\n\t// c\n\n\texample.com/m // c\n) // c\n", Some("example.com/m"), None),
        ("go (\n\t1.24\n)", None, None),
        ("module ()\n\"module\" x", None, None),
        ("module a//b", Some("a"), None),
        ("module => ", Some("=>"), None),
        ("module \u{e9}\u{301}\u{661}", Some("\u{e9}\u{301}\u{661}"), None),
    ] {
        let go_mod = parse(text);
        assert_eq!(go_mod.module_path(), module_path, "{text}");
        assert_eq!(go_mod.go_version().map(ToString::to_string).as_deref(), go_version, "{text}");
    }
    let not_utf8 = GoMod::parse(b"module a\xffb // \xc3").unwrap();
    assert_eq!(not_utf8.module_path(), Some("a\u{fffd}b"));
}

#[test]
fn what_dependents_need_not_understand_is_ignored() {
    for text in [
        "unknown directive ( here )\n",
        "unknown (\n\tgo x\n\tmodule \"\n\t\"\n)\n".replace("\"\n\t\"", "()").as_str(),
        "replace x\nexclude\ntoolchain a b\ngodebug\ntool 'x'\n",
        "exclude x master\nreplace (\n\tx => `\\`\n)\n",
        "require x (\n\ty\n)\n",
        "require ()\n",
        "require x v1.2\nrequire \"x\" \"v1.2.3+meta\"\nrequire x v2.0.0+incompatible\n",
        "require gopkg.in/x.v1 v0.0.0-20200102030405-abcdefabcdef\n",
        "ignore x\nignore (\n\t./y\n)\n",
        "retract\nretract (\nretract v1\n[\n[ v1.0.0\n[v1.0.0 v1.1.0]\n'x'\n)\nretract ( x )\n",
        ")\n() x\n( x\n",
        "x \"\\\n\" y\n",
        "\r\r\n \t\n",
    ] {
        parse(text);
    }
}

#[test]
fn fatal_lines() {
    use GoModProblem::*;
    for (text, line, expected) in [
        ("\n\0", 2, Character('\0')),
        ("module a\u{a0}b", 1, Character('\u{a0}')),
        ("x\u{0b}y", 1, Character('\u{0b}')),
        ("x /* y */", 1, BlockComment),
        ("x y/*z", 1, BlockComment),
        ("x \"y\nz\"", 1, UnterminatedString),
        ("x `y\n`", 1, UnterminatedString),
        ("x \"y\\\"", 1, UnterminatedString),
        ("x \"y\\", 1, UnterminatedString),
        ("\nx (\ny", 2, UnterminatedBlock),
        ("x (", 1, UnterminatedBlock),
        ("x (\ny\n) z", 3, AfterBlock),
        ("module a\nmodule b", 2, Repeated("module")),
        ("module (\na\nb\n)", 3, Repeated("module")),
        ("go 1.24\ngo 1.24", 2, Repeated("go")),
        ("module", 1, ArgumentCount("module")),
        ("module a b", 1, ArgumentCount("module")),
        ("module ( a )", 1, ArgumentCount("module")),
        ("module `a`", 1, Quoting("`a`".into())),
        ("go", 1, ArgumentCount("go")),
        ("go ( 1.24 )", 1, ArgumentCount("go")),
        ("go 1.24 1 2 3 4 5 6 7 8 9", 1, ArgumentCount("go")),
        ("go v1.24", 1, GoVersion("v1.24".into())),
        ("go \"1.24\"", 1, GoVersion("\"1.24\"".into())),
        ("go 1.024", 1, GoVersion("1.024".into())),
        ("require x", 1, ArgumentCount("require")),
        ("require (\nx v1.0.0 y\n)", 2, ArgumentCount("require")),
        ("require x 'v1.0.0'", 1, Quoting("\\'v1.0.0\\'".into())),
        ("require x master", 1, Version("master".into())),
        ("require x/v1 v1.0.0", 1, ModulePath("x/v1".into())),
        (
            "require x/v2 v1.0.0",
            1,
            WrongMajor { path: "x/v2".into(), version: "v1.0.0".parse().unwrap() },
        ),
        ("ignore", 1, ArgumentCount("ignore")),
        ("ignore `x`", 1, Quoting("`x`".into())),
    ] {
        assert_eq!(problem(text), (line, expected), "{text}");
    }
}

#[test]
fn a_string_over_two_lines_keeps_the_line_count() {
    assert_eq!(problem("x \"\\\n\"\n\0").0, 3);
}

#[test]
fn retractions() {
    let go_mod = parse(
        "retract v1.0.0 // one\n\
         retract [v1.2.0, v1.4.0-pre]\n\
         retract (\n\t\"v1.6\" and more\n\t[v2.0.0,v1.9.0]\n\tmaster\n\t[v3.0.0+x, \"v3.0.1\"] x\n)\n",
    );
    let retracted =
        "v1.0.0 v1.2.0 v1.3.0-0.20200102030405-abcdefabcdef v1.4.0-pre v1.6.0 v3.0.0 v3.0.1";
    for version in versions(retracted) {
        assert!(go_mod.retracts(&version), "{version}");
    }
    for version in versions("v0.1.0 v1.0.1 v1.2.0-pre v1.4.0 v1.6.1 v1.9.5 v3.0.2") {
        assert!(!go_mod.retracts(&version), "{version}");
    }
    assert!(parse("retract [none, v1.0.0]").retracts(&"v0.1.0".parse().unwrap()));
}

#[test]
fn a_go_mod_over_the_limit_is_refused() {
    let mut content = vec![b'/'; MAX_GO_MOD_SIZE as usize];
    assert_eq!(GoMod::parse(&content), Ok(GoMod::default()));
    content.push(b'/');
    assert_eq!(GoMod::parse(&content), Err(GoModError::TooLarge { size: content.len() }));
}
