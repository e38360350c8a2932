//! Files as `git archive` writes them, for conversions that we do not implement.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use super::error::WireError;
use super::process::Input;
use super::program::{GitProgram, Invocation};
use super::stream::{self, Body, from_program};
use super::tar;
use crate::egress::Deadline;
use crate::vcs::pack::{ObjectStore, Section};
use crate::vcs::{ObjectId, VcsError};

/// More paths than this, in bytes, and the whole commit is archived instead: a command
/// line has its limits.
const ARGUMENT_BYTES: usize = 64 << 10;

/// Contents of files after conversion. Clones share one file, which vanishes with the
/// last of them.
#[derive(Debug, Clone)]
pub struct ConvertedFiles {
    file: Arc<File>,
    /// Path from the repository's root → offset and length.
    places: Arc<BTreeMap<Vec<u8>, (u64, u64)>>,
}

impl ConvertedFiles {
    /// Bytes of a file after conversion; `None` if it was not asked for or is no
    /// regular file.
    pub fn size(&self, path: &[u8]) -> Option<u64> {
        self.places.get(path).map(|&(_, length)| length)
    }

    /// The converted content as a stream; blocks on a local file.
    pub fn open(&self, path: &[u8]) -> Option<Section> {
        let &(offset, length) = self.places.get(path)?;
        Some(Section::new(&self.file, offset, length))
    }
}

/// What a conversion needs.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    pub(super) program: &'a GitProgram,
    pub(super) temp_dir: &'a Path,
    /// How the repository is shown in errors.
    pub(super) url: String,
    /// Most bytes after conversion.
    pub(super) limit: u64,
    pub(super) deadline: Deadline,
}

impl Archive<'_> {
    /// Builds a repository around the pack and archives from it (go-modules §4.1).
    pub(super) async fn convert(
        &self,
        objects: &ObjectStore,
        commit: &ObjectId,
        paths: &[Vec<u8>],
    ) -> Result<ConvertedFiles, VcsError> {
        let program_failed = |error| from_program(&self.url, error);
        let repository = self.program.init(self.temp_dir, objects.format(), self.deadline).await;
        let repository = repository.map_err(program_failed)?;
        let file_failed = |source: io::Error| VcsError::Unavailable {
            url: self.url.clone(),
            reason: format!("a temporary file failed: {source}"),
        };
        write_settings(repository.path(), commit).await.map_err(file_failed)?;

        let index = Invocation {
            repository: Some(repository.path().to_owned()),
            arguments: vec!["index-pack".into(), "--stdin".into()],
            input: Input::File(objects.pack_file().map_err(file_failed)?),
            ..Invocation::default()
        };
        self.program.run(index, 1 << 20, self.deadline).await.map_err(program_failed)?;

        let archive = Invocation {
            repository: Some(repository.path().to_owned()),
            options: vec!["core.autocrlf=input".into(), "core.eol=lf".into()],
            arguments: arguments(commit, paths),
            ..Invocation::default()
        };
        let running = self.program.start(archive, self.deadline).map_err(program_failed)?;
        let wanted: BTreeSet<Vec<u8>> = paths.iter().cloned().collect();
        let limit = self.limit;
        let temp_dir = self.temp_dir.to_owned();
        // What comes is made here, and nothing that a host sent.
        let received = |_| ();
        stream::parse(Body::Process(Box::new(running)), &self.url, received, move |reader| {
            let mut file = tempfile::tempfile_in(temp_dir).map_err(WireError::Spool)?;
            let mut places = BTreeMap::new();
            tar::extract(
                reader,
                &mut file,
                limit,
                |path| wanted.contains(path),
                |path, offset, length| {
                    places.insert(path, (offset, length));
                },
            )?;
            Ok(ConvertedFiles { file: Arc::new(file), places: Arc::new(places) })
        })
        .await
        .map_err(|failure| failure.error)
    }
}

/// The history ends at the commit, and attributes that leave out or rewrite files do
/// not count: Go switches them off, with precedence over what is in the tree.
async fn write_settings(repository: &Path, commit: &ObjectId) -> io::Result<()> {
    tokio::fs::write(repository.join("shallow"), format!("{commit}\n")).await?;
    tokio::fs::create_dir_all(repository.join("info")).await?;
    let attributes = "* -export-subst -export-ignore\n";
    tokio::fs::write(repository.join("info/attributes"), attributes).await
}

