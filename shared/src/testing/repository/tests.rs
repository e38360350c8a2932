//! Every promise of the builder, asked of git itself.

use super::*;

fn list(repository: &Repository, revision: &str) -> String {
    repository.git(["ls-tree", "-r", "-z", "--full-tree", revision], b"").unwrap()
}

#[test]
fn ids_are_the_same_in_every_build() {
    let mut builder = RepositoryBuilder::new();
    let first = builder.file("go.mod", "module example.com/m\n").commit("main");
    builder.tag("v1.0.0", first);
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = directories.each_ref().map(|d| builder.build(d.path()).unwrap());
    assert_eq!(one.id(first), "c38926c150baea8f383c5ddba7e7e41b8e5a1b84");
    assert_eq!(one.id(first), two.id(first));
    assert_eq!(one.git(["rev-parse", "v1.0.0"], b"").unwrap(), one.id(first));
    let dates = one.git(["log", "--format=%ct %at %ci", "-1", "main"], b"").unwrap();
    assert_eq!(dates, "1500000000 1499913600 2017-07-14 08:10:00 +0530");
    assert_eq!(
        one.pseudo_version("v1.0.1-0.", first),
        format!("v1.0.1-0.20170714024000-{}", &one.id(first)[..12])
    );
}

#[test]
fn commits_build_on_their_branch() {
    let mut builder = RepositoryBuilder::new();
    builder.file("a", "1").file("dir/b", "2").commit("main");
    let second = builder.remove("dir").symlink("link", "a").submodule("sub").commit("main");
    builder.branch("dev", second);
    let side = builder.executable("run", "x").commit("dev");
    let merge = builder.file("c", "3").merge("main", side);
    let directory = tempfile::tempdir().unwrap();
    let repository = builder.build(directory.path()).unwrap();
    let modes = |revision: &str| -> Vec<(String, String)> {
        list(&repository, revision)
            .split_terminator('\0')
            .map(|line| {
                let (meta, name) = line.split_once('\t').unwrap();
                (meta[..6].to_owned(), name.to_owned())
            })
            .collect()
    };
    let expect = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(mode, name)| ((*mode).into(), (*name).into())).collect()
    };
    assert_eq!(
        modes(repository.id(side)),
        expect(&[("100644", "a"), ("120000", "link"), ("100755", "run"), ("160000", "sub")])
    );
    assert_eq!(
        modes("main"),
        expect(&[("100644", "a"), ("100644", "c"), ("120000", "link"), ("160000", "sub")])
    );
    let parents = repository.git(["log", "-1", "--format=%P", "main"], b"").unwrap();
    assert_eq!(parents, format!("{} {}", repository.id(second), repository.id(side)));
    assert_eq!(repository.git(["rev-parse", "main"], b"").unwrap(), repository.id(merge));
}

#[test]
fn tags_nest_and_may_name_blobs() {
    let mut builder = RepositoryBuilder::new();
    let commit = builder.file("a", "1").commit("main");
    let inner = builder.annotated_tag("inner", commit);
    builder.annotated_tag("outer", inner);
    let blob = builder.blob("content");
    builder.loose_reference("refs/tags/blob", blob).head("refs/heads/gone");
    let directory = tempfile::tempdir().unwrap();
    let repository = builder.build(directory.path()).unwrap();
    let peel = |name: &str| repository.git(["rev-parse", name], b"").unwrap();
    assert_eq!(peel("outer^{}"), repository.id(commit));
    assert_eq!(peel("outer^{tag}"), peel("outer"));
    assert_eq!(repository.git(["cat-file", "-t", "blob"], b"").unwrap(), "blob");
    assert!(repository.git(["rev-parse", "--verify", "HEAD"], b"").is_err());
}

#[test]
fn names_are_bytes() {
    let mut builder = RepositoryBuilder::sha256();
    builder.file(b"new\nline", "1").file(b"quo\"te\\", "2").file(b"\xff", "3").commit("main");
    let directory = tempfile::tempdir().unwrap();
    let repository = builder.build(directory.path()).unwrap();
    assert_eq!(list(&repository, "main").matches('\0').count(), 3);
    assert!(list(&repository, "main").contains("new\nline\0"));
    assert!(list(&repository, "main").contains("quo\"te\\\0"));
    assert_eq!(repository.git(["rev-parse", "main"], b"").unwrap().len(), 64);
}

#[test]
fn raw_trees_are_written_as_given() {
    let directory = tempfile::tempdir().unwrap();
    let repository = RepositoryBuilder::new().build(directory.path()).unwrap();
    let entries: &[RawEntry<'_>] =
        &[("100644", b"..", b"1"), ("100644", b"a", b"2"), ("100644", b"a", b"3")];
    let commit = repository.commit_raw_tree("refs/heads/main", entries).unwrap();
    let names = repository.git(["ls-tree", "--name-only", &commit], b"").unwrap();
    assert_eq!(names, "..\na\na");
}

#[test]
fn a_refused_name_is_an_error_that_names_the_repository() {
    let directory = tempfile::tempdir().unwrap();
    let mut builder = RepositoryBuilder::new();
    builder.file("a//b", "1").commit("main");
    let error = builder.build(directory.path()).unwrap_err().to_string();
    assert!(error.contains("git fast-import"), "{error}");
}
