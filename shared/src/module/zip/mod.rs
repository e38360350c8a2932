//! The module zip: which files of a tree are in it (go-modules §4.2-4.4).
//!
//! [`select`] decides, in the order of the rules, over names, kinds and sizes alone; how
//! the bytes are fetched and packed is not its business. [`ForeignEntries`] checks zips
//! that others made.

mod collision;
mod foreign;
mod vendored;

use std::collections::{HashMap, HashSet};

use self::{collision::Collisions, vendored::VendorRule};
use super::{
    GoMod, MAX_GO_MOD_SIZE, ModulePath, Version,
    path_element::{ElementRule, check_file_element},
};

pub use self::foreign::{ForeignEntries, ForeignEntry};

/// The most that the files of a module may have together, in bytes uncompressed; also
/// the largest zip that clients accept.
pub const MAX_ZIP_SIZE: u64 = 500 << 20;

/// The largest `LICENSE` at the root of a module, in bytes.
pub const MAX_LICENSE_SIZE: u64 = 16 << 20;

/// A file of the module's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Relative to the module's directory, elements split by `/`. Any bytes: trees come
    /// from strangers.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Of the content, in bytes. Where packing converts it, [`Sizes`] are to be checked
    /// once more.
    pub size: u64,
}

/// What a file is. Submodules are no files at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// With content, executable or not.
    Regular,
    /// Never packed, but its name counts in the checks.
    Symlink,
}

/// Why a tree makes no module zip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// An absolute path, or one with empty elements, `.` or `..`.
    #[error("file path {path:?} is not clean")]
    Unclean {
        /// The file.
        path: String,
    },
    /// A name that is no UTF-8.
    #[error("file path {path:?} is not UTF-8")]
    NotUtf8 {
        /// The file, with replacements.
        path: String,
    },
    /// A name that some system cannot have.
    #[error("malformed file path {path:?}: {rule}")]
    Name {
        /// The file.
        path: String,
        /// What is wrong with its name.
        rule: ElementRule,
    },
    /// `Go.Mod` at the root.
    #[error("{path:?}: go.mod files must have lower-case names")]
    GoModCase {
        /// The file.
        path: String,
    },
    /// In a zip that others made: an entry of something else.
    #[error("{name:?}: does not begin with {prefix:?}")]
    Prefix {
        /// The entry.
        name: String,
        /// What all entries begin with.
        prefix: String,
    },
    /// In a zip that others made: the beginning of another module.
    #[error("{path:?}: go.mod file is not in the module's root directory")]
    NestedGoMod {
        /// The file.
        path: String,
    },
    /// Two names that some systems do not tell apart.
    #[error("case-insensitive file name collision: {first:?} and {second:?}")]
    Collision {
        /// The one that comes first.
        first: String,
        /// The other.
        second: String,
    },
    /// A name used both ways.
    #[error("{path:?} is both a file and a directory")]
    FileAndDirectory {
        /// The name.
        path: String,
    },
    /// The same name twice.
    #[error("multiple entries for file {path:?}")]
    Duplicate {
        /// The file.
        path: String,
    },
    /// More than [`MAX_ZIP_SIZE`] together.
    #[error("module source tree too large at {path:?}: more than {MAX_ZIP_SIZE} bytes")]
    TooLarge {
        /// The file that makes it too much.
        path: String,
    },
    /// A go.mod over [`MAX_GO_MOD_SIZE`] or a LICENSE over [`MAX_LICENSE_SIZE`].
    #[error("{path} has {size} bytes, more than {limit}")]
    FileTooLarge {
        /// The file.
        path: &'static str,
        /// Its size in bytes.
        size: u64,
        /// What it may have.
        limit: u64,
    },
}

/// The indexes in `files` of those that are in the zip, in their order. `files` is the
/// whole of the module's directory in the order of the git tree, and after it the
/// inherited license, if [`needs_inherited_license`]. `go_mod` is the content of the
/// directory's go.mod: its go directive says which rule for vendored files holds.
pub fn select(files: &[TreeFile], go_mod: Option<&[u8]>) -> Result<Vec<usize>, ZipError> {
    let vendor_rule = VendorRule::of(root_go_mod(files, go_mod).as_ref());
    let mut other_modules = OtherModules::of(files);
    let mut collisions = Collisions::default();
    let mut sizes = Sizes::default();
    let mut selected = Vec::with_capacity(files.len());

    for (index, file) in files.iter().enumerate() {
        let lossy_path = || String::from_utf8_lossy(&file.path).into_owned();
        if !is_clean(&file.path) {
            return Err(ZipError::Unclean { path: lossy_path() });
        }
        if vendor_rule.omits(&file.path)
            || other_modules.contain(&file.path)
            || file.path == b".hg_archival.txt"
        {
            continue;
        }
        let path =
            str::from_utf8(&file.path).map_err(|_| ZipError::NotUtf8 { path: lossy_path() })?;
        check_name(path)?;
        collisions.add(path)?;
        if file.kind == FileKind::Symlink {
            continue;
        }
        sizes.add(path, file.size)?;
        selected.push(index);
    }
    Ok(selected)
}

