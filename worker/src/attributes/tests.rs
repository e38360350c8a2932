//! Against `git archive` with the go command's settings.

use std::{fs, os::unix::ffi::OsStrExt, process::Command};

use super::{Attributes, Conversion};
use crate::vcs::{
    ObjectFormat,
    pack::{Mode, test_repository::TestRepository},
};

/// Contents of which each attribute makes something else.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let text = "some text\n".repeat(40);
    vec![
        ("lf", b"a\nb\n".into()),
        ("crlf", b"a\r\nb\r\n".into()),
        ("mixed", b"a\r\nb\nc\n".into()),
        ("nul", b"a\0b\nc\n".into()),
        ("lone-cr", b"a\rb\nc\n".into()),
        ("empty", b"".into()),
        ("no-end", b"a\nb".into()),
        ("cr-at-end", b"a\nb\r".into()),
        ("control", b"\x01\x02\x03\n".into()),
        ("few-control", format!("{text}\x01\n").into()),
        ("end-of-file", b"a\n\x1a".into()),
        ("utf8", "größe\n".into()),
        ("ident", b"$Id$\n$Id: old $\n$Id: a.c 1.2 me $\n$Id: open\n$Id:$ $Id\n".into()),
        ("ident-crlf", b"$Id$\r\n".into()),
        ("ident-nul", b"\0$Id: x$\n".into()),
    ]
}

/// Commits the repository, archives `directory` of it with git, and compares each file
/// with what we make of its blob. Returns the paths of the files that are changed.
fn changed_as_git_does(repository: &TestRepository, directory: &str) -> Vec<String> {
    let commit = repository.commit();
    let info = repository.directory().join(".git/info");
    fs::create_dir_all(&info).unwrap();
    fs::write(info.join("attributes"), "* -export-subst -export-ignore\n").unwrap();
    let commit_name = commit.to_string();
    let mut arguments = vec!["-c", "core.autocrlf=input", "-c", "core.eol=lf"];
    arguments.extend(["archive", "--format=tar", &commit_name]);
    arguments.extend((!directory.is_empty()).then_some(directory));
    let archive = repository.git(&arguments);
    let extracted = tempfile::tempdir().unwrap();
    let tar = extracted.path().join("archive.tar");
    fs::write(&tar, archive).unwrap();
    let files = extracted.path().join("files");
    fs::create_dir(&files).unwrap();
    let status = Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(&files).status().unwrap();
    assert!(status.success());

    let store = repository.store();
    let root = store.commit(&commit).unwrap().tree;
    let tree = match directory {
        "" => root,
        path => store.find(&root, path.as_bytes()).unwrap().unwrap().id,
    };
    let walk = store.walk(&tree, 100_000).unwrap();
    let attributes = Attributes::collect(&store, &root, directory.as_bytes(), &walk).unwrap();
    let mut changed = Vec::new();
    for entry in walk.iter().filter(|entry| entry.mode == Mode::File) {
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&entry.path));
        let expected = fs::read(files.join(directory).join(path)).unwrap();
        let blob = store.blob(&entry.id, 1 << 30).unwrap();
        let converted = match attributes.conversion(&entry.path, blob.len() as u64) {
            Conversion::Unchanged => blob.clone(),
            Conversion::Text(conversion) => conversion.apply(blob.clone(), &entry.id),
            Conversion::NeedsGit => panic!("{path:?} needs git"),
        };
        assert_eq!(
            String::from_utf8_lossy(&converted),
            String::from_utf8_lossy(&expected),
            "{path:?} in {directory:?}"
        );
        if expected != blob {
            changed.push(path.to_string_lossy().into_owned());
        }
    }
    changed
}

#[test]
fn every_attribute_does_to_every_content_what_git_does() {
    let repository = TestRepository::new();
    let mut count = 0;
    for text in ["", "text", "-text", "!text", "text=auto", "text=input", "text=other", "binary"] {
        for crlf in ["", "crlf", "-crlf", "crlf=input", "crlf=auto"] {
            for eol in ["", "eol=crlf", "eol=lf", "-eol", "eol", "eol=CRLF"] {
                for ident in ["", "ident", "ident=yes"] {
                    let directory = format!("case{count:03}");
                    count += 1;
                    repository.write(
                        format!("{directory}/.gitattributes"),
                        format!("* {text} {crlf} {eol} {ident}\n"),
                    );
                    for (name, content) in contents() {
                        repository.write(format!("{directory}/{name}"), content);
                    }
                }
            }
        }
    }
    assert!(changed_as_git_does(&repository, "").len() > 1000);
}

