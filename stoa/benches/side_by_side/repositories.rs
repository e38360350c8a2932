//! Generated git repositories: made once, the same on every machine.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::directories;
use crate::outcome::{Failure, Naming, Outcome};
use crate::program;
use crate::text::Text;

/// The owner of all of them: `https://github.com/stoa-bench/<name>`.
pub(crate) const OWNER: &str = "github.com/stoa-bench";

/// Seconds since 1970 of the first commit; each next one is an hour later.
const FIRST_COMMIT: usize = 1_600_000_000;

/// What a repository is made of.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) name: String,
    /// For the table.
    pub(crate) title: &'static str,
    files: usize,
    /// Bytes.
    file_size: usize,
    /// Tags `v1.0.0`, `v1.1.0`, …
    tags: usize,
    commits_a_tag: usize,
    /// Files rewritten by each commit.
    changes: usize,
}

impl Repository {
    /// Those that fills are measured with; the last one's pack has 150 MB.
    pub(crate) fn for_fills() -> [Self; 3] {
        let repository = |name: &str, title, (files, file_size), (commits_a_tag, changes)| Self {
            name: name.to_owned(),
            title,
            files,
            file_size,
            tags: 24,
            commits_a_tag,
            changes,
        };
        [
            repository("small", "20 files", (20, 4_000), (1, 3)),
            repository("medium", "10 MB of files", (400, 25_000), (1, 20)),
            repository("history", "150 MB of history", (300, 50_000), (14, 20)),
        ]
    }

    /// Those whose lists are asked for: from few tags to many.
    pub(crate) fn for_lists() -> Vec<Self> {
        let repository = |number: usize| Self {
            name: format!("list-{number:02}"),
            title: "tags",
            files: 1,
            file_size: 100,
            tags: 3 + number * 5,
            commits_a_tag: 1,
            changes: 1,
        };
        (0..40).map(repository).collect()
    }

    /// Those that fleets of several sizes fill: a module each, with one version.
    pub(crate) fn for_scale() -> Vec<Self> {
        let repository = |number: usize| Self {
            name: format!("scale-{number:02}"),
            title: "modules",
            files: 5,
            file_size: 2_000,
            tags: 1,
            commits_a_tag: 1,
            changes: 1,
        };
        (0..72).map(repository).collect()
    }

    pub(crate) fn module(&self) -> String {
        format!("{OWNER}/{}", self.name)
    }

    pub(crate) fn tag_count(&self) -> usize {
        self.tags
    }

    pub(crate) fn tag(number: usize) -> String {
        format!("v1.{number}.0")
    }

    /// Makes the bare repository `<root>/<name>`, unless this very one is there.
    pub(crate) fn prepare(&self, root: &Path) -> Outcome<()> {
        let directory = root.join(&self.name);
        let (recipe, marker) = (format!("{self:?}\n"), directory.join("recipe"));
        if fs::read_to_string(&marker).is_ok_and(|text| text == recipe) {
            return Ok(());
        }
        directories::remove(&directory)?;
        directories::create(root)?;
        program::run(git(root).args(["init", "--quiet", "--bare", "-b", "main", &self.name]))?;
        let mut import = git(&directory)
            // Small imports would become loose objects, and level 1 is half the time.
            .args(["-c", "fastimport.unpackLimit=0", "-c", "pack.compression=1"])
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .naming("git fast-import")?;
        if let Some(stdin) = import.stdin.take() {
            self.write_stream(&mut BufWriter::new(stdin)).naming("git fast-import")?;
        }
        let status = import.wait().naming("git fast-import")?;
        if !status.success() {
            return Err(Failure::new(format!("git fast-import {}: {status}", self.name)));
        }
        directories::write(&marker, recipe)
    }

    fn write_stream(&self, stream: &mut impl Write) -> std::io::Result<()> {
        let mut text = Text::new(self.name.bytes().map(u64::from).sum());
        let mut next_file = 0;
        for tag in 0..self.tags {
            for of_tag in 0..self.commits_a_tag {
                let commit = tag * self.commits_a_tag + of_tag;
                let time = FIRST_COMMIT + commit * 3600;
                write!(
                    stream,
                    "commit refs/heads/main\nmark :{}\n\
                     committer Stoa <stoa@stoa.example> {time} +0000\ndata 7\nchange\n\n",
                    commit + 1
                )?;
                if commit == 0 {
                    let go_mod = format!("module {}\n\ngo 1.21\n", self.module());
                    write_file(stream, "go.mod", go_mod.as_bytes())?;
                }
                let changes = if commit == 0 { self.files } else { self.changes };
                for _ in 0..changes {
                    let path = format!("part{:02}/file{next_file:03}.go", next_file % 16);
                    let mut content = b"package part\n\n".to_vec();
                    content.extend(text.lines(self.file_size));
                    write_file(stream, &path, &content)?;
                    next_file = (next_file + 1) % self.files;
                }
                stream.write_all(b"\n")?;
            }
            let last = (tag + 1) * self.commits_a_tag;
            write!(stream, "reset refs/tags/{}\nfrom :{last}\n\n", Self::tag(tag))?;
        }
        stream.flush()
    }
}

fn write_file(stream: &mut impl Write, path: &str, content: &[u8]) -> std::io::Result<()> {
    write!(stream, "M 100644 inline {path}\ndata {}\n", content.len())?;
    stream.write_all(content)?;
    stream.write_all(b"\n")
}

/// Git without the user's settings.
pub(crate) fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0");
    command
}
