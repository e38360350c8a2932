//! The program under test: started with settings in its environment, killed with the test.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::http_client::{self, Reply};

/// A debug build on a busy machine starts slowly; this only bounds a start that never ends.
const READY_WITHIN: Duration = Duration::from_secs(20);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// Settings of a process to be started over one storage directory.
#[derive(Debug, Clone)]
pub(crate) struct StoaSettings {
    directory: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

impl StoaSettings {
    /// The embedded default over `directory`, which is created.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), variables: Vec::new() }
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// `STOA_VCS_REWRITE` from pairs of URL prefixes.
    pub(crate) fn rewrite(self, pairs: &[(String, String)]) -> Self {
        let pairs: Vec<String> = pairs.iter().map(|(from, to)| format!("{from}={to}")).collect();
        self.set("STOA_VCS_REWRITE", pairs.join(","))
    }

    /// Starts the process and waits until it is ready.
    pub(crate) fn start(&self) -> StoaProcess {
        std::fs::create_dir_all(&self.directory).unwrap();
        let [listen, admin] = free_ports();
        let log = self.directory.with_extension("log");
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stoa"));
        command.env_clear();
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", &self.directory)
            .env("STOA_LISTEN", &listen)
            .env("STOA_ADMIN_LISTEN", &admin)
            .env("STOA_STORAGE", format!("file://{}", self.directory.display()))
            .env("STOA_LOG", "warn")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().unwrap())
            .stderr(log_file);
        let child = command.spawn().unwrap();
        let mut process =
            StoaProcess { child, authority: listen, admin, directory: self.directory.clone(), log };
        process.wait_until_ready();
        process
    }
}

/// A running Stoa; dropping it kills it.
#[derive(Debug)]
pub(crate) struct StoaProcess {
    child: Child,
    authority: String,
    admin: String,
    directory: PathBuf,
    log: PathBuf,
}

impl StoaProcess {
    /// `host:port` of the public listener.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// `host:port` of the admin listener.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// The storage directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What the process has written to standard output and error so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks the public listener.
    pub(crate) fn get(&self, path: &str) -> Reply {
        http_client::get(&self.authority, path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// `/metrics` of the admin listener.
    pub(crate) fn metrics(&self) -> String {
        let reply = http_client::get(&self.admin, "/metrics").unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "stoa ended before it was killed:\n{}", self.log());
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate();
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < STOPPED_WITHIN, "no end after SIGTERM:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            if let Ok(reply) = http_client::get(&self.authority, "/readyz")
                && reply.status == 200
            {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("stoa ended at its start with {status}:\n{}", self.log());
            }
            assert!(started.elapsed() < READY_WITHIN, "stoa is not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for StoaProcess {
    fn drop(&mut self) {
        // Both fail only when the process has already been waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Two free loopback addresses, held together so that they differ.
pub(crate) fn free_ports() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}
