//! One process of a fleet under test.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::http_client::{self, Reply};
use crate::stoa_process::free_ports;

/// A debug build on a busy machine starts slowly; this only bounds a start that never ends.
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// A running `stoa-frontend` or `stoa-worker`; dropping it kills it.
pub(crate) struct Process {
    child: Child,
    public: String,
    admin: String,
    log: PathBuf,
}

impl Process {
    /// Starts the program, which lies beside `stoa`, and waits until it is ready.
    pub(crate) fn start(program: &str, log: &Path, variables: &[(String, String)]) -> Self {
        let mut process = Self::spawn(program, log, variables);
        process.wait_until_ready();
        process
    }

    /// Starts the program.
    pub(crate) fn spawn(program: &str, log: &Path, variables: &[(String, String)]) -> Self {
        let path = Path::new(env!("CARGO_BIN_EXE_stoa")).with_file_name(program);
        let [public, admin] = free_ports();
        let listen = variables.iter().find(|(name, _)| name == "STOA_LISTEN");
        let public = listen.map_or(public, |(_, address)| address.clone());
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(&path);
        command.env_clear();
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("STOA_LISTEN", &public)
            .env("STOA_ADMIN_LISTEN", &admin)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().unwrap())
            .stderr(log_file);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; build the whole workspace first", path.display())
        });
        Self { child, public, admin, log: log.to_path_buf() }
    }

    /// `host:port` of the public listener.
    pub(crate) fn authority(&self) -> &str {
        &self.public
    }

    /// `host:port` of the admin listener.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// What the process has written so far, and those before it under the same name.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// One series of its metrics.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let reply = http_client::get(&self.admin, "/metrics").unwrap();
        let text = reply.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// All requests of the GOPROXY protocol, whatever came of them.
    pub(crate) fn requests(&self) -> f64 {
        let text = self.ask("/metrics").text();
        let counts = text.lines().filter(|line| line.starts_with("stoa_requests_total{"));
        counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// Asks the public listener.
    pub(crate) fn get(&self, path: &str) -> Reply {
        http_client::get(&self.public, path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// Asks the admin listener.
    pub(crate) fn ask(&self, path: &str) -> Reply {
        http_client::get(&self.admin, path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "ended before it was killed:\n{}", self.log());
    }

    /// Sends SIGTERM and waits for an orderly end.
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

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Stops it in the middle of whatever it does, as a frozen host would.
    pub(crate) fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits until `/readyz` of the admin listener says so.
    pub(crate) fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            if let Ok(reply) = http_client::get(&self.admin, "/readyz")
                && reply.status == 200
            {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended at its start with {status}:\n{}", self.log());
            }
            assert!(started.elapsed() < READY_WITHIN, "not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has already been waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
