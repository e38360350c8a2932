//! The installed go command with empty caches and without the user's settings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::corpus;
use crate::directories::{self, Directories};
use crate::outcome::Outcome;
use crate::program;

#[derive(Debug)]
pub(crate) struct GoClient {
    directory: PathBuf,
    cache: PathBuf,
    build_cache: PathBuf,
    proxy: String,
}

impl GoClient {
    /// A client of one proxy, with nothing to fall back to.
    pub(crate) fn through(directories: &Directories, authority: &str) -> Self {
        Self {
            directory: directories.scratch("go-client"),
            cache: directories.client_cache(),
            build_cache: directories.build_cache(),
            proxy: format!("http://{authority}"),
        }
    }

    /// A client that asks the VCS itself, with one URL prefix (from, to) rewritten.
    pub(crate) fn direct(directories: &Directories, rewrite: &(String, String)) -> Outcome<Self> {
        let client = Self { proxy: "direct".to_owned(), ..Self::through(directories, "") };
        let (from, to) = rewrite;
        let text = format!("[url \"{to}\"]\n\tinsteadOf = {from}\n");
        directories::write(&client.git_configuration(), text)?;
        Ok(client)
    }

    /// How long it takes to download these versions (`module@version`).
    pub(crate) fn download(&self, versions: &[String]) -> Outcome<Duration> {
        let work = self.directory.join("work");
        directories::create(&work)?;
        self.time(&work, "-modcacherw", versions)
    }

    /// How long it takes to download the whole corpus as a module's dependencies.
    pub(crate) fn download_corpus(&self) -> Outcome<Duration> {
        let module = self.directory.join("corpus");
        directories::remove(&module)?;
        directories::write(&module.join("go.mod"), corpus::GO_MOD)?;
        self.time(&module, "-modcacherw -mod=mod", &["all".to_owned()])
    }

    fn time(&self, work: &Path, flags: &str, arguments: &[String]) -> Outcome<Duration> {
        directories::remove(&self.cache)?;
        let mut go = program::bounded("go");
        go.args(["mod", "download"]).args(arguments).current_dir(work);
        self.set_environment(&mut go, flags);
        let taken = program::time(&mut go);
        directories::remove(&self.cache)?;
        taken
    }

    fn set_environment(&self, go: &mut Command, flags: &str) {
        go.env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"))
            .env("HOME", &self.directory)
            .env("GOPATH", self.directory.join("gopath"))
            .env("GOMODCACHE", &self.cache)
            .env("GOCACHE", &self.build_cache)
            .env("GOPROXY", &self.proxy)
            .env("GOSUMDB", "off")
            .env("GOFLAGS", flags)
            .env("GOTOOLCHAIN", "local")
            .env("GOENV", "off")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.git_configuration());
    }

    fn git_configuration(&self) -> PathBuf {
        self.directory.join("gitconfig")
    }
}
