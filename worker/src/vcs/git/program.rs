//! The git program: the only place of the worker that starts processes.
//!
//! It runs with an environment of our own making and with configuration, hooks,
//! helpers, prompts and maintenance switched off (go-modules §7, points 1 and 2). Its
//! process group is killed when its handle is dropped.

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
use crate::vcs::ObjectFormat;

/// Bytes of output taken per read.
const CHUNK: usize = 64 << 10;
/// Bytes of error output kept: its beginning, where git says what failed.
const ERROR_OUTPUT: usize = 8 << 10;

/// Where the program lies usually.
const USUAL_PLACES: &str = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin";

/// Configuration for every invocation: nothing that a repository or a server says may
/// start anything or lead anywhere.
const SAFE_OPTIONS: [&str; 9] = [
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "credential.helper=",
    "protocol.version=2",
    "gc.auto=0",
    "maintenance.auto=0",
    "fetch.recurseSubmodules=no",
    "http.followRedirects=false",
    // Directories that the operator named may belong to another user.
    "safe.directory=*",
];

/// Finds the program in a search path such as the variable `PATH`, or else in the usual
/// places. The result is absolute.
pub fn find(search_path: Option<&OsStr>) -> Option<PathBuf> {
    let search_path = search_path.unwrap_or_else(|| OsStr::new(USUAL_PLACES));
    let directories = search_path.as_bytes().split(|&byte| byte == b':');
    directories
        .map(|directory| Path::new(OsStr::from_bytes(directory)))
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("git"))
        .find(|path| path.is_file())
}

/// How git is run. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct GitProgram {
    path: Option<PathBuf>,
    /// `HOME` and current directory; stays empty.
    home: Arc<TempDir>,
}

/// One run of git.
#[derive(Debug, Default)]
pub(super) struct Invocation {
    /// The repository, as `GIT_DIR`.
    pub(super) repository: Option<PathBuf>,
    /// `key=value` configuration beyond what always holds.
    pub(super) options: Vec<OsString>,
    /// Variables beyond what always holds.
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// Command and arguments. What comes from elsewhere stands behind an end of options.
    pub(super) arguments: Vec<OsString>,
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

/// Why git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("the git program is not installed")]
    Missing,
    #[error("the git program cannot be run")]
    Io(#[from] io::Error),
    #[error("git {command} failed: {message}")]
    Failed { command: String, message: String },
    #[error("git {command} printed more than {limit} bytes")]
    TooMuchOutput { command: String, limit: u64 },
    #[error("git {command} took longer than {seconds} s")]
    Timeout { command: String, seconds: u64 },
}

impl GitProgram {
    /// `path` is absolute, as [`find`] returns it.
    pub(super) fn new(path: Option<PathBuf>, temp_dir: &Path) -> io::Result<Self> {
        let home = tempfile::Builder::new().prefix("stoa-git-home-").tempdir_in(temp_dir)?;
        Ok(Self { path, home: Arc::new(home) })
    }

