//! A module cache of the go command, copied into the storage directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stoa_shared::testing::git_server::Options;
use stoa_shared::testing::repository::RepositoryBuilder;

use super::{ORGANISATION, Site, check_error, get_ok, module, until};
use crate::go_command::{Download, GoCommand};
use crate::kill::all_files;
use crate::module_zip;
use crate::page_server::PageServer;

const VERSIONS: [&str; 2] = ["v1.0.0", "v1.1.0"];

/// The go command's cache of a module that has one more version, copied; what it
/// downloaded, and its files by name.
fn copied(name: &str) -> (Site, Vec<Download>, BTreeMap<String, Vec<u8>>) {
    let site = Site::new(name);
    site.publish("copied", &["v1.0.0", "v1.1.0", "v1.2.0"]);
    let fixtures = format!("file://{}/", site.git.root().display());
    let rewrites = [(format!("https://{ORGANISATION}/"), fixtures)];
    let home = site.directory.join("go");
    let go = GoCommand::direct(&home, &rewrites, &PageServer::start());
    let wanted = VERSIONS.map(|version| format!("{}@{version}", module("copied")));
    let downloads = go.download(&wanted);
    let cache = home.join("gomodcache/cache/download");
    let below = |path: &PathBuf| path.strip_prefix(&cache).unwrap().to_path_buf();
    let mut files = BTreeMap::new();
    for file in all_files(&cache) {
        let target = site.storage().join(below(&file));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, &target).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        files.insert(name, std::fs::read(&file).unwrap());
    }
    (site, downloads, files)
}

fn catalog_entry(storage: &Path, version: &str) -> PathBuf {
    let module = module("copied");
    storage.join("_stoa/catalog").join(module).join("@v").join(format!("{version}.json"))
}

#[test]
fn every_file_is_served_as_it_is_without_its_origin() {
    let (mut site, _, files) = copied("copied-down");
    site.git.stop();
    let stoa = site.settings().start();
    for version in VERSIONS {
        for extension in ["info", "mod", "zip"] {
            let name = format!("{version}.{extension}");
            let reply = get_ok(&stoa, &module("copied"), &format!("@v/{name}"));
            assert_eq!(reply.body, files[&name], "{name}");
        }
    }
}

#[test]
fn its_list_is_not_taken_for_the_origins() {
    let (site, _, files) = copied("copied-list");
    assert!(!String::from_utf8_lossy(&files["list"]).contains("v1.2.0"));
    let stoa = site.settings().start();
    let list = get_ok(&stoa, &module("copied"), "@v/list").text();
    assert_eq!(list, "v1.0.0\nv1.1.0\nv1.2.0\n");
    for name in ["v1.0.0.lock", "v1.0.0.ziphash"] {
        assert!(site.stored(&module("copied"), name).exists(), "the go command leaves {name}");
        assert_eq!(stoa.get(&format!("/{}/@v/{name}", module("copied"))).status, 404, "{name}");
    }
}

#[test]
fn a_read_version_gets_its_catalog_entry() {
    let (site, downloads, files) = copied("copied-entry");
    let stoa = site.settings().start();
    for (version, download) in VERSIONS.iter().zip(&downloads) {
        get_ok(&stoa, &module("copied"), &format!("@v/{version}.info"));
        get_ok(&stoa, &module("copied"), &format!("@v/{version}.zip"));
        let entry = catalog_entry(&site.storage(), version);
        until("the catalog entry is made", || entry.exists());
        let entry: Value = serde_json::from_slice(&std::fs::read(entry).unwrap()).unwrap();
        assert_eq!(entry["status"], "live");
        assert_eq!(entry["zip"]["sum"], download.sum.as_str());
        assert_eq!(entry["zip"]["size"], files[&format!("{version}.zip")].len());
        assert_eq!(entry["go_mod"]["sum"], download.module_sum.as_str());
        assert_eq!(entry["origin"]["Hash"], download.origin["Hash"]);
    }
    until("no job is left", || {
        std::fs::read_dir(site.storage().join("_stoa/queue/jobs")).unwrap().next().is_none()
    });
    // Recorded is not rewritten.
    for (name, bytes) in &files {
        assert_eq!(std::fs::read(site.stored(&module("copied"), name)).unwrap(), *bytes, "{name}");
    }
}

