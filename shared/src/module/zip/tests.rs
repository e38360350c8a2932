use super::*;

fn regular(path: impl AsRef<[u8]>) -> TreeFile {
    TreeFile { path: path.as_ref().to_owned(), kind: FileKind::Regular, size: 1 }
}

fn symlink(path: &str) -> TreeFile {
    TreeFile { kind: FileKind::Symlink, ..regular(path) }
}

fn sized(path: &str, size: u64) -> TreeFile {
    TreeFile { size, ..regular(path) }
}

/// The selected paths, separated by spaces.
fn selected(files: &[TreeFile], go_mod: Option<&str>) -> Result<String, ZipError> {
    let indexes = select(files, go_mod.map(str::as_bytes))?;
    let paths = indexes.iter().map(|&index| String::from_utf8_lossy(&files[index].path));
    Ok(paths.collect::<Vec<_>>().join(" "))
}

fn files(paths: &str) -> Vec<TreeFile> {
    paths.split_whitespace().map(regular).collect()
}

#[test]
fn ordinary_files_are_kept_in_their_order() {
    let paths = ".git/x .gitignore .svn/y go.mod a.go B.go _x/-y ..z.go a.b/c~1 LICENSE";
    assert_eq!(selected(&files(paths), None), Ok(paths.to_owned()));
    assert_eq!(selected(&[], None), Ok(String::new()));
}

#[test]
fn the_go_directive_decides_on_vendored_files() {
    let tree = files("go.mod vendor/modules.txt vendor/x/y.go p/vendor/z.go");
    let old = Ok("go.mod vendor/modules.txt".to_owned());
    let new = Ok("go.mod p/vendor/z.go".to_owned());
    assert_eq!(selected(&tree, None), old);
    assert_eq!(selected(&tree, Some("go 1.23")), old);
    assert_eq!(selected(&tree, Some("go 1.24")), new);
    assert_eq!(selected(&tree, Some("go 1.24\nrequire x master")), old, "unreadable");

    let mut linked = tree;
    linked[0] = symlink("go.mod");
    let without_go_mod = Ok("vendor/modules.txt".to_owned());
    assert_eq!(selected(&linked, Some("go 1.24")), without_go_mod, "a link is no go.mod");
}

#[test]
fn other_modules_are_left_out() {
    let mut tree = files(
        "go.mod a.go sub/go.mod sub/x sub/deep/y cap/GO.MOD cap/x subx/z dir/go.mod/x dir/y gone.mod",
    );
    tree.push(symlink("link/go.mod"));
    tree.push(regular("link/x"));
    let expected = "go.mod a.go subx/z dir/go.mod/x dir/y gone.mod link/x";
    assert_eq!(selected(&tree, None), Ok(expected.to_owned()));
}

#[test]
fn files_that_are_dropped_may_have_any_name() {
    let mut tree =
        files("vendor/a/b:c sub/go.mod sub/x:y sub/X:y .hg_archival.txt x/.hg_archival.txt");
    tree.push(regular(b"vendor/a/\xff"));
    tree.push(sized("vendor/big/file", MAX_ZIP_SIZE + 1));
    assert_eq!(selected(&tree, None), Ok("x/.hg_archival.txt".to_owned()));
}

#[test]
fn symlinks_are_dropped_but_their_names_count() {
    let tree = [regular("a"), symlink("b"), sized("c", 1), symlink("LICENSE")];
    assert_eq!(selected(&tree, None), Ok("a c".to_owned()));
    let collision = ZipError::Collision { first: "a".into(), second: "A".into() };
    assert_eq!(selected(&[regular("a"), symlink("A")], None), Err(collision));
    assert!(matches!(selected(&[symlink("a:b")], None), Err(ZipError::Name { .. })));
    let huge_link = TreeFile { kind: FileKind::Symlink, ..sized("a", u64::MAX) };
    assert_eq!(selected(&[huge_link], None), Ok(String::new()));
}

#[test]
fn illegal_names_fail_the_zip() {
    for path in ["a:b", "a/b ?", "con", "x/Aux.go", "a.", "a/...", "e\u{301}", "a\nb", "\u{1f600}"]
    {
        let error = selected(&[regular(path)], None).unwrap_err();
        assert!(
            matches!(error, ZipError::Name { path: ref named, .. } if named == path),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'));
    }
    let not_utf8 = ZipError::NotUtf8 { path: "a\u{fffd}".into() };
    assert_eq!(selected(&[regular(b"a\xff")], None), Err(not_utf8));
    for path in ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "vendor/a/../b"] {
        let expected = Err(ZipError::Unclean { path: path.to_owned() });
        assert_eq!(selected(&[regular(path)], None), expected, "{path}");
    }
    let case = ZipError::GoModCase { path: "GO.mod".into() };
    assert_eq!(selected(&files("GO.mod a"), None), Err(case));
}

#[test]
fn size_limits() {
    let full = [sized("a", MAX_ZIP_SIZE - 1), sized("b", 1)];
    assert_eq!(selected(&full, None), Ok("a b".to_owned()));
    let over = [sized("a", MAX_ZIP_SIZE), sized("b", 1)];
    assert_eq!(selected(&over, None), Err(ZipError::TooLarge { path: "b".into() }));
    let overflow = [sized("a", 1), sized("b", u64::MAX)];
    assert_eq!(selected(&overflow, None), Err(ZipError::TooLarge { path: "b".into() }));

    for (path, limit) in [("go.mod", MAX_GO_MOD_SIZE), ("LICENSE", MAX_LICENSE_SIZE)] {
        assert_eq!(selected(&[sized(path, limit)], None), Ok(path.to_owned()));
        let size = limit + 1;
        let expected = Err(ZipError::FileTooLarge { path, size, limit });
        assert_eq!(selected(&[sized(path, size)], None), expected);
    }
    assert!(selected(&[sized("x/LICENSE", MAX_LICENSE_SIZE + 1)], None).is_ok());
}

#[test]
fn a_license_is_inherited_unless_the_name_is_taken() {
    assert!(needs_inherited_license(&files("go.mod x/LICENSE license LICENSE.txt")));
    assert!(needs_inherited_license(&files("LICENSE/x")));
    assert!(!needs_inherited_license(&files("go.mod LICENSE")));
    assert!(!needs_inherited_license(&[symlink("LICENSE")]));

    let inherited = |paths: &str| {
        let mut tree = files(paths);
        tree.push(regular("LICENSE"));
        selected(&tree, None)
    };
    assert_eq!(inherited("z.go"), Ok("z.go LICENSE".to_owned()));
    assert!(matches!(inherited("license"), Err(ZipError::Collision { .. })));
    assert!(matches!(inherited("LICENSE/x"), Err(ZipError::FileAndDirectory { .. })));
}

#[test]
fn entries_are_named_by_the_unescaped_path_and_version() {
    let (module, version) = ("x.y/Z".parse().unwrap(), "v1.0.0-Pre".parse().unwrap());
    assert_eq!(entry_prefix(&module, &version), "x.y/Z@v1.0.0-Pre/");
}