    /// Starts git; its output streams.
    pub(super) fn start(
        &self,
        invocation: Invocation,
        deadline: Deadline,
    ) -> Result<Running, ProgramError> {
        let path = self.path.as_ref().ok_or(ProgramError::Missing)?;
        let Invocation { repository, options, environment, arguments, input } = invocation;
        let mut command = Command::new(path);
        for option in SAFE_OPTIONS {
            command.args(["-c", option]);
        }
        for option in &options {
            command.arg("-c").arg(option);
        }
        command
            .args(&arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS", "/bin/false")
            .env("GIT_ALLOW_PROTOCOL", "https")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("LC_ALL", "C")
            .envs(environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(repository) = repository {
            command.env("GIT_DIR", repository);
        }
        let mut bytes = None;
        match input {
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
        let command =
            arguments.first().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Running { child, output, errors, command, deadline })
    }

    /// A new bare repository, empty and without any template; vanishes when dropped.
    pub(super) async fn init(
        &self,
        temp_dir: &Path,
        format: ObjectFormat,
        deadline: Deadline,
    ) -> Result<TempDir, ProgramError> {
        let directory = tempfile::Builder::new().prefix("stoa-git-").tempdir_in(temp_dir)?;
        let format = match format {
            ObjectFormat::Sha1 => "--object-format=sha1",
            ObjectFormat::Sha256 => "--object-format=sha256",
        };
        let arguments = ["init", "--quiet", "--bare", "--template=", format, "--"];
        let mut arguments: Vec<OsString> = arguments.map(OsString::from).into();
        arguments.push(directory.path().into());
        let invocation = Invocation { arguments, ..Invocation::default() };
        self.run(invocation, 1 << 20, deadline).await?;
        Ok(directory)
    }

    /// Runs git to its end and returns its output.
    pub(super) async fn run(
        &self,
        invocation: Invocation,
        output_limit: u64,
        deadline: Deadline,
    ) -> Result<Vec<u8>, ProgramError> {
        let mut running = self.start(invocation, deadline)?;
        let mut output = Vec::new();
        while let Some(chunk) = running.chunk().await? {
            output.extend_from_slice(&chunk);
            if output.len() as u64 > output_limit {
                let command = running.command.clone();
                return Err(ProgramError::TooMuchOutput { command, limit: output_limit });
            }
        }
        Ok(output)
    }
}

/// A git process whose output is being read.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    output: Option<ChildStdout>,
    errors: Option<JoinHandle<String>>,
    command: String,
    deadline: Deadline,
}

impl Running {
    /// The next piece of output. `None` means that git has ended well.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ProgramError> {
        let deadline = self.deadline;
        match tokio::time::timeout_at(deadline.at(), self.next()).await {
            Ok(chunk) => chunk,
            Err(_) => {
                let seconds = deadline.total().as_secs();
                Err(ProgramError::Timeout { command: self.command.clone(), seconds })
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
        Err(ProgramError::Failed { command: self.command.clone(), message })
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
    use std::time::Duration;

    use super::*;

    fn program() -> GitProgram {
        GitProgram::new(find(None), &std::env::temp_dir()).unwrap()
    }

    fn arguments(arguments: &[&str]) -> Invocation {
        let arguments = arguments.iter().map(OsString::from).collect();
        Invocation { arguments, ..Invocation::default() }
    }

    fn minute() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    #[test]
    fn the_program_is_found_by_absolute_directories_only() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("git"), "").unwrap();
        let path = std::env::join_paths([Path::new("bin"), directory.path()]).unwrap();
        assert_eq!(find(Some(&path)), Some(directory.path().join("git")));
        assert_eq!(find(Some(OsStr::new("relative:"))), None);
    }

    #[tokio::test]
    async fn output_is_bounded_and_failure_says_why() {
        let version = program().run(arguments(&["version"]), 1000, minute()).await.unwrap();
        assert!(version.starts_with(b"git version"));
        let error = program().run(arguments(&["version"]), 5, minute()).await.unwrap_err();
        assert_eq!(error.to_string(), "git version printed more than 5 bytes");
        let error = program().run(arguments(&["rev-parse", "x"]), 5, minute()).await.unwrap_err();
        assert!(error.to_string().starts_with("git rev-parse failed: fatal: "), "{error}");
        let missing = GitProgram::new(None, &std::env::temp_dir()).unwrap();
        let error = missing.run(arguments(&["version"]), 5, minute()).await.unwrap_err();
        assert!(matches!(error, ProgramError::Missing));
    }

    #[tokio::test]
    async fn neither_the_environment_nor_configuration_of_the_user_is_seen() {
        let mut invocation = arguments(&["-c", "alias.variables=!env", "variables"]);
        invocation.environment = vec![("EXTRA", "1".into())];
        let output = program().run(invocation, 100_000, minute()).await.unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains("GIT_ALLOW_PROTOCOL=https\n") && output.contains("EXTRA=1\n"));
        assert!(!output.contains("CARGO"), "{output}");
        let invocation = arguments(&["config", "--list", "--show-scope"]);
        let output = program().run(invocation, 100_000, minute()).await.unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.lines().all(|line| line.starts_with("command")), "{output}");
    }

    #[tokio::test]
    async fn a_late_or_forgotten_process_is_killed_with_its_children() {
        let marked =
            |seconds: &str| arguments(&["-c", &format!("alias.nap=!sleep {seconds}"), "nap"]);
        let deadline = Deadline::after(Duration::from_millis(200));
        let error = program().run(marked("7654"), 1000, deadline).await.unwrap_err();
        assert!(matches!(error, ProgramError::Timeout { .. }), "{error}");
        drop(program().start(marked("7655"), minute()).unwrap());
        // Killing is at once, but the processes vanish when their parents notice.
        for _ in 0..200 {
            if !is_running("sleep\u{0}7654") && !is_running("sleep\u{0}7655") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still running");
    }

    fn is_running(command_line: &str) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.into_iter().any(|process| {
            std::fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).starts_with(command_line))
        })
    }
}
