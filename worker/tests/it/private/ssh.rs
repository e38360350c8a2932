//! Hosts that are reached over SSH, by a real server with keys of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use stoa_shared::{
    answer::Meaning,
    space::Space,
    testing::git_server::{Options, Page},
};

use super::{HOST, MODULE, Scene, fill, list, private, run};

/// Only bounds a wait for what never comes.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);

/// An SSH server on loopback; stops when dropped.
struct SshServer {
    process: Child,
    port: u16,
}

impl SshServer {
    /// A server with the keys below `directory`; old servers know no newer version of
    /// git's protocol than the first.
    fn start(directory: &Path, is_old: bool) -> Self {
        for name in ["host", "other", "user", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(directory.join(name))
                .status()
                .unwrap();
            assert!(made.success());
        }
        fs::copy(directory.join("user.pub"), directory.join("authorized")).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let accepts = if is_old { "" } else { "AcceptEnv GIT_PROTOCOL\n" };
        let shown = directory.display();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {shown}/host\nPidFile none\nUsePAM no\n\
             AuthorizedKeysFile {shown}/authorized\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n{accepts}"
        );
        fs::write(directory.join("sshd_config"), configuration).unwrap();
        // A server that root starts wants it; a machine without an init has none. Others
        // neither need it nor may make it.
        let _ = fs::create_dir_all("/run/sshd");
        let process = Command::new(program("sshd"))
            .args(["-D", "-f"])
            .arg(directory.join("sshd_config"))
            .arg("-E")
            .arg(directory.join("sshd.log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let log = || fs::read_to_string(directory.join("sshd.log")).unwrap_or_default();
            assert!(started.elapsed() < HAPPENS_WITHIN, "sshd does not listen: {}", log());
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// It starts itself anew for each connection and needs its whole path.
fn program(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/sbin"];
    let found =
        places.map(|place| Path::new(place).join(name)).into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed: it serves repositories to tests"))
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// One host behind SSH, and what we know of it.
struct SshScene {
    scene: Scene,
    server: SshServer,
}

impl SshScene {
    async fn new(is_old: bool) -> Self {
        let scene = Scene::new(None).await;
        let server = SshServer::start(scene.directory.path(), is_old);
        let this = Self { scene, server };
        this.know("host");
        this
    }

    /// Takes this key for the host's.
    fn know(&self, key: &str) {
        let key = fs::read_to_string(self.scene.path(&format!("{key}.pub"))).unwrap();
        self.scene.write("corp_hosts", &format!("[127.0.0.1]:{} {key}", self.server.port));
    }

    fn credentials(&self, key: &str) -> String {
        let (port, user) = (self.server.port, user());
        format!(
            r#"[{{"host": "127.0.0.1:{port}", "kind": "ssh", "user": "{user}",
                 "secret": "file:DIR/{key}", "knownHosts": "file:DIR/corp_hosts"}}]"#
        )
    }

    fn workers(&self, credentials: &str) -> stoa_worker::workers::Workers {
        let root = self.scene.path("repositories");
        let port = self.server.port;
        let rewrite =
            format!("https://git.corp.example/=ssh://127.0.0.1:{port}{}/", root.display());
        self.scene.workers_with(credentials, &rewrite, |_| {})
    }
}

#[tokio::test]
async fn a_private_module_is_filled_over_ssh_in_either_version_of_the_protocol() {
    for is_old in [false, true] {
        let site = SshScene::new(is_old).await;
        let workers = site.workers(&site.credentials("user"));
        run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
        run(&workers, &private(), &list(MODULE)).await.unwrap();
        let stored = site.scene.stored().await;
        assert!(stored.contains(&format!("_stoa/private/default/{MODULE}/@v/v1.0.0.zip")));
        assert!(stored.iter().all(|key| key.starts_with("_stoa/private/default/")), "{stored:?}");
        assert!(!site.scene.is_stored("127.0.0.1"), "the origin is the repository's own URL");
        assert!(site.scene.server.hosts().is_empty());
        let missing = fill("git.corp.example/team/missing.git", "v1.0.0");
        let failure = run(&workers, &private(), &missing).await.unwrap_err();
        assert_eq!(failure.meaning(), Meaning::Absent, "{failure}");
    }
}

#[tokio::test]
async fn a_host_with_nothing_but_a_key_is_reached_over_ssh_wherever_its_name_comes_from() {
    let site = SshScene::new(false).await;
    let repositories = site.scene.path("repositories");
    let url =
        format!("ssh://127.0.0.1:{}{}/team/secret.git", site.server.port, repositories.display());
    let tag = format!(r#"<meta name="go-import" content="git.corp.example/vanity git {url}">"#);
    site.scene.server.set_options(Options::default().with_page("/vanity", Page::html(&tag)));
    let workers = site.scene.workers(&site.credentials("user"));
    let of_path = format!("127.0.0.1{}/team/secret.git", repositories.display());
    for module in ["git.corp.example/vanity", &of_path] {
        run(&workers, &private(), &list(module)).await.unwrap();
    }
    assert_eq!(site.scene.server.hosts().into_iter().collect::<Vec<_>>(), [HOST]);
    assert!(site.scene.is_stored("v1.0.0"));
}

#[tokio::test]
async fn a_host_with_another_key_than_the_operator_named_is_not_talked_to() {
    let site = SshScene::new(false).await;
    let workers = site.workers(&site.credentials("user"));
    let said = |failure: stoa_worker::failure::Failure| {
        assert_eq!(failure.meaning(), Meaning::OriginUnavailable);
        failure.client_message()
    };
    site.know("other");
    let failure = run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap_err();
    assert_eq!(
        said(failure),
        "https://git.corp.example/team/secret: the host's SSH key is another one than in corp_hosts (knownHosts in STOA_VCS_CREDENTIALS): somebody may be in between"
    );
    site.scene.write("corp_hosts", "elsewhere.example ssh-ed25519 AAAA\n");
    let failure = run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap_err();
    assert_eq!(
        said(failure),
        "https://git.corp.example/team/secret: the host's SSH key is not in corp_hosts (knownHosts in STOA_VCS_CREDENTIALS)"
    );
    // Mended without a restart.
    site.know("host");
    run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_host_does_not_know_and_no_key_at_all_are_no_absence() {
    let site = SshScene::new(false).await;
    for (credentials, says) in [
        (site.credentials("stranger"), "the host refuses the SSH key; check STOA_VCS_CREDENTIALS"),
        ("[]".to_owned(), "STOA_VCS_CREDENTIALS has no key for its host"),
    ] {
        let workers = site.workers(&credentials);
        let failure = run(&workers, &private(), &fill(MODULE, "v1.0.0")).await.unwrap_err();
        assert!(failure.client_message().ends_with(says), "{failure}");
        assert_eq!(failure.meaning(), Meaning::OriginUnavailable);
    }
    let workers = site.workers(&site.credentials("user"));
    let missing = fill("git.corp.example/team/missing.git", "v1.0.0");
    let failure = run(&workers, &private(), &missing).await.unwrap_err();
    assert_eq!(failure.meaning(), Meaning::Absent, "{failure}");
    run(&workers, &Space::Public, &fill(MODULE, "v1.0.0")).await.unwrap_err();
    assert!(site.scene.stored().await.iter().all(|key| !key.ends_with(".zip")));
}