/// Files at several depths, all with a keyword and a lone line feed.
fn write_files(repository: &TestRepository, directory: &str) {
    for path in [
        "a.txt",
        "b.bat",
        "trail ",
        "two words.txt",
        "größe.txt",
        "sub/a.txt",
        "sub/b.bat",
        "sub/deep/a.txt",
        "sub/deep/c.md",
        "sub/deep/dir/x.txt",
        "dir/a.txt",
        "dir/x/y/a.txt",
        "x/sub/a.txt",
        "[a].txt",
        "star*.txt",
        "#hash",
        "!bang",
        "back\\slash",
        "q\"uote.txt",
        "tab\there",
        ".hidden",
        "A.TXT",
    ] {
        repository.write(format!("{directory}{path}"), "$Id$ a\n");
    }
}

#[test]
fn patterns_match_as_in_git() {
    let cases = [
        ("*.txt eol=crlf", true),
        ("*.bat eol=crlf\n*.txt text\n", true),
        ("a.txt eol=crlf", true),
        ("/a.txt eol=crlf", true),
        ("sub/a.txt eol=crlf", true),
        ("/sub/a.txt eol=crlf", true),
        ("sub/*.txt eol=crlf", true),
        ("sub/** eol=crlf", true),
        ("**/a.txt eol=crlf", true),
        ("sub/**/a.txt eol=crlf", true),
        ("**/deep/** eol=crlf", true),
        ("sub** eol=crlf", false),
        ("s?b/*.txt eol=crlf", true),
        ("dir/ eol=crlf", false),
        ("dir eol=crlf", false),
        ("dir/* eol=crlf", true),
        ("/ eol=crlf", false),
        ("* eol=crlf", true),
        ("** eol=crlf", true),
        ("/** eol=crlf", true),
        ("/* eol=crlf", true),
        ("*/ eol=crlf", false),
        ("*.t[wxy]t eol=crlf", true),
        ("[!a].txt eol=crlf", true),
        ("*.[[:alpha:]][[:alpha:]][[:alpha:]] eol=crlf", true),
        ("\\[a\\].txt eol=crlf", true),
        ("star\\*.txt eol=crlf", true),
        ("star*.txt eol=crlf", true),
        ("\\#hash eol=crlf", true),
        ("\\!bang eol=crlf", true),
        ("!bang eol=crlf", false),
        ("!a.txt eol=crlf", false),
        ("back\\\\slash eol=crlf", true),
        ("back\\slash eol=crlf", false),
        ("# *.txt eol=crlf", false),
        ("   *.txt   eol=crlf   ", true),
        ("\t*.txt\teol=crlf\t", true),
        ("*.txt eol=crlf\r\n", true),
        ("*.txt eol=crlf\r", true),
        ("*.bat text\r\n*.txt eol=crlf\r\n", true),
        ("\"two words.txt\" eol=crlf", true),
        ("\"two words.txt\"eol=crlf", true),
        ("\"tab\\there\" eol=crlf", true),
        ("\"q\\\"uote.txt\" eol=crlf", true),
        ("q\"uote.txt eol=crlf", true),
        ("\"trail \" eol=crlf", true),
        ("\"gr\\303\\266\\303\\237e.txt\" eol=crlf", true),
        ("größe.txt eol=crlf", true),
        ("\"unclosed.txt eol=crlf", false),
        ("\"\" eol=crlf", false),
        ("\" \" eol=crlf", false),
        (".hidden eol=crlf", true),
        ("*hidden eol=crlf", true),
        ("*.txt", false),
        ("", false),
        ("\n\n\n*.txt eol=crlf\n\n", true),
        ("\u{feff}*.txt eol=crlf", false),
        ("\u{feff}*.bat text\n*.txt eol=crlf", true),
        ("*.bat eol=crlf\0\n*.txt eol=crlf", true),
        ("\0*.bat eol=crlf\n*.txt eol=crlf", false),
        ("*.txt eol=crlf bad/name", false),
        ("*.txt eol=crlf -", false),
        ("*.txt eol=crlf =", false),
        ("*.txt eol=crlf foo= -bar=1 !baz=2", true),
        ("*.txt eol=crlf eol=lf", false),
        ("*.txt eol=lf eol=crlf", true),
        ("*.txt eol=crlf !eol", false),
        ("* eol=crlf\n*.txt !eol", true),
        ("* eol=crlf\n*.txt eol=lf\na.txt eol=crlf", true),
        ("* eol=crlf\n*.txt binary", true),
        ("*.txt binary\n* eol=crlf", true),
        ("*.txt binary -binary\n* eol=crlf", true),
        ("*.txt -binary\n* binary eol=crlf", false),
        ("* ident\n*.txt -ident", true),
        ("* ident eol=crlf", true),
    ];
    let repository = TestRepository::new();
    for (number, (attributes, _)) in cases.iter().enumerate() {
        let directory = format!("case{number:03}/");
        write_files(&repository, &directory);
        repository.write(format!("{directory}.gitattributes"), attributes);
    }
    let changed = changed_as_git_does(&repository, "");
    for (number, (attributes, is_used)) in cases.iter().enumerate() {
        let directory = format!("case{number:03}/");
        let is_changed = changed.iter().any(|path| path.starts_with(&directory));
        assert_eq!(is_changed, *is_used, "{attributes:?}");
    }
}

