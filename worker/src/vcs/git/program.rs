//! The git program, run with configuration, hooks, helpers, prompts and maintenance
//! switched off (go-modules §7, points 1 and 2).

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::process::{self, Input, ProgramError, Running, Start};
use crate::egress::Deadline;
use crate::vcs::ObjectFormat;

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

/// What every invocation sees of the environment, besides a home of its own.
const ENVIRONMENT: [(&str, &str); 10] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "/bin/false"),
    ("SSH_ASKPASS", "/bin/false"),
    ("GIT_ALLOW_PROTOCOL", "https"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("LC_ALL", "C"),
];

/// Finds the git program in a search path such as the variable `PATH`, or else in the
/// usual places. The result is absolute.
pub fn find(search_path: Option<&OsStr>) -> Option<PathBuf> {
    process::find("git", search_path)
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
        let program = self.path.as_ref().ok_or(ProgramError::Missing { name: "git" })?;
        let Invocation { repository, options, environment: further, arguments, input } = invocation;
        let command = arguments.first().map(|name| name.to_string_lossy().into_owned());
        let always = SAFE_OPTIONS.map(OsString::from);
        let options = always.into_iter().chain(options).flat_map(|option| ["-c".into(), option]);
        // Of two values of a variable the later holds.
        let mut environment: Vec<_> =
            ENVIRONMENT.into_iter().map(|(name, value)| (name, value.into())).collect();
        environment.push(("HOME", self.home.path().into()));
        environment.extend(further);
        environment.extend(repository.map(|repository| ("GIT_DIR", repository.into())));
        let start = Start {
            program,
            name: format!("git {}", command.unwrap_or_default()),
            arguments: options.chain(arguments).collect(),
            environment,
            directory: self.home.path(),
            input,
        };
        start.now(deadline)
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
                let name = running.name().to_owned();
                return Err(ProgramError::TooMuchOutput { name, limit: output_limit });
            }
        }
        Ok(output)
    }
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
        assert!(matches!(error, ProgramError::Missing { .. }));
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
