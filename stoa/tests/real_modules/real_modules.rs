//! Real public modules: what Stoa makes of a repository with their files has the sums that
//! the checksum database vouches for.
//!
//! The go command downloads each pinned module once, verification on, into `target/it`. A
//! repository per root is rebuilt from the zips: a module's files where they belong, its
//! inherited licence at the root, one tag per version. Stoa fills from those.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stoa_shared::testing::repository::RepositoryBuilder;

use crate::go_command;
use crate::harness::Ignored;
use crate::module_zip;
use crate::page_server::{Page, PageServer};
use crate::stoa_process::{StoaProcess, StoaSettings};

const PINNED: &str = include_str!("real_modules.txt");

/// One line of the list.
struct Pinned {
    module: &'static str,
    version: &'static str,
    root: &'static str,
}

/// What the go command verified.
struct Verified {
    pinned: Pinned,
    sum: String,
    go_mod_sum: String,
    zip: PathBuf,
}

impl Pinned {
    fn all() -> Vec<Self> {
        let lines = PINNED.lines().filter(|line| !line.starts_with('#'));
        let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
        words.map(|words| Self { module: words[0], version: words[1], root: words[2] }).collect()
    }

    /// The directory of the module in its repository, with a slash at its end unless it is the root.
    fn directory(&self) -> String {
        let below = self.module.strip_prefix(self.root).unwrap().trim_start_matches('/');
        let elements: Vec<&str> = below.split('/').filter(|element| !element.is_empty()).collect();
        let is_major = |element: &str| {
            element.strip_prefix('v').is_some_and(|digits| digits.parse::<u32>().is_ok())
        };
        let kept = match elements.split_last() {
            Some((last, rest)) if is_major(last) => rest,
            _ => &elements[..],
        };
        kept.iter().map(|element| format!("{element}/")).collect()
    }

    fn tag(&self) -> String {
        format!("{}{}", self.directory(), self.version.trim_end_matches("+incompatible"))
    }
}

pub(crate) fn real_modules_have_their_public_sums() -> Result<(), Ignored> {
    let modules = download()
        .map_err(|why| Ignored(format!("the modules cannot be downloaded here: {why}")))?;
    let repositories = go_command::target_directory().join("repositories");
    rebuild(&repositories, &modules);
    let pages = PageServer::start();
    let stoa = serve(&repositories, &modules, &pages);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let compare = || {
        let mut failures = Vec::new();
        while let Some(module) =
            modules.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        {
            failures.extend(difference(&stoa, module).err());
        }
        failures
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads = [scope.spawn(compare), scope.spawn(compare)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} modules differ:\n{}", failures.len(), failures.join("\n"));
    println!("{} real modules have their public sums", modules.len());
    Ok(())
}

/// Downloads with the user's own settings, except where to and that verification is on.
/// An error says why nothing came; what came with another sum than the public one panics.
fn download() -> Result<Vec<Verified>, String> {
    let pinned = Pinned::all();
    assert!(pinned.len() >= 40, "{} modules are pinned", pinned.len());
    let cache = go_command::target_directory().join("gomodcache");
    let output = Command::new("go")
        .args(["mod", "download", "-json"])
        .args(pinned.iter().map(|pinned| format!("{}@{}", pinned.module, pinned.version)))
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("GOMODCACHE", cache)
        .env("GOFLAGS", "-modcacherw")
        .env_remove("GONOSUMDB")
        .env_remove("GOPRIVATE")
        .output()
        .map_err(|error| error.to_string())?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let records: Vec<Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("go mod download -json: {error}\n{stderr}"));
    let errors = records.iter().filter_map(|record| record["Error"].as_str());
    for error in errors.chain([&*stderr]) {
        let differs = error.contains("checksum mismatch") || error.contains("SECURITY ERROR");
        assert!(!differs, "{error}");
    }
    if records.len() != pinned.len() {
        return Err(stderr.into_owned());
    }
    let verified = |(pinned, record): (Pinned, Value)| {
        if let Some(error) = record["Error"].as_str() {
            return Err(error.to_owned());
        }
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let (sum, go_mod_sum) = (text("Sum"), text("GoModSum"));
        Ok(Verified { pinned, sum, go_mod_sum, zip: text("Zip").into() })
    };
    pinned.into_iter().zip(records).map(verified).collect()
}

