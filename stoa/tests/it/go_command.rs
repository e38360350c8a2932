//! The installed go command, run without the user's settings and without the network.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::module_zip;
use crate::page_server::PageServer;

/// One `go mod download -json` record, its files read.
#[derive(Debug, Clone)]
pub(crate) struct Download {
    pub(crate) version: String,
    /// What the go command reported; with [`Self::module_file`] set, only the zip failed.
    pub(crate) error: Option<String>,
    /// `Time` of the `.info` file.
    pub(crate) time: Option<String>,
    pub(crate) module_file: Option<Vec<u8>>,
    pub(crate) module_sum: String,
    pub(crate) sum: String,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) origin: Value,
}

/// What a run printed.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Environment and directories of one client.
#[derive(Debug, Clone)]
pub(crate) struct GoCommand {
    directory: PathBuf,
    variables: Vec<(String, String)>,
}

impl GoCommand {
    /// A client that knows nothing, with its caches under `directory`.
    fn new(directory: &Path, proxy: &str) -> Self {
        print_version();
        std::fs::create_dir_all(directory.join("work")).unwrap();
        let path = |name: &str| directory.join(name).display().to_string();
        let variables = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", path("home")),
            ("GOPATH", path("gopath")),
            ("GOMODCACHE", path("gomodcache")),
            ("GOCACHE", shared_build_cache().display().to_string()),
            ("GOPROXY", proxy.to_owned()),
            ("GOSUMDB", "off".to_owned()),
            ("GOFLAGS", "-modcacherw".to_owned()),
            ("GOTOOLCHAIN", "local".to_owned()),
            ("GOENV", "off".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
            // Whatever is not rewritten meets a closed door, never the network.
            ("HTTP_PROXY", "http://127.0.0.1:9".to_owned()),
            ("HTTPS_PROXY", "http://127.0.0.1:9".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { directory: directory.to_path_buf(), variables }
    }

    /// `GOPROXY=direct`, with URL prefixes rewritten and pages from the page server.
    pub(crate) fn direct(
        directory: &Path,
        rewrites: &[(String, String)],
        pages: &PageServer,
    ) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let config = directory.join("gitconfig");
        let text: String = rewrites
            .iter()
            .map(|(from, to)| format!("[url \"{to}\"]\n\tinsteadOf = {from}\n"))
            .collect();
        std::fs::write(&config, text).unwrap();
        let proxy = format!("http://{}", pages.authority());
        Self::new(directory, "direct")
            .set("GIT_CONFIG_GLOBAL", config.display().to_string())
            .set("HTTP_PROXY", proxy.clone())
            .set("HTTPS_PROXY", proxy)
            .set("GOINSECURE", "*.example,gopkg.in")
    }

    /// A client of one proxy, with nothing to fall back to.
    pub(crate) fn through(directory: &Path, authority: &str) -> Self {
        Self::new(directory, &format!("http://{authority}"))
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Where commands run unless told otherwise: outside of any module.
    pub(crate) fn work_directory(&self) -> PathBuf {
        self.directory.join("work")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(&self.work_directory(), arguments)
    }

    pub(crate) fn run_in(&self, directory: &Path, arguments: &[&str]) -> Output {
        let output = Command::new("go")
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `go mod download -json`, one record per argument, in their order.
    pub(crate) fn download(&self, arguments: &[String]) -> Vec<Download> {
        let records = self.json(&["mod", "download", "-json"], arguments);
        records.into_iter().map(|record| read_download(&record)).collect()
    }

    /// `go list -m -versions -retracted`, sorted: the versions or the error of each module.
    pub(crate) fn versions(&self, modules: &[String]) -> Vec<Result<Vec<String>, String>> {
        let records = self.json(&["list", "-m", "-e", "-versions", "-retracted", "-json"], modules);
        let versions = |record: Value| {
            if let Some(error) = record["Error"]["Err"].as_str() {
                return Err(error.to_owned());
            }
            let listed = record["Versions"].as_array().cloned().unwrap_or_default();
            let mut listed: Vec<String> =
                listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            listed.sort();
            Ok(listed)
        };
        records.into_iter().map(versions).collect()
    }

    /// `go list -m M@latest`: version and time, or the error of each module.
    pub(crate) fn latest(&self, modules: &[String]) -> Vec<Result<(String, String), String>> {
        let queries: Vec<String> =
            modules.iter().map(|module| format!("{module}@latest")).collect();
        let records = self.json(&["list", "-m", "-e", "-json"], &queries);
        let latest = |record: Value| match record["Error"]["Err"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok((text(&record, "Version"), text(&record, "Time"))),
        };
        records.into_iter().map(latest).collect()
    }

    fn json(&self, command: &[&str], arguments: &[String]) -> Vec<Value> {
        if arguments.is_empty() {
            return Vec::new();
        }
        let mut all: Vec<&str> = command.to_vec();
        all.extend(arguments.iter().map(String::as_str));
        let output = self.run(&all);
        let records: Vec<Value> = serde_json::Deserializer::from_str(&output.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{all:?}: {error}\n{}", output.stdout));
        assert_eq!(records.len(), arguments.len(), "{all:?}: one record each\n{}", output.stderr);
        records
    }
}

fn read_download(record: &Value) -> Download {
    let file = |key: &str| record[key].as_str().map(|path| std::fs::read(path).unwrap());
    let version = text(record, "Version");
    let prefix = format!("{}@{version}/", text(record, "Path"));
    let error = record["Error"].as_str().map(str::to_owned);
    let zip = match &error {
        None => file("Zip").map(|zip| module_zip::read(&zip, &prefix).unwrap()),
        Some(_) => None,
    };
    if let Some(zip) = &zip {
        assert_eq!(zip.sum, text(record, "Sum"), "our own reading of {prefix}");
    }
    let info: Value =
        file("Info").map_or(Value::Null, |info| serde_json::from_slice(&info).unwrap());
    Download {
        time: info["Time"].as_str().map(str::to_owned),
        module_file: file("GoMod"),
        module_sum: text(record, "GoModSum"),
        sum: text(record, "Sum"),
        files: zip.map(|zip| zip.files).unwrap_or_default(),
        origin: record["Origin"].clone(),
        version,
        error,
    }
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap_or_default().to_owned()
}

/// Compiled standard packages are the same for every test: one build cache for all.
fn shared_build_cache() -> PathBuf {
    target_directory().join("gocache")
}

/// `target/it`, where what is expensive to make stays from one run to the next.
pub(crate) fn target_directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("it");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn print_version() {
    static PRINTED: OnceLock<()> = OnceLock::new();
    PRINTED.get_or_init(|| {
        let go = Command::new("go").arg("version").output().expect("tests need the go command");
        let git = Command::new("git").arg("version").output().expect("tests need git");
        print!("{}{}", String::from_utf8_lossy(&go.stdout), String::from_utf8_lossy(&git.stdout));
    });
}

/// The protocol's escape, then what a URL path does not carry as it is.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            'A'..='Z' => {
                escaped.push('!');
                escaped.push(character.to_ascii_lowercase());
            }
            '%' | '#' | '?' | ' ' => escaped.push_str(&format!("%{:02X}", u32::from(character))),
            _ => escaped.push(character),
        }
    }
    escaped
}
