//! Builds git repositories whose object ids never change, a few processes each.
//!
//! A [`RepositoryBuilder`] collects a `git fast-import` stream; nothing runs until
//! [`RepositoryBuilder::build`] makes a bare [`Repository`] of it. Names are handed
//! to git as bytes, so illegal ones (quotes, newlines, invalid UTF-8) are possible;
//! trees that fast-import itself refuses (`..`, duplicates) go through
//! [`Repository::commit_raw_tree`].
//!
//! Times are fixed and chosen to catch mistakes: committer zone and author zone
//! differ from UTC and from each other, the author date is a day before the
//! committer date, and a tagger is always later than what it tags.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;

/// Committer time of a repository's first commit; each next one is an hour later.
const FIRST_COMMIT: i64 = 1_500_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// An object of a repository under construction: a commit, a blob or an annotated tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Object(u32);

/// Mode (`100644`), name and content of a tree entry that is written as it is.
pub type RawEntry<'a> = (&'a str, &'a [u8], &'a [u8]);

/// Why a repository could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The directory or the git program cannot be used.
    #[error("repository {path}: {source}")]
    Io {
        /// The repository's directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Git refused the stream or the command.
    #[error("repository {path}: git {command}: {message}")]
    Git {
        /// The repository's directory.
        path: PathBuf,
        /// The git subcommand.
        command: String,
        /// Its standard error.
        message: String,
    },
}

/// Collects files, commits, tags and branches of one repository.
///
/// File changes gather until the next [`commit`](Self::commit), which applies them to
/// the tip of its branch.
#[derive(Debug, Clone)]
pub struct RepositoryBuilder {
    stream: Vec<u8>,
    changes: Vec<u8>,
    marks: u32,
    next_time: i64,
    next_zone: &'static str,
    times: HashMap<Object, i64>,
    tips: HashMap<String, Object>,
    loose_references: Vec<(String, Object)>,
    head: String,
    object_format: &'static str,
}

impl Default for RepositoryBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RepositoryBuilder {
    /// An empty repository with SHA-1 ids whose `HEAD` is `refs/heads/main`.
    pub fn new() -> Self {
        Self {
            stream: Vec::new(),
            changes: Vec::new(),
            marks: 0,
            next_time: FIRST_COMMIT,
            next_zone: "+0530",
            times: HashMap::new(),
            tips: HashMap::new(),
            loose_references: Vec::new(),
            head: "refs/heads/main".to_owned(),
            object_format: "sha1",
        }
    }

    /// An empty repository with SHA-256 ids.
    pub fn sha256() -> Self {
        Self { object_format: "sha256", ..Self::new() }
    }