#[test]
fn macros_stand_for_what_git_lets_them_stand_for() {
    for (attributes, is_used) in [
        ("[attr]dos eol=crlf\n*.txt dos", true),
        ("*.txt dos\n[attr]dos eol=crlf", true),
        ("[attr]dos eol=crlf\n*.txt -dos", false),
        ("[attr]dos eol=crlf\n*.txt !dos", false),
        ("[attr]dos eol=crlf\n*.txt dos=yes", false),
        ("[attr]dos eol=crlf\n[attr]dos ident\n*.txt dos", true),
        ("[attr]outer inner ident\n[attr]inner eol=crlf\n*.txt outer", true),
        ("[attr]loop loop eol=crlf\n*.txt loop", true),
        ("[attr]one two\n[attr]two one eol=crlf\n*.txt one", true),
        ("[attr]dos eol=crlf\n*.txt dos eol=lf", false),
        ("[attr]dos eol=crlf\n*.txt eol=lf dos", true),
        ("[attr]binary eol=crlf\n*.txt binary", true),
        ("[attr]text eol=crlf\n*.txt text", true),
        ("[attr]dos\n*.txt dos", false),
        ("[attr] dos eol=crlf\n*.txt dos", false),
        ("[attr]bad/name eol=crlf\n*.txt bad/name", false),
        ("\"[attr]dos\" eol=crlf\n*.txt dos", true),
        ("[attr]dos eol=crlf bad/name\n*.txt dos", false),
    ] {
        let repository = TestRepository::new();
        repository.write("a.txt", "$Id$\n");
        repository.write(".gitattributes", attributes);
        let changed = changed_as_git_does(&repository, "");
        assert_eq!(changed.contains(&"a.txt".to_owned()), is_used, "{attributes:?}");
    }
}

#[test]
fn overlong_lines_are_ignored() {
    for (length, is_used) in [(2046, true), (2047, true), (2048, false), (2049, false)] {
        let repository = TestRepository::new();
        write_files(&repository, "");
        let line = format!("{:<width$}", "*.txt eol=crlf", width = length);
        repository.write(".gitattributes", format!("{line}\n*.bat text\n"));
        assert_eq!(!changed_as_git_does(&repository, "").is_empty(), is_used, "{length}");
    }
}