#[test]
fn a_missing_zip_is_filled_and_fits_the_rest() {
    let (site, downloads, files) = copied("copied-hole");
    std::fs::remove_file(site.stored(&module("copied"), "v1.1.0.zip")).unwrap();
    let stoa = site.settings().start();
    site.git.behave(Options::default().failing(503));
    for name in ["v1.1.0.info", "v1.1.0.mod"] {
        assert_eq!(get_ok(&stoa, &module("copied"), &format!("@v/{name}")).body, files[name]);
    }
    let path = format!("/{}/@v/v1.1.0.zip", module("copied"));
    assert_eq!(stoa.get(&path).status, 503);
    site.git.behave(Options::default());
    let zip = get_ok(&stoa, &module("copied"), "@v/v1.1.0.zip");
    let zip = module_zip::read(&zip.body, &format!("{}@v1.1.0/", module("copied"))).unwrap();
    assert_eq!(zip.sum, downloads[1].sum);
    let entry = std::fs::read(catalog_entry(&site.storage(), "v1.1.0")).unwrap();
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry["zip"]["sum"], zip.sum.as_str());
    for name in ["v1.1.0.info", "v1.1.0.mod"] {
        assert_eq!(get_ok(&stoa, &module("copied"), &format!("@v/{name}")).body, files[name]);
    }
}

#[test]
fn a_store_that_was_moved_is_served_at_the_first_request() {
    let site = Site::new("moved");
    site.publish("copied", &VERSIONS);
    let stoa = site.settings().start();
    let zips =
        VERSIONS.map(|version| get_ok(&stoa, &module("copied"), &format!("@v/{version}.zip")));
    assert!(stoa.stop().success());
    // Every file gets another inode, as after a restore of a backup.
    for file in all_files(&site.storage()) {
        let copy = file.with_extension("moved");
        std::fs::copy(&file, &copy).unwrap();
        std::fs::rename(&copy, &file).unwrap();
    }
    let stoa = site.settings().start();
    for (version, zip) in VERSIONS.iter().zip(zips) {
        let again = get_ok(&stoa, &module("copied"), &format!("@v/{version}.zip"));
        assert_eq!(again.body, zip.body, "{version}");
    }
}

#[test]
fn the_zip_that_cannot_exist_is_absent_beside_copied_files_too() {
    let site = Site::new("copied-mod-only");
    let mut repository = RepositoryBuilder::new();
    repository.file("go.mod", format!("module {}\n", module("star"))).file("a*b.txt", "");
    let commit = repository.commit("main");
    repository.tag("v1.0.0", commit);
    site.build("star", &repository);
    let fixtures = format!("file://{}/", site.git.root().display());
    let rewrites = [(format!("https://{ORGANISATION}/"), fixtures)];
    let home = site.directory.join("go");
    let go = GoCommand::direct(&home, &rewrites, &PageServer::start());
    let download = go.download(&[format!("{}@v1.0.0", module("star"))]);
    assert!(download[0].error.is_some() && download[0].module_file.is_some());
    let below = Path::new(&module("star")).join("@v");
    let (cache, target) =
        (home.join("gomodcache/cache/download").join(&below), site.storage().join(&below));
    std::fs::create_dir_all(&target).unwrap();
    for name in ["v1.0.0.info", "v1.0.0.mod"] {
        std::fs::copy(cache.join(name), target.join(name)).unwrap();
    }
    let stoa = site.settings().start();
    for _ in 0..2 {
        let path = format!("/{}/@v/v1.0.0.zip", module("star"));
        check_error(&stoa.get(&path), 404, "not found: ");
        get_ok(&stoa, &module("star"), "@v/v1.0.0.info");
        get_ok(&stoa, &module("star"), "@v/v1.0.0.mod");
    }
}
