//! Stories of private modules: fetched from the operator's hosts with what those ask for,
//! stored in their project's space, and named to nobody else.

mod https;
mod names;
mod ssh;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use stoa_shared::{
    config::Config,
    metrics::Metrics,
    queue::{Job, Task},
    space::{ProjectId, Space},
    storage::{DiskStorage, KeyPrefix, Storage},
    testing::{
        git_server::{GitServer, Options},
        repository::RepositoryBuilder,
    },
};
use stoa_worker::{
    credentials::Credentials,
    egress::ProxySettings,
    failure::Failure,
    settings::WorkerSettings,
    workers::{Sharing, Workers},
};
use tempfile::TempDir;

/// The only host that anybody has named.
const HOST: &str = "git.corp.example";
const MODULE: &str = "git.corp.example/team/secret.git";

/// A git host called [`HOST`], which is also the way out to all others, and workers.
struct Scene {
    directory: TempDir,
    server: GitServer,
    storage: Arc<dyn Storage>,
}

impl Scene {
    /// A host that demands this `Authorization`, with one module of one version.
    async fn new(authorization: Option<&str>) -> Self {
        // Its path is part of a module's in one story, where names begin with no dot.
        let directory = tempfile::Builder::new().prefix("scene-").tempdir().unwrap();
        let repositories = directory.path().join("repositories");
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {MODULE}\n"));
        let commit = repository.file("secret.go", "package secret\n").commit("main");
        repository.tag("v1.0.0", commit);
        fs::create_dir_all(repositories.join("team")).unwrap();
        repository.build(&repositories.join("team/secret.git")).unwrap();
        let options =
            Options { authorization: authorization.map(str::to_owned), ..Options::default() };
        let server = GitServer::start(repositories, options).await.unwrap();
        let storage = DiskStorage::open(directory.path().join("storage")).await.unwrap();
        Self { directory, server, storage: Arc::new(storage) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Makes the repository one that lies on a server as plain files, where its URL says.
    fn publish_files(&self) {
        let path = self.path("repositories/team/secret");
        fs::rename(self.path("repositories/team/secret.git"), &path).unwrap();
        let updated = std::process::Command::new("git")
            .arg("update-server-info")
            .current_dir(path)
            .status()
            .unwrap();
        assert!(updated.success());
    }

    /// Workers with these credentials, to whom the host is plain HTTP and who reach it,
    /// and everybody else, through the server.
    fn workers(&self, credentials: &str) -> Workers {
        self.workers_with(credentials, &format!("https://{HOST}/=http://{HOST}/"), |_| {})
    }

    fn workers_with(
        &self,
        credentials: &str,
        rewrite: &str,
        change: impl FnOnce(&mut WorkerSettings),
    ) -> Workers {
        self.set_credentials(credentials);
        let variables =
            [("HOME", self.directory.path().to_str().unwrap()), ("STOA_VCS_REWRITE", rewrite)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, variables.into_iter()).unwrap();
        let mut settings = WorkerSettings::from_config(&config).unwrap();
        let token = ("CORP_TOKEN".to_owned(), "hunter2".to_owned());
        let file = self.path("credentials.json");
        settings.credentials = Credentials::open(file, [token]).unwrap();
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY"];
        let proxies = proxies.map(|name| (name.to_owned(), self.server.url()));
        settings.egress.proxy = ProxySettings::from_variables(proxies);
        change(&mut settings);
        let metrics = Arc::new(Metrics::new());
        Workers::new(settings, self.storage.clone(), Sharing::Fleet, metrics).unwrap()
    }

    /// `DIR` is the scene's directory.
    fn set_credentials(&self, credentials: &str) {
        let directory = self.directory.path().to_str().unwrap();
        self.write("credentials.json", &credentials.replace("DIR", directory));
    }

    /// Every stored key but the layout's own.
    async fn stored(&self) -> Vec<String> {
        let page = self.storage.list(&KeyPrefix::for_tests(""), None, 1000).await.unwrap();
        page.keys.into_iter().filter(|key| key != "_stoa/format").collect()
    }

    /// Whether any stored object or name holds the text.
    fn is_stored(&self, text: &str) -> bool {
        fn holds(path: &Path, text: &str) -> bool {
            if path.is_dir() {
                return fs::read_dir(path)
                    .unwrap()
                    .any(|entry| holds(&entry.unwrap().path(), text));
            }
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        }
        holds(&self.path("storage"), text)
    }
}

fn private() -> Space {
    Space::Private(ProjectId::default())
}

fn fill(module: &str, version: &str) -> Task {
    Task::Fill { module: module.parse().unwrap(), version: version.parse().unwrap() }
}

fn list(module: &str) -> Task {
    Task::List { module: module.parse().unwrap() }
}

/// Runs the task, when it is its turn: the claim of the last run is given back aside.
async fn run(workers: &Workers, space: &Space, task: &Task) -> Result<(), Failure> {
    let worker = workers.of(space).unwrap();
    loop {
        match worker.run(&Job::new(task.clone())).await {
            Err(failure) if failure.is_out_of_turn() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => return outcome,
        }
    }
}
