//! The README's tables are those that the code writes; `make docs` writes them anew.

use std::{env, fs, path::Path};

use stoa_shared::{config, metrics};

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
