//! A proxy before its registry: the flows of design §2, each deployment with its own
//! bucket, broker and processes, and the real go command as the user.

mod chains;
mod flows;
mod outage;
mod patience;
mod private;
mod recorder;
mod static_upstream;

use std::path::PathBuf;

use crate::fleet::process::Process;
use crate::fleet::{Site, module};
use crate::go_command::{GoCommand, Output};
use crate::http_client;
use crate::stories::until;

/// One frontend and one worker over a site.
struct Deployment {
    site: Site,
    frontend: Process,
    worker: Process,
}

impl Deployment {
    /// A registry, which fetches from the git host of its site.
    fn registry(name: &str) -> Self {
        Self::start(Site::new(name), name)
    }

    /// A proxy before whatever answers at `upstream`.
    fn proxy(name: &str, upstream: &str) -> Self {
        Self::start(Self::site_of_proxy(name, upstream), name)
    }

    fn site_of_proxy(name: &str, upstream: &str) -> Site {
        let mut site = Site::new(name);
        site.set("STOA_ROLE", "proxy");
        site.set("STOA_UPSTREAM", upstream);
        site
    }

    fn start(mut site: Site, id: &str) -> Self {
        site.set("STOA_DEPLOYMENT", id);
        let (frontend, worker) = (site.frontend("frontend"), site.worker("worker"));
        Self { site, frontend, worker }
    }

    fn url(&self) -> String {
        format!("http://{}", self.frontend.authority())
    }

    /// The go command as a user of this deployment has it, with nothing to fall back to.
    fn go(&self, name: &str) -> User {
        let directory = self.site.directory.join(name);
        let go = GoCommand::through(&directory, self.frontend.authority());
        let user = User { go, program: directory.join("program") };
        std::fs::create_dir_all(&user.program).unwrap();
        user.succeeds(&["mod", "init", "program.example/p"]);
        user
    }

    /// Whether the file is in the deployment's own storage.
    fn has(&self, path: &str) -> bool {
        let headers = [("Disable-Module-Fetch", "true")];
        let reply = http_client::request(self.frontend.authority(), "GET", path, &headers);
        reply.unwrap().status == 200
    }

    /// Waits until all files of the version are here.
    fn until_filled(&self, module: &str, version: &str) {
        for file in ["info", "mod", "zip"] {
            let path = format!("/{module}/@v/{version}.{file}");
            until(&format!("{path} is filled"), || self.has(&path));
        }
    }
}

/// A user with a module of their own.
struct User {
    go: GoCommand,
    program: PathBuf,
}

impl User {
    fn run(&self, arguments: &[&str]) -> Output {
        self.go.run_in(&self.program, arguments)
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.success, "{arguments:?}: {}\n{}", output.stdout, output.stderr);
        format!("{}{}", output.stdout, output.stderr)
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.success, "{arguments:?}: {}\n{}", output.stdout, output.stderr);
        format!("{}{}", output.stdout, output.stderr)
    }

    /// `go mod download` of one version, past the program's own go.mod.
    fn downloads(&self, name: &str, version: &str) {
        self.succeeds(&["mod", "download", &format!("{}@{version}", module(name))]);
    }
}