#[test]
fn the_nearest_file_wins_and_only_the_root_defines_macros() {
    for directory in ["", "sub", "sub/deep"] {
        let repository = TestRepository::new();
        write_files(&repository, "");
        repository.write(
            ".gitattributes",
            "[attr]dos eol=crlf\n*.txt eol=crlf\n*.bat dos\n/sub/deep/c.md ident\nsub/ ident\n",
        );
        repository.write(
            "sub/.gitattributes",
            "[attr]dos eol=lf\n[attr]mine eol=crlf\na.txt !eol\n*.md mine\ndeep/*.txt eol=lf\n",
        );
        repository.write("sub/deep/.gitattributes", "/a.txt dos\ndir/x.txt ident\n");
        repository.write("x/sub/.gitattributes", "*.txt -text\n");
        assert!(changed_as_git_does(&repository, directory).len() > 1, "{directory}");
    }
}

#[test]
fn links_are_not_followed_but_their_target_is_read_as_rules() {
    for (target, is_used) in [("real", false), ("* eol=crlf", true)] {
        let repository = TestRepository::new();
        write_files(&repository, "");
        repository.write("real", "* eol=crlf\n");
        repository.link(".gitattributes", target);
        repository.link("sub/.gitattributes", "real");
        repository.write("dir/.gitattributes/file", "* eol=crlf\n");
        assert_eq!(!changed_as_git_does(&repository, "").is_empty(), is_used, "{target}");
    }
}

#[test]
fn the_id_in_a_sha256_repository_is_a_sha256() {
    let repository = TestRepository::with_format(ObjectFormat::Sha256);
    write_files(&repository, "");
    repository.write(".gitattributes", "* ident eol=crlf");
    assert!(changed_as_git_does(&repository, "").len() > 10);
}

/// What is found for `a.txt`, of this size, with this attribute file at the root.
fn conversion(attributes: &str, size: u64) -> Conversion {
    let repository = TestRepository::new();
    repository.write(".gitattributes", attributes);
    repository.write("a.txt", "a\n");
    let commit = repository.commit();
    let store = repository.store();
    let root = store.commit(&commit).unwrap().tree;
    let walk = store.walk(&root, 10).unwrap();
    Attributes::collect(&store, &root, b"", &walk).unwrap().conversion(b"a.txt", size)
}

#[test]
fn what_only_git_can_do_is_left_to_it() {
    let many_rules = "*.txt eol=crlf\n".repeat(1001);
    let many_bytes = "# nothing\n".repeat(2 << 20);
    for (attributes, size, expected) in [
        ("*.txt working-tree-encoding=UTF-16", 2, Some(Conversion::NeedsGit)),
        ("*.txt working-tree-encoding=UTF-16 eol=crlf", 2, Some(Conversion::NeedsGit)),
        ("*.txt working-tree-encoding", 2, Some(Conversion::NeedsGit)),
        ("*.txt -working-tree-encoding", 2, Some(Conversion::NeedsGit)),
        ("*.txt !working-tree-encoding", 2, Some(Conversion::Unchanged)),
        ("*.txt working-tree-encoding=", 2, Some(Conversion::Unchanged)),
        ("*.txt working-tree-encoding=UTF-8", 2, Some(Conversion::Unchanged)),
        ("*.txt working-tree-encoding=utf8", 2, Some(Conversion::Unchanged)),
        ("*.ps1 working-tree-encoding=UTF-16", 2, Some(Conversion::Unchanged)),
        ("*.txt eol=crlf", 1 << 40, None),
        ("*.txt ident", 2 << 20, None),
        ("*.txt ident", (2 << 20) + 1, Some(Conversion::NeedsGit)),
        ("*.md eol=crlf", 1 << 40, Some(Conversion::Unchanged)),
        ("**/a/**/a/**/a/**/a.txt eol=crlf", 2, Some(Conversion::Unchanged)),
        ("**/a/**/a/**/a/**/a/**/a.txt eol=crlf", 2, Some(Conversion::NeedsGit)),
        (&many_rules, 2, Some(Conversion::NeedsGit)),
        (&many_bytes, 2, Some(Conversion::NeedsGit)),
    ] {
        let found = conversion(attributes, size);
        let start: String = attributes.chars().take(60).collect();
        match expected {
            Some(expected) => assert_eq!(found, expected, "{start}"),
            None => assert!(matches!(found, Conversion::Text(_)), "{start}"),
        }
    }
}