fn arguments(commit: &ObjectId, paths: &[Vec<u8>]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["archive", "--format=tar", "--"].map(OsString::from).into();
    arguments.push(commit.to_string().into());
    if paths.iter().map(|path| path.len() + 1).sum::<usize>() <= ARGUMENT_BYTES {
        arguments.extend(paths.iter().cloned().map(OsString::from_vec));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::super::program;
    use super::*;
    use crate::vcs::pack::test_repository::TestRepository;

    async fn convert(
        repository: &TestRepository,
        commit: &ObjectId,
        paths: &[Vec<u8>],
        limit: u64,
    ) -> Result<ConvertedFiles, VcsError> {
        let temp_dir = tempfile::tempdir().unwrap();
        let program = GitProgram::new(program::find(None), temp_dir.path()).unwrap();
        let deadline = Deadline::after(Duration::from_secs(60));
        let url = "https://h.example/r".to_owned();
        let archive =
            Archive { program: &program, temp_dir: temp_dir.path(), url, limit, deadline };
        let converted = archive.convert(&repository.store(), commit, paths).await;
        let left = std::fs::read_dir(temp_dir.path()).unwrap().count();
        assert_eq!(left, 1, "only the program's empty home stays");
        converted
    }

    fn content(files: &ConvertedFiles, path: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        files.open(path).unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(files.size(path), Some(content.len() as u64));
        content
    }

    #[tokio::test]
    async fn files_are_converted_by_the_attributes_in_the_tree_alone() {
        let repository = TestRepository::new();
        let long = format!("{}/{}.txt", "d".repeat(120), "f".repeat(120));
        let attributes = "*.txt eol=crlf\n*.utf16 working-tree-encoding=UTF-16LE\n\
                          ignored export-ignore\nsubst export-subst\n*.go ident\n";
        repository.write(".gitattributes", attributes);
        repository.write("a.txt", "one\ntwo\n");
        repository.write("-b[x]*.txt", "odd\n");
        repository.write(&long, "long\n");
        repository.write("c.utf16", "hi\n");
        repository.write("ignored", "here\n");
        repository.write("subst", "$Format:%H$\n");
        repository.write("unasked", "");
        repository.commit();
        repository.write("later", "");
        let commit = repository.commit();
        let paths = ["a.txt", "-b[x]*.txt", &long, "c.utf16", "ignored", "subst"];
        let paths = paths.map(|path| path.as_bytes().to_vec());
        let files = convert(&repository, &commit, &paths, 1000).await.unwrap();
        assert_eq!(content(&files, b"a.txt"), b"one\r\ntwo\r\n");
        assert_eq!(content(&files, b"-b[x]*.txt"), b"odd\r\n");
        assert_eq!(content(&files, long.as_bytes()), b"long\r\n");
        assert_eq!(content(&files, b"c.utf16"), b"h\0i\0\n\0");
        assert_eq!(content(&files, b"ignored"), b"here\n");
        assert_eq!(content(&files, b"subst"), b"$Format:%H$\n");
        assert!(files.open(b"unasked").is_none());
    }

    #[tokio::test]
    async fn more_paths_than_a_command_line_holds_are_fine() {
        let repository = TestRepository::new();
        repository.write(".gitattributes", "* eol=crlf\n");
        let paths: Vec<String> =
            (0..700).map(|number| format!("{}/{number}", "d".repeat(100))).collect();
        paths.iter().for_each(|path| repository.write(path, "x\n"));
        let commit = repository.commit();
        let paths: Vec<Vec<u8>> = paths.into_iter().map(String::into_bytes).collect();
        let files = convert(&repository, &commit, &paths, 10_000).await.unwrap();
        assert!(paths.iter().all(|path| files.size(path) == Some(3)));
        let error = convert(&repository, &commit, &paths, 2000).await.unwrap_err();
        assert!(matches!(error, VcsError::LimitExceeded { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_commit_that_is_not_in_the_pack_is_an_error_without_local_paths() {
        let repository = TestRepository::new();
        repository.commit();
        let absent = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let error = convert(&repository, &absent, &[], 10).await.unwrap_err();
        assert_eq!(error.to_string(), "https://h.example/r: git archive failed");
    }
}
