//! A module that needs many others, all of which the go command has downloaded and
//! verified: its download cache is a tree that any static server can offer as a GOPROXY.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::go_command;

/// The corpus of the benchmark.
const GO_MOD: &str = include_str!("../../benches/corpus.mod");

/// What of its requirements the short run keeps: some 40 small modules.
const SLICE: [&str; 2] =
    ["github.com/aws/aws-sdk-go-v2/service/s3 ", "github.com/hashicorp/consul/api "];

/// Modules at least, so that what is checked is not less than it looks.
const LEAST: (usize, usize) = (40, 300);

pub(crate) struct Corpus {
    pub(crate) go_mod: String,
    /// The `go.sum` that belongs to it.
    pub(crate) go_sum: String,
    /// The static tree.
    pub(crate) tree: PathBuf,
    /// How many modules it must be.
    pub(crate) least: usize,
}

impl Corpus {
    /// Downloads with the user's own settings, except where to and that verification is on.
    /// An error says why nothing came; what came with another sum than the public one
    /// panics.
    pub(crate) fn download() -> Result<Self, String> {
        let is_whole = std::env::var("STOA_SOAK").is_ok_and(|value| value == "1");
        let is_wanted = |line: &&str| {
            is_whole || !line.starts_with('\t') || SLICE.iter().any(|root| line.contains(root))
        };
        let lines = GO_MOD.lines().filter(is_wanted);
        let go_mod: String = lines.map(|line| format!("{line}\n")).collect();
        let (name, least) = if is_whole { ("whole", LEAST.1) } else { ("slice", LEAST.0) };
        let target = go_command::target_directory();
        let (module, cache) = (target.join("corpus").join(name), target.join("gomodcache"));
        write(&module.join("go.mod"), &go_mod);
        let output = Command::new("go")
            .args(["mod", "download", "all"])
            .current_dir(&module)
            .env("GOMODCACHE", &cache)
            .env("GOFLAGS", "-modcacherw -mod=mod")
            .env("GOTOOLCHAIN", "local")
            .env_remove("GONOSUMDB")
            .env_remove("GOPRIVATE")
            .output()
            .map_err(|error| error.to_string())?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let differs = stderr.contains("checksum mismatch") || stderr.contains("SECURITY ERROR");
        assert!(!differs, "{stderr}");
        if !output.status.success() {
            return Err(stderr.into_owned());
        }
        let go_sum = std::fs::read_to_string(module.join("go.sum")).unwrap();
        Ok(Self { go_mod, go_sum, tree: cache.join("cache/download"), least })
    }

    /// Writes it where a client can work on it.
    pub(crate) fn write_into(&self, directory: &Path) {
        write(&directory.join("go.mod"), &self.go_mod);
        write(&directory.join("go.sum"), &self.go_sum);
    }
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}
