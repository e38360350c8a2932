//! Version lists that Stoa made of a repository's tags, once they are stored.

use crate::Bench;
use crate::directories;
use crate::git_host::GitHost;
use crate::http_client;
use crate::outcome::{Failure, Outcome};
use crate::report::Row;
use crate::repositories::Repository;
use crate::sides::Sides;
use crate::warm::CONNECTIONS;
use crate::wrk::Load;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    for repository in Repository::for_lists() {
        repository.prepare(&bench.directories.repositories())?;
    }
    let host = GitHost::start(bench.directories.repositories())?;
    let sides = Sides::start(bench, &host)?;
    let paths = copy_lists(&sides)?;
    let load = Load::new(bench.directories.scratch("lists.txt"), paths, CONNECTIONS)?;
    Ok(sides.alternate(&load)?.request_rows("warm list, 64 connections").into())
}

/// Lets Stoa make its lists and gives nginx the same text; returns their URL paths.
fn copy_lists(sides: &Sides) -> Outcome<Vec<String>> {
    let mut paths = Vec::new();
    for repository in Repository::for_lists() {
        let path = format!("/{}/@v/list", repository.module());
        let list = http_client::get_ok(sides.stoa.authority(), &path)?;
        let count = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        if count != repository.tag_count() {
            let tags = repository.tag_count();
            return Err(Failure::new(format!("{path}: {count} versions of {tags} tags")));
        }
        directories::write(&sides.root.join(&path[1..]), list)?;
        paths.push(path);
    }
    Ok(paths)
}