    /// Writes a regular file in the next commit.
    pub fn file(&mut self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> &mut Self {
        self.entry("100644", path.as_ref(), content.as_ref())
    }

    /// Writes a file with the executable bit in the next commit.
    pub fn executable(&mut self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> &mut Self {
        self.entry("100755", path.as_ref(), content.as_ref())
    }

    /// Writes a symbolic link in the next commit.
    pub fn symlink(&mut self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> &mut Self {
        self.entry("120000", path.as_ref(), target.as_ref())
    }

    /// Writes a submodule entry in the next commit; the commit it names does not exist.
    pub fn submodule(&mut self, path: impl AsRef<[u8]>) -> &mut Self {
        let id = "5".repeat(if self.object_format == "sha1" { 40 } else { 64 });
        self.changes.extend_from_slice(format!("M 160000 {id} ").as_bytes());
        self.changes.extend_from_slice(&quoted(path.as_ref()));
        self.changes.push(b'\n');
        self
    }

    /// Deletes a file or a directory in the next commit.
    pub fn remove(&mut self, path: impl AsRef<[u8]>) -> &mut Self {
        self.changes.extend_from_slice(b"D ");
        self.changes.extend_from_slice(&quoted(path.as_ref()));
        self.changes.push(b'\n');
        self
    }

    /// Deletes everything in the next commit.
    pub fn clear(&mut self) -> &mut Self {
        self.changes.extend_from_slice(b"deleteall\n");
        self
    }

    /// Sets the committer time of the next commit: seconds since 1970 and a zone such as `+0530`.
    pub fn at(&mut self, seconds: i64, zone: &'static str) -> &mut Self {
        self.next_time = seconds;
        self.next_zone = zone;
        self
    }

    /// Commits the gathered changes on top of a branch, which is created if it is new.
    pub fn commit(&mut self, branch: &str) -> Object {
        self.commit_to(&format!("refs/heads/{branch}"), None)
    }

    /// Commits on top of any reference by its full name, such as `refs/pull/1/head`.
    pub fn commit_reference(&mut self, reference: &str) -> Object {
        self.commit_to(reference, None)
    }

    /// Merges `other` into a branch: the first parent's files with the gathered changes.
    pub fn merge(&mut self, branch: &str, other: Object) -> Object {
        self.commit_to(&format!("refs/heads/{branch}"), Some(other))
    }

    /// Creates or moves a branch.
    pub fn branch(&mut self, name: &str, commit: Object) -> &mut Self {
        self.reference(&format!("refs/heads/{name}"), commit)
    }

    /// Creates or moves a lightweight tag.
    pub fn tag(&mut self, name: &str, commit: Object) -> &mut Self {
        self.reference(&format!("refs/tags/{name}"), commit)
    }

    /// Creates or moves any reference, by its full name, to a commit.
    pub fn reference(&mut self, name: &str, commit: Object) -> &mut Self {
        self.stream.extend_from_slice(format!("reset {name}\nfrom :{}\n\n", commit.0).as_bytes());
        self.tips.insert(name.to_owned(), commit);
        self
    }

    /// Creates an annotated tag of a commit, a blob or another annotated tag.
    pub fn annotated_tag(&mut self, name: &str, target: Object) -> Object {
        let tag = self.mark();
        let time = self.times.get(&target).copied().unwrap_or(FIRST_COMMIT) + SECONDS_PER_DAY;
        self.times.insert(tag, time);
        let text = format!(
            "tag {name}\nmark :{}\nfrom :{}\ntagger Tagger <tagger@stoa.example> {time} -0300\ndata 3\ntag\n",
            tag.0, target.0
        );
        self.stream.extend_from_slice(text.as_bytes());
        tag
    }

    /// Adds a blob that no tree contains.
    pub fn blob(&mut self, content: impl AsRef<[u8]>) -> Object {
        let blob = self.mark();
        self.stream.extend_from_slice(format!("blob\nmark :{}\n", blob.0).as_bytes());
        append_data(&mut self.stream, content.as_ref());
        blob
    }

    /// Points a reference at any object, also one that is no commit.
    pub fn loose_reference(&mut self, name: &str, object: Object) -> &mut Self {
        self.loose_references.push((name.to_owned(), object));
        self
    }

    /// Sets what `HEAD` names, by its full name; the reference need not exist.
    pub fn head(&mut self, reference: &str) -> &mut Self {
        self.head = reference.to_owned();
        self
    }

    /// Makes the bare repository in `directory`, which is created.
    ///
    /// # Errors
    /// The directory cannot be written, or git refuses a name or a reference.
    pub fn build(&self, directory: &Path) -> Result<Repository, BuildError> {
        let path = directory.to_path_buf();
        let io = |source| BuildError::Io { path: path.clone(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let mut repository =
            Repository { path: path.clone(), ids: HashMap::new(), times: self.times.clone() };
        let format = format!("--object-format={}", self.object_format);
        repository.git(["init", "--quiet", "--bare", "--template=", &format, "."], b"")?;
        let marks = directory.join("stoa-marks");
        let export = format!("--export-marks={}", marks.display());
        repository.git(
            ["fast-import", "--quiet", "--force", "--date-format=raw", &export],
            &self.stream,
        )?;
        for line in std::fs::read_to_string(&marks).map_err(io)?.lines() {
            let parsed = line.strip_prefix(':').and_then(|rest| rest.split_once(' '));
            if let Some((mark, id)) = parsed
                && let Ok(mark) = mark.parse()
            {
                repository.ids.insert(Object(mark), id.to_owned());
            }
        }
        std::fs::remove_file(&marks).map_err(io)?;
        for (name, object) in &self.loose_references {
            let file = directory.join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(directory)).map_err(io)?;
            std::fs::write(file, format!("{}\n", repository.id(*object))).map_err(io)?;
        }
        std::fs::write(directory.join("HEAD"), format!("ref: {}\n", self.head)).map_err(io)?;
        Ok(repository)
    }

    fn commit_to(&mut self, reference: &str, other: Option<Object>) -> Object {
        let commit = self.mark();
        let (time, zone) = (self.next_time, self.next_zone);
        self.times.insert(commit, time);
        self.next_time += 3600;
        let author_time = (time - SECONDS_PER_DAY).max(0);
        let mut text = format!(
            "commit {reference}\nmark :{}\n\
             author Author <author@stoa.example> {author_time} -0700\n\
             committer Committer <committer@stoa.example> {time} {zone}\ndata 7\ncommit\n",
            commit.0
        );
        if let Some(parent) = self.tips.insert(reference.to_owned(), commit) {
            writeln!(text, "from :{}", parent.0).expect("a string takes all writes");
        }
        if let Some(other) = other {
            writeln!(text, "merge :{}", other.0).expect("a string takes all writes");
        }
        self.stream.extend_from_slice(text.as_bytes());
        self.stream.append(&mut self.changes);
        self.stream.push(b'\n');
        commit
    }

    fn entry(&mut self, mode: &str, path: &[u8], content: &[u8]) -> &mut Self {
        self.changes.extend_from_slice(format!("M {mode} inline ").as_bytes());
        self.changes.extend_from_slice(&quoted(path));
        self.changes.push(b'\n');
        append_data(&mut self.changes, content);
        self
    }

    fn mark(&mut self) -> Object {
        self.marks += 1;
        Object(self.marks)
    }
}

/// A bare repository on disk.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    ids: HashMap<Object, String>,
    times: HashMap<Object, i64>,
}

impl Repository {
    /// The repository's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hexadecimal id of an object of this repository's builder.
    ///
    /// # Panics
    /// When the object belongs to another builder.
    pub fn id(&self, object: Object) -> &str {
        self.ids.get(&object).expect("objects are used with the repository they were built for")
    }

    /// The committer time of a commit, whole seconds.
    ///
    /// # Panics
    /// When the object is no commit of this repository's builder.
    pub fn time(&self, commit: Object) -> Timestamp {
        let seconds = *self.times.get(&commit).expect("only commits are asked for their time");
        Timestamp::from_second(seconds).expect("builders get times of this age of the world")
    }

    /// `prefix`, the time and the short id of a commit: the pseudo-version of go-modules §3.5.
    ///
    /// The prefix is all that stands before the time, such as `v1.0.1-0.`.
    pub fn pseudo_version(&self, prefix: &str, commit: Object) -> String {
        let time = self.time(commit).strftime("%Y%m%d%H%M%S");
        format!("{prefix}{time}-{}", &self.id(commit)[..12])
    }

    /// Commits one flat tree of raw entries as a new root of `reference`.
    ///
    /// Entries are written as given, unsorted and unchecked. Returns the commit's id.
    ///
    /// # Errors
    /// Git cannot write the objects.
    pub fn commit_raw_tree(
        &self,
        reference: &str,
        entries: &[RawEntry<'_>],
    ) -> Result<String, BuildError> {
        let mut tree = Vec::new();
        for (mode, name, content) in entries {
            let id = self.git(["hash-object", "-w", "--stdin"], content)?;
            tree.extend_from_slice(mode.as_bytes());
            tree.push(b' ');
            tree.extend_from_slice(name);
            tree.push(0);
            tree.extend(
                (0..id.len() / 2)
                    .filter_map(|byte| u8::from_str_radix(&id[byte * 2..byte * 2 + 2], 16).ok()),
            );
        }
        let tree =
            self.git(["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], &tree)?;
        let commit = self.git(["commit-tree", "-m", "commit", &tree], b"")?;
        self.git(["update-ref", reference, &commit], b"")?;
        Ok(commit)
    }

    /// Runs git in this repository with a clean environment and gives its trimmed output.
    ///
    /// # Errors
    /// Git cannot be started or fails.
    pub fn git<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Result<String, BuildError> {
        let io = |source| BuildError::Io { path: self.path.clone(), source };
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.path).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let date = format!("{FIRST_COMMIT} +0530");
        command.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Author"),
            ("GIT_AUTHOR_EMAIL", "author@stoa.example"),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_NAME", "Committer"),
            ("GIT_COMMITTER_EMAIL", "committer@stoa.example"),
            ("GIT_COMMITTER_DATE", &date),
        ]);
        let subcommand = command.get_args().next().unwrap_or_default().to_string_lossy().into();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        // The commands used here read all input before they answer; one that gives up
        // early closes its end, and its own message is the better one.
        if let Some(mut stdin) = child.stdin.take() {
            let _closed_early = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(io)?;
        if !output.status.success() {
            return Err(BuildError::Git {
                path: self.path.clone(),
                command: subcommand,
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A path as fast-import reads it: in double quotes, everything unusual in octal.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in path {
        match byte {
            b'"' | b'\\' | 0..=31 | 127.. => {
                text.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            _ => text.push(byte),
        }
    }
    text.push(b'"');
    text
}

fn append_data(stream: &mut Vec<u8>, content: &[u8]) {
    stream.extend_from_slice(format!("data {}\n", content.len()).as_bytes());
    stream.extend_from_slice(content);
    stream.push(b'\n');
}

#[cfg(test)]
mod tests;