/// Builds the repositories of all roots; those of an earlier run with the same list stay.
fn rebuild(directory: &Path, modules: &[Verified]) {
    let built = directory.join("built-from");
    if std::fs::read_to_string(&built).is_ok_and(|list| list == PINNED) {
        return;
    }
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    let mut roots: BTreeMap<&str, Vec<&Verified>> = BTreeMap::new();
    for module in modules {
        roots.entry(module.pinned.root).or_default().push(module);
    }
    for (root, modules) in roots {
        let mut repository = RepositoryBuilder::new();
        for module in modules {
            let Verified { pinned, zip, .. } = module;
            let prefix = format!("{}@{}/", pinned.module, pinned.version);
            let zip = module_zip::read(&std::fs::read(zip).unwrap(), &prefix).unwrap();
            assert_eq!(zip.sum, module.sum, "our own reading of {prefix}");
            repository.clear();
            let directory = pinned.directory();
            for (name, content) in zip.files {
                let at_root = name == "LICENSE";
                let path = if at_root { name } else { format!("{directory}{name}") };
                repository.file(path, content);
            }
            let commit = repository.commit("main");
            repository.tag(&pinned.tag(), commit);
        }
        repository.build(&directory.join(root)).unwrap();
    }
    std::fs::write(built, PINNED).unwrap();
}

fn serve(repositories: &Path, modules: &[Verified], pages: &PageServer) -> StoaProcess {
    let file = |host: &str| format!("file://{}/{host}", repositories.display());
    let mut rewrites = vec![
        ("https://github.com/".to_owned(), file("github.com/")),
        ("https://source.example/".to_owned(), file("")),
    ];
    for Verified { pinned: Pinned { module, root, .. }, .. } in modules {
        let host = root.split('/').next().unwrap();
        if host != "github.com" {
            let page = Page::import(&[&format!("{root} git https://source.example/{root}")]);
            pages.serve(root, page.clone());
            pages.serve(module, page);
            let rewrite = pages.rewrite(host);
            if !rewrites.contains(&rewrite) {
                rewrites.push(rewrite);
            }
        }
    }
    let storage = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-modules");
    if storage.exists() {
        std::fs::remove_dir_all(&storage).unwrap();
    }
    StoaSettings::new(&storage).rewrite(&rewrites).start()
}

/// Fetches a version through Stoa; an error says how it differs from what go verified.
fn difference(stoa: &StoaProcess, verified: &Verified) -> Result<(), String> {
    let Pinned { module, version, .. } = verified.pinned;
    let name = format!("{module}@{version}");
    let base = format!(
        "/{}/@v/{}",
        go_command::escaped(module).replace('!', "%21"),
        go_command::escaped(version)
    );
    let fetch = |extension: &str| {
        let reply = stoa.get(&format!("{base}.{extension}"));
        match reply.status {
            200 => Ok(reply),
            status => Err(format!("{name}.{extension}: {status} {}", reply.text().trim_end())),
        }
    };
    let info: Value = serde_json::from_slice(&fetch("info")?.body).unwrap();
    let go_mod_sum = module_zip::mod_sum(&fetch("mod")?.body);
    let zip = module_zip::read(&fetch("zip")?.body, &format!("{name}/"))?;
    if info["Version"] != *version {
        return Err(format!("{name}: .info says {}", info["Version"]));
    }
    if go_mod_sum != verified.go_mod_sum {
        return Err(format!("{name}: go.mod {go_mod_sum}, verified {}", verified.go_mod_sum));
    }
    if zip.sum != verified.sum {
        let theirs = std::fs::read(&verified.zip).map_err(|error| error.to_string())?;
        let theirs = module_zip::read(&theirs, &format!("{name}/"))?;
        let differing = |(file, content): &&(String, Vec<u8>)| {
            !theirs.files.iter().any(|(name, other)| name == file && other == content)
        };
        let files: Vec<&str> =
            zip.files.iter().filter(differing).map(|(name, _)| name.as_str()).take(5).collect();
        let counts = (zip.files.len(), theirs.files.len());
        return Err(format!("{name}: zip differs, files (ours, verified) {counts:?}: {files:?}"));
    }
    Ok(())
}

pub(crate) fn tags_and_directories_follow_the_path() -> Result<(), Ignored> {
    let pinned = |module, root, version| Pinned { module, version, root };
    let cases = [
        (pinned("h.io/m", "h.io/m", "v1.0.0"), "", "v1.0.0"),
        (pinned("h.io/m/v2", "h.io/m", "v2.0.0"), "", "v2.0.0"),
        (pinned("h.io/m/api/v3", "h.io/m", "v3.1.0"), "api/", "api/v3.1.0"),
        (pinned("h.io/m/s/s3", "h.io/m", "v1.0.0"), "s/s3/", "s/s3/v1.0.0"),
        (pinned("h.io/m", "h.io/m", "v2.0.0+incompatible"), "", "v2.0.0"),
    ];
    for (pinned, directory, tag) in cases {
        assert_eq!((pinned.directory().as_str(), pinned.tag().as_str()), (directory, tag));
    }
    Ok(())
}