/// The limits on what is in the zip (go-modules §4.2, point 9), file by file.
#[derive(Debug, Default)]
pub struct Sizes {
    total: u64,
}

impl Sizes {
    /// Counts a file of the zip, `path` relative to the module's directory.
    pub fn add(&mut self, path: &str, size: u64) -> Result<(), ZipError> {
        self.total = self.total.saturating_add(size);
        if self.total > MAX_ZIP_SIZE {
            return Err(ZipError::TooLarge { path: path.to_owned() });
        }
        check_size(path, size)
    }
}

/// Whether a module that is not at the root of its repository takes the `LICENSE` of
/// the root, which is to be appended to `files` then, as a regular file.
pub fn needs_inherited_license(files: &[TreeFile]) -> bool {
    !files.iter().any(|file| file.path == b"LICENSE")
}

/// What the names of the module's entries start with: `M@V/`, both unescaped.
pub fn entry_prefix(module: &ModulePath, version: &Version) -> String {
    format!("{module}@{version}/")
}

/// `None` as well if it cannot be read: such modules were packed before there was a go
/// directive to ask.
fn root_go_mod(files: &[TreeFile], content: Option<&[u8]>) -> Option<GoMod> {
    let is_go_mod = |file: &TreeFile| file.path == b"go.mod" && file.kind == FileKind::Regular;
    files.iter().any(is_go_mod).then(|| GoMod::parse(content?).ok())?
}

/// Directories below the root that hold a go.mod in any case. Without a final slash.
fn directories_of_other_modules(files: &[TreeFile]) -> HashSet<&[u8]> {
    files
        .iter()
        .filter(|file| file.kind == FileKind::Regular)
        .filter_map(|file| {
            let slash = file.path.iter().rposition(|&byte| byte == b'/')?;
            let (directory, name) = file.path.split_at(slash);
            name[1..].eq_ignore_ascii_case(b"go.mod").then_some(directory)
        })
        .collect()
}

/// What lies in other modules. Each directory is looked at once: a hostile tree may be
/// thousands of directories deep.
struct OtherModules<'a> {
    roots: HashSet<&'a [u8]>,
    known: HashMap<&'a [u8], bool>,
}

impl<'a> OtherModules<'a> {
    fn of(files: &'a [TreeFile]) -> Self {
        Self { roots: directories_of_other_modules(files), known: HashMap::new() }
    }

    /// Whether a file lies at or below the root of another module.
    fn contain(&mut self, path: &'a [u8]) -> bool {
        if self.roots.is_empty() {
            return false;
        }
        // From the file outwards to the first directory that is known.
        let mut unknown = Vec::new();
        let mut rest = path;
        let is_inside = loop {
            let Some(slash) = rest.iter().rposition(|&byte| byte == b'/') else { break false };
            rest = &rest[..slash];
            if let Some(known) = self.known.get(rest) {
                break *known;
            }
            if self.roots.contains(rest) {
                self.known.insert(rest, true);
                break true;
            }
            unknown.push(rest);
        };
        self.known.extend(unknown.into_iter().map(|directory| (directory, is_inside)));
        is_inside
    }
}

fn is_clean(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').all(|element| !matches!(element, b"" | b"." | b".."))
}

fn check_elements(path: &str) -> Result<(), ZipError> {
    path.split('/')
        .try_for_each(check_file_element)
        .map_err(|rule| ZipError::Name { path: path.to_owned(), rule })
}

fn check_name(path: &str) -> Result<(), ZipError> {
    check_elements(path)?;
    if path != "go.mod" && path.eq_ignore_ascii_case("go.mod") {
        return Err(ZipError::GoModCase { path: path.to_owned() });
    }
    Ok(())
}

fn check_size(path: &str, size: u64) -> Result<(), ZipError> {
    let (path, limit) = match path {
        "go.mod" => ("go.mod", MAX_GO_MOD_SIZE),
        "LICENSE" => ("LICENSE", MAX_LICENSE_SIZE),
        _ => return Ok(()),
    };
    if size > limit { Err(ZipError::FileTooLarge { path, size, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
