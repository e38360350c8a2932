//! The program under test: started with settings in its environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::directories;
use crate::http_client;
use crate::outcome::{Failure, Naming, Outcome};

const READY_WITHIN: Duration = Duration::from_secs(10);

/// Settings of a process to be started over one storage directory.
#[derive(Debug, Clone)]
pub(crate) struct StoaSettings {
    directory: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

/// A running Stoa; dropping it kills it.
#[derive(Debug)]
pub(crate) struct StoaProcess {
    child: Child,
    authority: String,
    ready_after: Duration,
}

impl StoaSettings {
    /// The embedded default over `directory`, which is created.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), variables: Vec::new() }
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts the process and waits until it is ready.
    pub(crate) fn start(&self) -> Outcome<StoaProcess> {
        directories::create(&self.directory)?;
        let [authority, admin] = http_client::free_addresses()?;
        let log = self.directory.with_extension("log");
        let file = std::fs::File::create(&log).naming(log.display())?;
        let program = std::env::var_os("STOA_BENCH_PROGRAM")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_stoa").into());
        let started = Instant::now();
        let child = Command::new(&program)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"))
            .env("HOME", &self.directory)
            .env("STOA_LISTEN", &authority)
            .env("STOA_ADMIN_LISTEN", &admin)
            .env("STOA_STORAGE", format!("file://{}", self.directory.display()))
            .env("STOA_LOG", "warn")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone().naming(log.display())?)
            .stderr(file)
            .spawn()
            .naming(program.display())?;
        let mut process = StoaProcess { child, authority, ready_after: Duration::ZERO };
        process.wait_until_ready(started, &log)?;
        Ok(process)
    }
}

impl StoaProcess {
    /// `host:port` of the public listener.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// From the start of the process to the first 200 on `/readyz`.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    fn wait_until_ready(&mut self, started: Instant, log: &Path) -> Outcome<()> {
        loop {
            let reply = http_client::get(&self.authority, "/readyz");
            self.ready_after = started.elapsed();
            if reply.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            let ended = self.child.try_wait().naming("stoa")?;
            if ended.is_some() || self.ready_after > READY_WITHIN {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let last = said.lines().last().unwrap_or("(nothing logged)");
                return Err(Failure::new(format!("stoa is not ready ({ended:?}): {last}")));
            }
            std::thread::sleep(Duration::from_millis(2));
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
