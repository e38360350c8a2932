//! A RabbitMQ node of a test's own, which can be stopped, killed and started again. The
//! broker of `make services` is no such thing: other tests use it at the same time.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::RngExt;

/// The program of this name on the PATH first becomes a user who may not be able to read
/// our directories.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A node starts in some seconds on an idle machine; this only bounds one that never does.
const READY_WITHIN: Duration = Duration::from_secs(90);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// A node with an epmd, ports and data of its own, all gone when it is dropped.
pub(super) struct BrokerNode {
    data: PathBuf,
    log: PathBuf,
    port: u16,
    distribution_port: u16,
    epmd_port: u16,
    epmd: Child,
    /// None while the node is down.
    broker: Option<Child>,
}

impl BrokerNode {
    /// Starts a node over new data below `directory`, where its log stays.
    pub(super) fn start(directory: &Path) -> Self {
        let data = directory.join("broker");
        std::fs::create_dir_all(&data).unwrap();
        let [port, distribution_port, epmd_port] = lasting_ports();
        let epmd = Command::new("epmd")
            .args(["-address", "127.0.0.1", "-port", &epmd_port.to_string()])
            .stdin(Stdio::null())
            .spawn();
        let epmd = epmd.unwrap_or_else(|error| not_installed("epmd", &error));
        let log = directory.join("broker.log");
        let mut node = Self { data, log, port, distribution_port, epmd_port, epmd, broker: None };
        std::fs::write(node.data.join("enabled_plugins"), "[].\n").unwrap();
        let config = format!(
            "listeners.tcp.local = 127.0.0.1:{port}\n\
             log.file = false\nlog.console = true\nlog.console.use_colors = off\n\
             disk_free_limit.absolute = 20MB\nraft.wal_max_size_bytes = 67108864\n"
        );
        std::fs::write(node.data.join("rabbitmq.conf"), config).unwrap();
        node.start_again();
        node
    }

    /// The URL of the node, its only vhost.
    pub(super) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Has the node end in an orderly way.
    pub(super) fn stop(&mut self) {
        let mut broker = self.broker.take().expect("a test stops a node that runs");
        let id = rustix::process::Pid::from_child(&broker);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let started = Instant::now();
        while broker.try_wait().unwrap().is_none() {
            if started.elapsed() > STOPPED_WITHIN {
                end(&mut broker);
                panic!("no end after SIGTERM:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has the node end at once.
    pub(super) fn kill(&mut self) {
        end(&mut self.broker.take().expect("a test kills a node that runs"));
    }

    /// Starts the node over its data, and waits until clients can connect.
    pub(super) fn start_again(&mut self) {
        assert!(self.broker.is_none(), "it runs");
        let broker = self.command().spawn();
        self.broker = Some(broker.unwrap_or_else(|error| not_installed(PROGRAM, &error)));
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.broker.as_mut().and_then(|it| it.try_wait().unwrap()) {
                panic!("ended at its start with {status}:\n{}", self.log());
            }
            assert!(started.elapsed() < READY_WITHIN, "not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As `make services` starts the shared broker, but for what only its management needs.
    fn command(&self) -> Command {
        let own = |name: &str| self.data.join(name);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.data)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("RABBITMQ_NODENAME", "stoa-test@localhost")
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            // The script turns into the broker, which so is our child, only where that may
            // read its input; -noinput takes this back.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noinput +S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_CONF_ENV_FILE", own("none"))
            .env("RABBITMQ_CONFIG_FILE", own("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", own("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", own("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", own("data"))
            .env("RABBITMQ_LOG_BASE", own("log"))
            .env("RABBITMQ_PID_FILE", own("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for BrokerNode {
    fn drop(&mut self) {
        if let Some(broker) = &mut self.broker {
            end(broker);
        }
        end(&mut self.epmd);
        let removed = std::fs::remove_dir_all(&self.data);
        // A test that fails already must not fail in another way.
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// Both fail only when the process has already been waited for.
fn end(process: &mut Child) {
    let _ended = process.kill();
    let _waited = process.wait();
}

fn not_installed(program: &str, error: &std::io::Error) -> ! {
    panic!("{program}: {error}; `make services` installs RabbitMQ, or says what is missing")
}

/// Free ports, below those that outgoing connections get: while the node is down, nobody
/// takes them by chance.
fn lasting_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| {
        loop {
            let port = rand::rng().random_range(20_000..30_000_u16);
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                return listener;
            }
        }
    });
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
