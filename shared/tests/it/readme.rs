//! The README's tables are those that the code writes; `make docs` writes them anew.

use std::{collections::BTreeSet, env, fs, iter, path::Path};

use stoa_shared::{
    config::{self, Config, Role},
    metrics,
};

#[test]
fn the_readme_tables_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let current = with_section(&readme, "settings", &config::readme_table());
    let current = with_section(&current, "metrics", &metrics::readme_table());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &current).unwrap();
    } else {
        assert!(readme == current, "the README's tables are out of date: run `make docs`");
    }
}

#[test]
fn the_readmes_files_are_a_proxy_before_a_registry_on_one_machine() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stoa.toml");
    let loaded = |text: &str| {
        fs::write(&path, text).unwrap();
        Config::load(Some(&path), iter::empty()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    };
    let blocks = readme.split("```toml\n").skip(1);
    let files: Vec<Config> =
        blocks.map(|block| loaded(block.split("```").next().unwrap())).collect();
    let [registry, proxy] = &files[..] else { panic!("two files") };
    assert_eq!((registry.role, proxy.role), (Role::Registry, Role::Proxy));
    let asked = proxy.upstream.chain.first_server().unwrap().url();
    assert_eq!(asked.as_str(), format!("http://{}/", registry.listeners.public));
    assert!(readme.contains(&format!("GOPROXY=http://{} go mod", proxy.listeners.public)));
    // What they would otherwise take from each other, or for each other.
    let addresses = files.iter().flat_map(|file| [file.listeners.public, file.listeners.admin]);
    assert_eq!(addresses.collect::<BTreeSet<_>>().len(), 4);
    assert_ne!(registry.storage, proxy.storage);
    assert_ne!(registry.deployment, proxy.deployment);
}

#[test]
fn a_section_is_replaced_between_its_markers() {
    let readme = "a\n<!-- x: y -->\nold\n<!-- end of x -->\nb\n";
    assert_eq!(with_section(readme, "x", "new\n"), "a\n<!-- x: y -->\nnew\n<!-- end of x -->\nb\n");
}

/// `readme` with `table` between the markers of the section.
fn with_section(readme: &str, section: &str, table: &str) -> String {
    let begin = format!("<!-- {section}:");
    let end = format!("<!-- end of {section} -->");
    let missing = format!("the README needs the lines {begin} … --> and {end}");
    let (before, rest) = readme.split_once(&begin).expect(&missing);
    let (marker, rest) = rest.split_once('\n').expect(&missing);
    let (_, after) = rest.split_once(&end).expect(&missing);
    format!("{before}{begin}{marker}\n{table}{end}{after}")
}
