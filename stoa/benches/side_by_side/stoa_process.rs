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
    program: OsString,
    /// Whether it answers to clients; if not, only its admin listener answers.
    is_public: bool,
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
        let program = std::env::var_os("STOA_BENCH_PROGRAM")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_stoa").into());
        let variables = Vec::new();
        Self { program, is_public: true, directory: directory.to_owned(), variables }
    }

    /// `stoa-frontend` or `stoa-worker`, which lie beside `stoa`; where its backends are
    /// has to be set. `directory` is for nothing but its log.
    pub(crate) fn of_fleet(program: &str, directory: &Path) -> Self {
        let path = Path::new(env!("CARGO_BIN_EXE_stoa")).with_file_name(program);
        let is_public = program != "stoa-worker";
        Self { program: path.into(), is_public, ..Self::new(directory) }
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
        let program = &self.program;
        let started = Instant::now();
        let child = Command::new(program)
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
        let probed = if self.is_public { authority.clone() } else { admin };
        let mut process = StoaProcess { child, authority, ready_after: Duration::ZERO };
        process.wait_until_ready(&probed, started, &log)?;
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

    /// From the start of the process to the first 200 on `/readyz` without a reservation.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    fn wait_until_ready(&mut self, probed: &str, started: Instant, log: &Path) -> Outcome<()> {
        loop {
            let reply = http_client::get(probed, "/readyz");
            self.ready_after = started.elapsed();
            if reply.is_ok_and(|reply| reply.status == 200 && !is_degraded(&reply.body)) {
                return Ok(());
            }
            let ended = self.child.try_wait().naming("stoa")?;
            if ended.is_some() || self.ready_after > READY_WITHIN {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let last = said.lines().last().unwrap_or("(nothing logged)");
                let name = log.display();
                return Err(Failure::new(format!("{name}: not ready ({ended:?}): {last}")));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Whether something does not work although requests are welcome, such as a broker that
/// has not been reached yet.
fn is_degraded(readiness: &[u8]) -> bool {
    String::from_utf8_lossy(readiness).contains("degraded")
}

impl Drop for StoaProcess {
    fn drop(&mut self) {
        // Both fail only when the process has already been waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
