//! Attributes: the attribute files of a repository, as far as they reach a module.

use std::collections::HashMap;

use super::{
    Conversion,
    rules::{FileRules, Rules},
};
use crate::vcs::{
    ObjectId,
    pack::{Mode, ObjectError, ObjectStore, WalkEntry},
};

const FILE_NAME: &[u8] = b".gitattributes";

/// Bytes of all attribute files together; with more the git program is asked.
const ATTRIBUTE_BYTES: u64 = 16 << 20;

/// Rules that may be matched against every file; with more the git program is asked,
/// whose time is limited from outside. Real repositories have a few dozen.
const MAX_RULES: usize = 1000;

/// What is held in memory to be converted, in bytes: three copies of it in each slot fit
/// into the memory that a worker may use. Larger files are converted as they are read.
pub const TEXT_BYTES: u64 = 16 << 20;

/// What is held in memory to have its `$Id$` expanded, in bytes: a file of nothing else
/// becomes eighteen times as large.
const IDENT_BYTES: u64 = 2 << 20;

/// What the attribute files of a repository say of the files of one directory.
#[derive(Debug)]
pub struct Attributes(State);

#[derive(Debug)]
enum State {
    /// No rule can change any file.
    Irrelevant,
    /// More than we want to evaluate.
    TooMany,
    Relevant {
        rules: Rules,
        /// From the repository's root to the module, with slash; empty at the root.
        prefix: Vec<u8>,
        /// By directory from the repository's root, without slash.
        files: HashMap<Vec<u8>, FileRules>,
    },
}

impl Attributes {
    /// Reads every attribute file from the repository's `root` down to each of `files`,
    /// the [walk](ObjectStore::walk) of `directory` (a path without slash at the end,
    /// empty for the root). Links are not followed; like git's archives, this takes the
    /// text of their target for the content.
    pub fn collect(
        store: &ObjectStore,
        root: &ObjectId,
        directory: &[u8],
        files: &[WalkEntry],
    ) -> Result<Self, ObjectError> {
        let mut blobs = Vec::new();
        for parent in parents(directory) {
            let path = join(parent, FILE_NAME);
            if let Some(entry) = store.find(root, &path)?
                && is_blob(entry.mode)
            {
                blobs.push((parent.to_vec(), entry.id));
            }
        }
        for file in files.iter().filter(|file| is_blob(file.mode)) {
            let path = join(directory, &file.path);
            if let Some((parent, FILE_NAME)) = split(&path) {
                blobs.push((parent.to_vec(), file.id));
            }
        }
        Ok(Self(Self::read(store, directory, blobs)?))
    }

    fn read(
        store: &ObjectStore,
        directory: &[u8],
        blobs: Vec<(Vec<u8>, ObjectId)>,
    ) -> Result<State, ObjectError> {
        let mut remaining = ATTRIBUTE_BYTES;
        let mut contents = HashMap::new();
        for (parent, id) in blobs {
            let Some(rest) = remaining.checked_sub(store.blob_size(&id)?) else {
                return Ok(State::TooMany);
            };
            contents.insert(parent, store.blob(&id, remaining)?);
            remaining = rest;
        }
        let root_content = contents.get(&b""[..]).map_or(&b""[..], |content| &content[..]);
        let mut rules = Rules::new(root_content);
        let files: HashMap<_, _> = contents
            .into_iter()
            .map(|(parent, content)| (parent, rules.read(&content)))
            .filter(|(_, file)| file.len() != 0)
            .collect();
        if !rules.can_convert() {
            return Ok(State::Irrelevant);
        }
        let rule_count: usize = files.values().map(FileRules::len).sum();
        if rule_count > MAX_RULES || files.values().any(FileRules::has_costly_pattern) {
            return Ok(State::TooMany);
        }
        let prefix = if directory.is_empty() { Vec::new() } else { join(directory, b"") };
        Ok(State::Relevant { rules, prefix, files })
    }

    /// What has to be done to a regular file of `size` bytes at `path` below the
    /// directory. Links are never converted.
    pub fn conversion(&self, path: &[u8], size: u64) -> Conversion {
        let (rules, prefix, files) = match &self.0 {
            State::Irrelevant => return Conversion::Unchanged,
            State::TooMany => return Conversion::NeedsGit,
            State::Relevant { rules, prefix, files } => (rules, prefix, files),
        };
        let path = [prefix, path].concat();
        // Few directories have rules, and a hostile tree may be thousands of them deep.
        let mut on_the_way: Vec<_> = files
            .iter()
            .filter_map(|(directory, file)| Some((file, below(&path, directory)?)))
            .collect();
        // The nearest first: what is left of the path is shortest there.
        on_the_way.sort_by_key(|(_, relative)| relative.len());
        match Conversion::from_values(&rules.values(on_the_way)) {
            Conversion::Text(text) if text.expands_ident && size > IDENT_BYTES => {
                Conversion::NeedsGit
            }
            conversion => conversion,
        }
    }
}

fn is_blob(mode: Mode) -> bool {
    matches!(mode, Mode::File | Mode::Symlink)
}

/// The path from a directory on; `None` if it does not lie there.
fn below<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    match directory {
        b"" => Some(path),
        _ => path.strip_prefix(directory)?.strip_prefix(b"/"),
    }
}

/// Each directory above a file, the nearest first, with the file's path from there.
fn ancestors(path: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let slashes = (0..path.len()).rev().filter(|&index| path[index] == b'/');
    let below = slashes.map(|slash| (&path[..slash], &path[slash + 1..]));
    below.chain([(&b""[..], path)])
}

/// Each directory strictly above a directory, from the root on.
fn parents(directory: &[u8]) -> Vec<&[u8]> {
    if directory.is_empty() {
        return Vec::new();
    }
    let mut parents: Vec<_> = ancestors(directory).map(|(parent, _)| parent).collect();
    parents.reverse();
    parents
}

/// Directory and name of a path.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    ancestors(path).next()
}

fn join(directory: &[u8], path: &[u8]) -> Vec<u8> {
    if directory.is_empty() { path.to_vec() } else { [directory, b"/", path].concat() }
}
