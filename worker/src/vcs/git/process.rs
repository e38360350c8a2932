//! Programs that we start: the only place of the worker that does.
//!
//! A program runs with an environment of our own making and within a process group that
//! is killed when its handle is dropped.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::egress::Deadline;

/// Bytes of output taken per read.
const CHUNK: usize = 64 << 10;
/// Bytes of error output kept: its beginning, where a program says what failed.
const ERROR_OUTPUT: usize = 8 << 10;

/// Where programs lie usually.
const USUAL_PLACES: &str = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin";

/// Finds a program in a search path such as the variable `PATH`, or else in the usual
/// places. The result is absolute.
pub(super) fn find(name: &str, search_path: Option<&OsStr>) -> Option<PathBuf> {
    let search_path = search_path.unwrap_or_else(|| OsStr::new(USUAL_PLACES));
    let directories = search_path.as_bytes().split(|&byte| byte == b':');
    directories
        .map(|directory| Path::new(OsStr::from_bytes(directory)))
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// One run of a program.
#[derive(Debug)]
pub(super) struct Start<'a> {
    /// Absolute.
    pub(super) program: &'a Path,
    /// What it is called in errors.
    pub(super) name: String,
    pub(super) arguments: Vec<OsString>,
    /// All variables that it sees.
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// Its current directory.
    pub(super) directory: &'a Path,
    /// Standard input.
    pub(super) input: Input,
}

#[derive(Debug, Default)]
pub(super) enum Input {
    #[default]
    Nothing,
    Bytes(Bytes),
    File(File),
}

/// Why a program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("the {name} program is not installed")]
    Missing { name: &'static str },
    #[error("the program cannot be run")]
    Io(#[from] io::Error),
    #[error("{name} failed: {message}")]
    Failed { name: String, message: String },
    #[error("{name} printed more than {limit} bytes")]
    TooMuchOutput { name: String, limit: u64 },
    #[error("{name} took longer than {seconds} s")]
    Timeout { name: String, seconds: u64 },
}

impl Start<'_> {
    /// Starts the program; its output streams.
    pub(super) fn now(self, deadline: Deadline) -> Result<Running, ProgramError> {
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs(self.environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut bytes = None;
        match self.input {
            Input::Nothing => command.stdin(Stdio::null()),
            Input::File(file) => command.stdin(file),
            Input::Bytes(content) => {
                bytes = Some(content);
                command.stdin(Stdio::piped())
            }
        };
        let mut child = command.spawn()?;
        let output = child.stdout.take();
        let errors = child.stderr.take().map(|errors| tokio::spawn(beginning(errors)));
        if let (Some(bytes), Some(mut stdin)) = (bytes, child.stdin.take()) {
            // It may end without having read everything, which its status tells.
            tokio::spawn(async move { stdin.write_all(&bytes).await });
        }
        Ok(Running { child, output, errors, name: self.name, deadline, files: None })
    }
}

/// A process whose output is being read.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    output: Option<ChildStdout>,
    errors: Option<JoinHandle<String>>,
    name: String,
    deadline: Deadline,
    files: Option<TempDir>,
}

impl Running {
    /// What it is called in errors.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Keeps files until the process is over.
    pub(super) fn keep(&mut self, files: TempDir) {
        self.files = Some(files);
    }

    /// The next piece of output. `None` means that it has ended well.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ProgramError> {
        let deadline = self.deadline;
        match tokio::time::timeout_at(deadline.at(), self.next()).await {
            Ok(chunk) => chunk,
            Err(_) => {
                let seconds = deadline.total().as_secs();
                Err(ProgramError::Timeout { name: self.name.clone(), seconds })
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ProgramError> {
        if let Some(output) = &mut self.output {
            let mut chunk = Vec::with_capacity(CHUNK);
            if output.read_buf(&mut chunk).await? > 0 {
                return Ok(Some(chunk.into()));
            }
            self.output = None;
        }
        let status = self.child.wait().await?;
        if status.success() {
            return Ok(None);
        }
        let message = match self.errors.take() {
            Some(errors) => errors.await.unwrap_or_default(),
            None => String::new(),
        };
        Err(ProgramError::Failed { name: self.name.clone(), message })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An id means that it has not been waited for, so that the group is still its.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads everything, keeps the beginning, makes it one line.
async fn beginning(mut errors: ChildStderr) -> String {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut buffer = vec![0; ERROR_OUTPUT];
    while let Ok(count) = errors.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = ERROR_OUTPUT - kept.len();
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&kept);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_absolute_directories_only() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("git"), "").unwrap();
        let path = std::env::join_paths([Path::new("bin"), directory.path()]).unwrap();
        assert_eq!(find("git", Some(&path)), Some(directory.path().join("git")));
        assert_eq!(find("git", Some(OsStr::new("relative:"))), None);
    }
}
