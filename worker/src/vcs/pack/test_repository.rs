//! A repository made by the real git program, as the oracle of tests.

use std::{
    ffi::OsStr,
    fs,
    io::{Cursor, Write},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Command, Stdio},
};

use super::{Limits, ObjectStore, PackError};
use crate::vcs::{Contents, ObjectFormat, ObjectId};

/// A repository with a work tree in a directory that vanishes with it.
pub(crate) struct TestRepository {
    directory: tempfile::TempDir,
    format: ObjectFormat,
}

impl TestRepository {
    pub(crate) fn new() -> Self {
        Self::with_format(ObjectFormat::Sha1)
    }

    pub(crate) fn with_format(format: ObjectFormat) -> Self {
        let repository = Self { directory: tempfile::tempdir().unwrap(), format };
        let name = match format {
            ObjectFormat::Sha1 => "sha1",
            ObjectFormat::Sha256 => "sha256",
        };
        repository.git(&["init", "-q", "-b", "main", "--object-format", name]);
        repository
    }

    pub(crate) fn write(&self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) {
        let path = self.path(path.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path(path.as_bytes());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn path(&self, path: &[u8]) -> std::path::PathBuf {
        self.directory.path().join(OsStr::from_bytes(path))
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Commits the whole work tree as it is, without any conversion on the way in.
    pub(crate) fn commit(&self) -> ObjectId {
        // The attributes under test must not change what is stored.
        fs::create_dir_all(self.path(b".git/info")).unwrap();
        let neutral = "* !text !eol !crlf !ident !filter !working-tree-encoding\n";
        fs::write(self.path(b".git/info/attributes"), neutral).unwrap();
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "test"]);
        fs::remove_file(self.path(b".git/info/attributes")).unwrap();
        self.resolve("HEAD")
    }

    pub(crate) fn resolve(&self, revision: &str) -> ObjectId {
        self.text(&["rev-parse", "--verify", revision]).parse().unwrap()
    }

    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.git(arguments)).unwrap().trim_end().to_owned()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Vec<u8> {
        self.git_with_input(arguments, b"")
    }

    pub(crate) fn git_with_input(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.try_git(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {error}");
        output.stdout
    }

    pub(crate) fn try_git(&self, arguments: &[&str], input: &[u8]) -> std::process::Output {
        let mut child = Command::new("git")
            .current_dir(self.directory.path())
            .args(["-c", "core.autocrlf=false", "-c", "gc.auto=0", "-c", "tag.gpgSign=false"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.directory.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "C"), ("GIT_COMMITTER_EMAIL", "c@example.com")])
            .env("GIT_AUTHOR_DATE", "1600000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0530")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // Git may leave without reading its input.
            scope.spawn(move || stdin.write_all(input).ok());
            child.wait_with_output().unwrap()
        })
    }

    /// A pack of everything reachable, made with these options.
    pub(crate) fn pack(&self, options: &[&str]) -> Vec<u8> {
        let arguments = [&["pack-objects", "-q", "--all", "--stdout"], options].concat();
        self.git(&arguments)
    }

    pub(crate) fn store(&self) -> ObjectStore {
        read(self.pack(&[]), self.format, &Limits::default(), Contents::Everything).unwrap()
    }
}

pub(crate) fn read(
    pack: Vec<u8>,
    format: ObjectFormat,
    limits: &Limits,
    keep: Contents,
) -> Result<ObjectStore, PackError> {
    ObjectStore::read(Cursor::new(pack), format, limits, keep)
}
