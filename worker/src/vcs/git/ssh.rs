//! Repositories behind SSH: `ssh` runs `git-upload-pack` on the host, one process per
//! question, and we speak the pack protocol over its pipes.
//!
//! The host is always one that the operator gave a key for, and its own key has to be one
//! of those that the operator named: nobody is asked, nothing is learnt, and neither the
//! user's configuration nor an agent is seen.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tempfile::TempDir;
use url::Url;

use super::pkt_line::FLUSH;
use super::process::{self, Input, ProgramError, Running, Start};
use super::stream::{Body, from_program};
use crate::credentials::SshAccess;
use crate::egress::Deadline;
use crate::vcs::VcsError;

/// Names within the directory that `ssh` runs in.
const KEY: &str = "key";
const KNOWN_HOSTS: &str = "known_hosts";

/// What holds for every run. Whatever is not said here keeps the default of the program,
/// because no configuration is read.
const OPTIONS: [&str; 17] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UserKnownHostsFile=known_hosts",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "IdentitiesOnly=yes",
    "IdentityFile=key",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ControlPath=none",
    "ConnectTimeout=10",
    // A host that falls silent is given up before the deadline of the whole.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "LogLevel=ERROR",
];

/// Where the `ssh` program lies, if it is installed.
pub(super) fn find() -> Option<PathBuf> {
    process::find("ssh", None)
}

/// One repository on a host that is reached over SSH.
#[derive(Debug)]
pub(super) struct SshRepository<'a> {
    pub(super) program: Option<&'a Path>,
    pub(super) temp_dir: &'a Path,
    pub(super) access: SshAccess,
    /// Of the repository on the host.
    path: String,
    shown: String,
    pub(super) deadline: Deadline,
}

/// An `ssh` whose output is being read.
#[derive(Debug)]
pub(super) struct SshProcess {
    running: Running,
    known_hosts: PathBuf,
}

impl<'a> SshRepository<'a> {
    /// The repository that `url` (`ssh` or `https`) names, by way of `access`.
    pub(super) fn new(
        program: Option<&'a Path>,
        temp_dir: &'a Path,
        mut access: SshAccess,
        url: &Url,
        shown: String,
        deadline: Deadline,
    ) -> Result<Self, VcsError> {
        let refused = |reason: &str| {
            let reason = format!("refused: {reason}");
            Err(VcsError::Refused { url: shown.clone(), reason })
        };
        let path = match percent_decode_str(url.path()).decode_utf8() {
            Ok(path) if !path.chars().any(char::is_control) => path.into_owned(),
            _ => return refused("the repository's path is not plain text"),
        };
        if url.scheme() == "ssh" && !url.username().is_empty() {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if url.username().starts_with('-') || !url.username().bytes().all(is_name) {
                return refused("the URL's user is not a plain name");
            }
            url.username().clone_into(&mut access.user);
        }
        if access.host.starts_with('-') {
            return refused("the host's name starts with a hyphen");
        }
        Ok(Self { program, temp_dir, access, path, shown, deadline })
    }

    /// What the server can do.
    pub(super) fn advertisement(&self) -> Result<Body, VcsError> {
        self.run(Bytes::from_static(FLUSH), true)
    }

    /// Sends a request of either version; an advertisement comes before the answer.
    pub(super) fn upload_pack(&self, request: Bytes, is_v2: bool) -> Result<Body, VcsError> {
        let request = match is_v2 {
            // And no further one.
            true => [&request, FLUSH].concat().into(),
            false => request,
        };
        self.run(request, is_v2)
    }

    fn run(&self, request: Bytes, is_v2: bool) -> Result<Body, VcsError> {
        let started = self.files().map_err(ProgramError::from).and_then(|files| {
            let start = Start {
                program: self.program.ok_or(ProgramError::Missing { name: "ssh" })?,
                name: "ssh".to_owned(),
                arguments: self.arguments(is_v2),
                environment: vec![("HOME", files.path().into()), ("LC_ALL", "C".into())],
                directory: files.path(),
                input: Input::Bytes(request),
            };
            let mut running = start.now(self.deadline)?;
            running.keep(files);
            Ok(running)
        });
        let running = started.map_err(|error| from_program(&self.shown, error))?;
        let known_hosts = self.access.known_hosts_file.clone();
        Ok(Body::Ssh(Box::new(SshProcess { running, known_hosts })))
    }

