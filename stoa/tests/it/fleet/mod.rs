//! Fleets: frontends and workers as processes of their own, over the real S3 server and the
//! real RabbitMQ that `make services` starts.

mod broker_node;
mod bucket;
mod claims;
mod faults;
mod herd;
mod operations;
pub(crate) mod process;

use std::path::{Path, PathBuf};

use stoa_shared::storage::S3Config;
use stoa_shared::testing::broker::Vhost;
use stoa_shared::testing::repository::RepositoryBuilder;
use stoa_shared::testing::services;

use self::bucket::Bucket;
use self::process::Process;
use crate::http_client::Reply;
use crate::stories::git_host::GitHost;
use crate::stories::until;

pub(crate) const ORGANISATION: &str = "github.com/stoa-fleet";

/// A git host, a prefix in the bucket, and a vhost: what one fleet stands on.
pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    pub(crate) git: GitHost,
    vhost: Vhost,
    s3: S3Config,
    bucket: Bucket,
    /// Where processes find their backends, and what else they are told.
    variables: Vec<(String, String)>,
}

impl Site {
    pub(crate) fn new(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet").join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        let repositories = directory.join("repositories");
        std::fs::create_dir_all(&repositories).unwrap();
        let git = GitHost::start(repositories);
        let vhost = Vhost::create();
        let s3 = services::s3();
        let bucket = Bucket::open(s3.clone());
        let credential = |name: &str| (name.to_owned(), std::env::var(name).unwrap());
        let variables = vec![
            ("STOA_STORAGE".to_owned(), format!("s3://{}/{}", s3.bucket, s3.prefix)),
            ("STOA_S3_ENDPOINT".to_owned(), s3.endpoint.clone().unwrap()),
            ("STOA_S3_REGION".to_owned(), s3.region.clone().unwrap()),
            ("STOA_S3_PATH_STYLE".to_owned(), "true".to_owned()),
            credential("AWS_ACCESS_KEY_ID"),
            credential("AWS_SECRET_ACCESS_KEY"),
            ("STOA_QUEUE".to_owned(), vhost.url()),
            ("STOA_VCS_REWRITE".to_owned(), format!("https://{ORGANISATION}/={}/", git.url())),
            ("STOA_FRESHNESS_REFS".to_owned(), "1h".to_owned()),
        ];
        Self { directory, git, vhost, s3, bucket, variables }
    }

    /// Tells all processes that are started from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
    }

    /// A repository with one module at its root, a commit for each tag, and a file of
    /// `bytes` that no compression makes smaller.
    pub(crate) fn publish(&self, name: &str, tags: &[&str], bytes: usize) {
        let mut repository = RepositoryBuilder::new();
        repository.file("go.mod", format!("module {}\n", module(name)));
        for tag in tags {
            let mut content = vec![0; bytes];
            rand::fill(&mut content[..]);
            let commit = repository.file("content.bin", content).commit("main");
            repository.tag(tag, commit);
        }
        repository.build(&self.git.root().join(name)).unwrap();
    }

    /// A frontend that has reached its broker: a vhost that is deleted while somebody
    /// declares queues in it makes RabbitMQ 3.10 ill.
    pub(crate) fn frontend(&self, name: &str) -> Process {
        let frontend = self.degraded_frontend(name);
        until("it is connected", || !frontend.ask("/readyz").text().contains("degraded"));
        frontend
    }

    /// A frontend at the address of one that is gone.
    pub(crate) fn frontend_at(&self, name: &str, address: &str) -> Process {
        let mut variables = self.variables.clone();
        variables.push(("STOA_LISTEN".to_owned(), address.to_owned()));
        Process::start("stoa-frontend", &self.log_of(name), &variables)
    }

    /// All keys of the site's part of the bucket.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.bucket.keys("")
    }

    /// A frontend that may have no broker.
    fn degraded_frontend(&self, name: &str) -> Process {
        self.start("stoa-frontend", name)
    }

    pub(crate) fn worker(&self, name: &str) -> Process {
        self.start("stoa-worker", name)
    }

    fn start(&self, program: &str, name: &str) -> Process {
        Process::start(program, &self.log_of(name), &self.variables)
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }
}

pub(crate) fn module(name: &str) -> String {
    format!("{ORGANISATION}/{name}")
}

/// Gets a path of a module, which must be there.
fn get_ok(frontend: &Process, module: &str, file: &str) -> Reply {
    let path = format!("/{module}/{file}");
    let reply = frontend.get(&path);
    assert_eq!(reply.status, 200, "{path}: {}\n{}", reply.text(), frontend.log());
    reply
}
