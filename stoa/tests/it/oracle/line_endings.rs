//! What in-tree attributes do to the bytes of a zip: scenarios 65 to 68.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, module_line, path, query};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 65, name: "eol-attrs", story: attributes },
    Scenario { number: 66, name: "crlf-gomod", story: crlf_go_mod },
    Scenario { number: 67, name: "export-attrs", story: export },
    Scenario { number: 68, name: "lfs-pointer", story: lfs_pointer },
];

/// Every kind of attribute line, each over files of every kind of line ends.
fn attributes(world: &World) -> Vec<Question> {
    let kinds: &[(&str, &str)] = &[
        ("none", ""),
        ("text", "text"),
        ("text-auto", "text=auto"),
        ("binary", "-text"),
        ("eol-lf", "eol=lf"),
        ("eol-crlf", "eol=crlf"),
        ("text-eol-crlf", "text eol=crlf"),
        ("text-eol-lf", "text eol=lf"),
        ("auto-eol-crlf", "text=auto eol=crlf"),
        ("not-text-eol-crlf", "-text eol=crlf"),
        ("unspecified-eol-crlf", "!text eol=crlf"),
        ("macro", "windows"),
        ("built-in-binary", "binary"),
        ("ident", "ident"),
        ("ident-eol-crlf", "ident text eol=crlf"),
        ("old-crlf", "crlf"),
        ("old-crlf-input", "crlf=input"),
        ("old-no-crlf", "-crlf"),
        ("utf-16", "working-tree-encoding=UTF-16"),
        ("utf-16le", "text working-tree-encoding=UTF-16LE eol=crlf"),
        ("latin-1", "working-tree-encoding=ISO-8859-1"),
    ];
    let contents: &[(&str, &[u8])] = &[
        ("lf", b"one\ntwo\n"),
        ("crlf", b"one\r\ntwo\r\n"),
        ("mixed", b"one\r\ntwo\nthree\n"),
        ("lone-cr", b"one\rtwo\nthree\n"),
        ("zero", b"one\0\ntwo\n"),
        ("control", b"\x01\x02\x03\x04\x05\x06\n\x01\x02\n"),
        ("empty", b""),
        ("unfinished", b"one\ntwo"),
        ("end-of-file", b"one\n\x1a"),
        ("ident", b"$Id$\n$Id: 0123456789012345678901234567890123456789 $\n$Id: x y $\n$Id\n"),
        ("accents", "é\n".as_bytes()),
    ];
    let module = path("eol-attrs");
    let mut repository = RepositoryBuilder::new();
    let mut attributes = String::from("[attr]windows text eol=crlf\n");
    for (kind, line) in kinds {
        attributes.push_str(&format!("{kind}/* {line}\n"));
        for (name, content) in contents {
            repository.file(format!("{kind}/{name}"), content);
        }
    }
    let commit = repository
        .file("go.mod", module_line(&module))
        .file(".gitattributes", attributes)
        // The nearest file wins, a linked one does not count, and a later line wins.
        .file("near/.gitattributes", "*.txt -text -eol\n")
        .file("near/a.txt", "one\n")
        .file("near/.gitattributes2", "one\n")
        .symlink("linked/.gitattributes", "../crlf.attributes")
        .file("crlf.attributes", "* text eol=crlf\n")
        .file("linked/a.txt", "one\n")
        .file("patterns/.gitattributes", PATTERNS)
        .file("patterns/a.txt", "one\n")
        .file("patterns/b.txt", "one\n")
        .file("patterns/deep/er/a.txt", "one\n")
        .file("patterns/deep/er/c.txt", "one\n")
        .file("patterns/sp ace.txt", "one\n")
        .file("patterns/bracket-x", "one\n")
        .commit("main");
    repository.tag("v1.0.0", commit);
    // Attributes above a module in a sub-directory count as well.
    let sub = format!("{module}/sub");
    let commit = repository
        .file("sub/go.mod", module_line(&sub))
        .file("sub/a.txt", "one\n")
        .file("LICENSE", "one\n")
        .file(".gitattributes", "* text eol=crlf\n")
        .commit("main");
    repository.tag("sub/v1.0.0", commit).tag("v1.1.0", commit);
    world.build("eol-attrs", &repository);
    vec![
        query(&module, "v1.0.0")
            .content("eol-crlf/lf", "one\r\ntwo\r\n")
            .content("text/crlf", "one\r\ntwo\r\n")
            .content("auto-eol-crlf/lf", "one\r\ntwo\r\n")
            .content("auto-eol-crlf/mixed", "one\r\ntwo\nthree\n")
            .content("auto-eol-crlf/zero", b"one\0\ntwo\n")
            .content("text-eol-crlf/zero", b"one\0\r\ntwo\r\n")
            .content("macro/lf", "one\r\ntwo\r\n")
            .content("utf-16le/lf", b"o\0n\0e\0\r\0\n\0t\0w\0o\0\r\0\n\0")
            .content("near/a.txt", "one\n")
            .content("linked/a.txt", "one\n"),
        query(&sub, "v1.0.0")
            .content("a.txt", "one\r\n")
            .content("LICENSE", "one\n")
            .module_file(module_line(&sub)),
        query(&module, "v1.1.0").content("LICENSE", "one\r\n"),
    ]
}

const PATTERNS: &str = "# a comment\n\
    *.txt text eol=crlf\n\
    /b.txt -text\n\
    deep/**/a.txt -text\n\
    \"sp ace.txt\" -text\n\
    bracket-[xyz] text eol=crlf\n\
    !negative text eol=crlf\n";

fn crlf_go_mod(world: &World) -> Vec<Question> {
    let module = path("crlf-gomod");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file(".gitattributes", "* text eol=crlf\n")
        .commit("main");
    repository.tag("v1.0.0", commit);
    world.build("crlf-gomod", &repository);
    vec![
        query(&module, "v1.0.0")
            .module_file(module_line(&module))
            .content("go.mod", module_line(&module).replace('\n', "\r\n")),
    ]
}

fn export(world: &World) -> Vec<Question> {
    let module = path("export-attrs");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file(
            ".gitattributes",
            "ignored export-ignore\nignored-dir/ export-ignore\nsubst export-subst\n",
        )
        .file("ignored", "still here\n")
        .file("ignored-dir/a.go", "package a\n")
        .file("subst", "$Format:%H$\n")
        .commit("main");
    repository.tag("v1.0.0", commit);
    world.build("export-attrs", &repository);
    vec![
        query(&module, "v1.0.0")
            .files(&[".gitattributes", "go.mod", "ignored", "ignored-dir/a.go", "subst"])
            .content("subst", "$Format:%H$\n"),
    ]
}

fn lfs_pointer(world: &World) -> Vec<Question> {
    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let module = path("lfs-pointer");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(&module))
        .file(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
        .file("a.bin", POINTER)
        .commit("main");
    repository.tag("v1.0.0", commit);
    world.build("lfs-pointer", &repository);
    vec![query(&module, "v1.0.0").content("a.bin", POINTER)]
}