    fn arguments(&self, is_v2: bool) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = ["-F", "/dev/null", "-T"].map(OsString::from).into();
        let mut option = |text: Cow<'static, str>| {
            arguments.extend(["-o".into(), OsString::from(text.as_ref())]);
        };
        OPTIONS.into_iter().for_each(|text| option(text.into()));
        if is_v2 {
            // Servers that do not accept it speak the older version.
            option("SetEnv=GIT_PROTOCOL=version=2".into());
        }
        option(format!("Port={}", self.access.port).into());
        option(format!("User={}", self.access.user).into());
        // An IPv6 address has brackets in a URL only.
        let host = self.access.host.trim_start_matches('[').trim_end_matches(']');
        let command = format!("git-upload-pack {}", quoted(&self.path));
        arguments.extend(["--".into(), host.into(), command.into()]);
        arguments
    }

    /// The key and the host's keys, for us alone, as long as the process runs.
    fn files(&self) -> io::Result<TempDir> {
        let files = tempfile::Builder::new().prefix("stoa-ssh-").tempdir_in(self.temp_dir)?;
        for (name, bytes) in [(KEY, &self.access.key), (KNOWN_HOSTS, &self.access.known_hosts)] {
            let path = files.path().join(name);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(bytes)?;
            // Without a line's end the last line is no key.
            file.write_all(b"\n")?;
        }
        Ok(files)
    }
}

impl SshProcess {
    /// The next piece of the answer; `None` at its end.
    pub(super) async fn chunk(&mut self, url: &str) -> Result<Option<Bytes>, VcsError> {
        match self.running.chunk().await {
            Err(ProgramError::Failed { message, .. }) => Err(self.failure(url, &message)),
            chunk => chunk.map_err(|error| from_program(url, error)),
        }
    }

    /// What the words of `ssh`, or of the other side, mean.
    fn failure(&self, url: &str, message: &str) -> VcsError {
        let url = url.to_owned();
        let says = |text: &str| message.contains(text);
        let name = self.known_hosts.file_name().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default();
        let not_let_in = |reason: String| {
            tracing::warn!(
                vcs.url = url,
                known_hosts = %self.known_hosts.display(),
                message,
                "a host of private modules cannot be used over SSH"
            );
            VcsError::NotLetIn { url: url.clone(), reason }
        };
        if says("HOST IDENTIFICATION HAS CHANGED") {
            return not_let_in(format!(
                "the host's SSH key is another one than in {name} (knownHosts in STOA_VCS_CREDENTIALS): somebody may be in between"
            ));
        }
        if says("Host key verification failed") || says("host key is known for") {
            return not_let_in(format!(
                "the host's SSH key is not in {name} (knownHosts in STOA_VCS_CREDENTIALS)"
            ));
        }
        if says("Load key") {
            let reason = "the SSH key in STOA_VCS_CREDENTIALS cannot be used: it is damaged, or has a passphrase";
            return not_let_in(reason.to_owned());
        }
        if says("Permission denied") {
            return not_let_in(
                "the host refuses the SSH key; check STOA_VCS_CREDENTIALS".to_owned(),
            );
        }
        let absent =
            ["does not appear to be a git repository", "epository not found", "could not be found"];
        if absent.into_iter().any(says) {
            return VcsError::RepositoryNotFound { url };
        }
        // The answer to a version that it does not speak (any longer).
        if says("protocol error") {
            return VcsError::InvalidData { url, reason: "a protocol error".to_owned() };
        }
        tracing::warn!(vcs.url = url, message, "ssh failed");
        let known = [
            "Connection refused",
            "Connection timed out",
            "Could not resolve hostname",
            "No user exists for uid",
        ];
        let reason =
            known.into_iter().find(|text| says(text)).unwrap_or("it failed, see the worker's log");
        VcsError::Unavailable { url, reason: format!("ssh: {reason}") }
    }
}

