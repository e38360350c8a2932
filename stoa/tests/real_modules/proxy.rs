//! Real modules through a proxy that has nothing, before the static tree of their files;
//! then from the proxy alone. The go command checks all sums against the `go.sum` of its
//! verified download.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::corpus::Corpus;
use crate::go_command::GoCommand;
use crate::harness::Ignored;
use crate::module_zip;
use crate::static_tree::StaticTree;
use crate::stoa_process::{StoaProcess, StoaSettings};

/// Only bounds a wait for what never comes.
const FILLED_WITHIN: Duration = Duration::from_secs(300);

pub(crate) fn a_waiting_proxy_before_their_files_has_all_of_them() -> Result<(), Ignored> {
    let story = Story::begin("wait")?;
    let versions = story.download("cold");
    // Whoever has waited for a version finds it whole, and nothing was asked for twice.
    for version in &versions {
        story.check(version);
    }
    assert_eq!(story.redirects(), 0);
    let files = |version: &String| ["info", "mod", "zip"].map(|file| format!("/{version}.{file}"));
    let mut expected: Vec<String> = versions.iter().flat_map(files).collect();
    let mut asked = story.tree.asked();
    asked.retain(|path| path.contains("/@v/"));
    expected.sort();
    asked.sort();
    assert_eq!(asked, expected);
    story.end(&versions);
    Ok(())
}

pub(crate) fn a_redirecting_proxy_before_their_files_fills_itself() -> Result<(), Ignored> {
    let story = Story::begin("redirect_and_fill")?;
    let versions = story.download("cold");
    // Whoever asks for a version first is sent on.
    assert!(story.redirects() >= versions.len(), "{} redirects", story.redirects());
    let started = Instant::now();
    for version in &versions {
        while !story.stored(version, "info").exists() {
            let log = story.stoa.log();
            assert!(started.elapsed() < FILLED_WITHIN, "{version} is not filled\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        story.check(version);
    }
    story.end(&versions);
    Ok(())
}

/// A proxy, what it fills from, and what is downloaded through it.
struct Story {
    corpus: Corpus,
    tree: StaticTree,
    stoa: StoaProcess,
    directory: PathBuf,
}

impl Story {
    fn begin(mode: &str) -> Result<Self, Ignored> {
        let corpus = Corpus::download()
            .map_err(|why| Ignored(format!("the modules cannot be downloaded here: {why}")))?;
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-proxy").join(mode);
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        let tree = StaticTree::start(&corpus.tree);
        let stoa = StoaSettings::new(&directory.join("storage"))
            .set("STOA_ROLE", "proxy")
            .set("STOA_UPSTREAM", tree.url())
            .set("STOA_DOWNLOAD", mode)
            .start();
        Ok(Self { corpus, tree, stoa, directory })
    }

    /// Has a client with empty caches download all, and returns which versions it has
    /// then: their files' paths in a tree, without what tells them apart.
    fn download(&self, name: &str) -> Vec<String> {
        let home = self.directory.join(name);
        let program = home.join("program");
        self.corpus.write_into(&program);
        let go = GoCommand::through(&home, self.stoa.authority());
        let go = go.set("GOFLAGS", "-modcacherw -mod=mod");
        let output = go.run_in(&program, &["mod", "download", "all"]);
        assert!(output.success, "{name}: {}\n{}", output.stderr, self.stoa.log());
        assert_eq!(std::fs::read_to_string(program.join("go.sum")).unwrap(), self.corpus.go_sum);
        let cache = home.join("gomodcache/cache/download");
        let mut versions = Vec::new();
        collect(&cache, &cache, &mut versions);
        versions.sort();
        let least = self.corpus.least;
        assert!(versions.len() >= least, "{} of {least} modules: {versions:?}", versions.len());
        // Unpacked, it is several times as large as the zips.
        std::fs::remove_dir_all(&home).unwrap();
        versions
    }

    fn stored(&self, version: &str, file: &str) -> PathBuf {
        self.stoa.directory().join(format!("{version}.{file}"))
    }

    /// What is stored of the version is what the go command verified.
    fn check(&self, version: &str) {
        let read = |path: PathBuf| {
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let verified = |file: &str| read(self.corpus.tree.join(format!("{version}.{file}")));
        assert!(self.stored(version, "info").exists(), "{version} is not visible");
        assert_eq!(read(self.stored(version, "mod")), verified("mod"), "{version}");
        let zip = module_zip::read(&read(self.stored(version, "zip")), "");
        let zip = zip.unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(zip.sum.as_bytes(), verified("ziphash"), "{version}");
    }

    /// How many requests were sent on.
    fn redirects(&self) -> usize {
        let metrics = self.stoa.metrics();
        let counts = metrics.lines().filter(|line| line.starts_with("stoa_requests_total{"));
        let redirects = counts.filter(|line| line.contains(r#"outcome="redirect""#));
        redirects.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
    }

    /// Whoever comes later gets the same, when nobody else is there any more.
    fn end(mut self, versions: &[String]) {
        self.tree.stop();
        assert_eq!(self.download("warm"), versions);
        println!("{} real modules through a proxy have their sums", versions.len());
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn collect(root: &Path, directory: &Path, versions: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, versions);
        } else if path.extension().is_some_and(|extension| extension == "zip") {
            let version = path.strip_prefix(root).unwrap().with_extension("");
            versions.push(version.to_str().unwrap().to_owned());
        }
    }
}