/// A word for the shell of the other side.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('!', r"'\!'"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn access(host: &str) -> SshAccess {
        SshAccess {
            host: host.to_owned(),
            port: 2222,
            user: "git".to_owned(),
            key: b"secret".as_slice().into(),
            known_hosts: b"keys".as_slice().into(),
            known_hosts_file: "/etc/stoa/known".into(),
        }
    }

    fn repository(host: &str, url: &str) -> Result<SshRepository<'static>, VcsError> {
        let url = Url::parse(url).unwrap();
        let deadline = Deadline::after(Duration::from_secs(1));
        let shown = "ssh://shown".to_owned();
        SshRepository::new(None, Path::new("/tmp"), access(host), &url, shown, deadline)
    }

    #[test]
    fn what_strangers_write_is_never_an_option_nor_a_command() {
        let arguments = |url: &str| {
            let arguments = repository("[::1]", url).unwrap().arguments(true);
            arguments.into_iter().map(|text| text.into_string().unwrap()).collect::<Vec<_>>()
        };
        let table = [
            ("https://h.example/team/x.git", "git", "'/team/x.git'"),
            ("ssh://me@h.example/a%20b", "me", "'/a b'"),
            ("ssh://h.example/$(id)'`x`'!", "git", r"'/$(id)'\''`x`'\'''\!''"),
            ("ssh://h.example/--exec=x", "git", "'/--exec=x'"),
        ];
        for (url, user, path) in table {
            let arguments = arguments(url);
            let end = arguments.iter().position(|argument| argument == "--").unwrap();
            assert_eq!(arguments[end + 1..], ["::1".to_owned(), format!("git-upload-pack {path}")]);
            assert!(arguments[..end].contains(&format!("User={user}")), "{url}");
            assert!(!arguments.iter().any(|argument| argument.contains("secret")));
        }
        for bad in ["ssh://-oProxyCommand=x@h/x", "ssh://a%20b@h/x", "ssh://h/a%0ab", "ssh://h/%ff"]
        {
            assert!(matches!(repository("h", bad), Err(VcsError::Refused { .. })), "{bad}");
        }
        assert!(repository("-oProxyCommand=x", "ssh://h/x").is_err());
    }

    #[tokio::test]
    async fn the_words_of_the_program_have_meanings() {
        let temp = tempfile::tempdir().unwrap();
        let start = Start {
            program: Path::new("/bin/true"),
            name: "ssh".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: temp.path(),
            input: Input::Nothing,
        };
        let running = start.now(Deadline::after(Duration::from_secs(60))).unwrap();
        let process = SshProcess { running, known_hosts: "/etc/stoa/known".into() };
        for (message, expected) in [
            (
                "No ED25519 host key is known for h and you have requested strict checking. Host key verification failed.",
                "u: the host's SSH key is not in known (knownHosts in STOA_VCS_CREDENTIALS)",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @ Host key verification failed.",
                "u: the host's SSH key is another one than in known (knownHosts in STOA_VCS_CREDENTIALS): somebody may be in between",
            ),
            (
                "git@h: Permission denied (publickey).",
                "u: the host refuses the SSH key; check STOA_VCS_CREDENTIALS",
            ),
            (
                "Load key \"key\": error in libcrypto git@h: Permission denied (publickey).",
                "u: the SSH key in STOA_VCS_CREDENTIALS cannot be used: it is damaged, or has a passphrase",
            ),
            ("ERROR: Repository not found.", "u: repository not found"),
            ("fatal: '/x' does not appear to be a git repository", "u: repository not found"),
            ("ssh: connect to host h port 22: Connection refused", "u: ssh: Connection refused"),
            ("/secret/path: no", "u: ssh: it failed, see the worker's log"),
        ] {
            assert_eq!(process.failure("u", message).to_string(), expected);
        }
    }
}
