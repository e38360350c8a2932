//! Which directory of a commit is the module (go-modules §3.6).

use stoa_shared::module::{ModulePath, PathMajor, declared_module_path};

use super::place::Place;
use crate::locate::excerpt::excerpt;

/// The directory that is the module at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModuleDir {
    /// The directory, without slashes at its ends; empty at the top.
    pub(super) directory: String,
    /// Whether there is no go.mod and [`synthetic_go_mod`] stands for it.
    pub(super) is_synthetic: bool,
}

/// Decides by the content of the two files that may be the module's go.mod at a commit:
/// [`Place::go_mod`] and [`Place::major_go_mod`], `None` if there is no such blob. Only
/// the declared major version matters, not the rest of the path.
pub(super) fn find_dir(
    place: &Place,
    go_mod: Option<&[u8]>,
    major_go_mod: Option<&[u8]>,
) -> Result<ModuleDir, UnfitGoMod> {
    let wanted = &place.path_major;
    let judged = go_mod.map(|content| judge(content, wanted));
    if let Some((directory, file)) = place.major_dir().zip(place.major_go_mod()) {
        let Some(content) = major_go_mod else {
            return without_major_dir(place, judged, Some(file));
        };
        let file_fault = |fault| UnfitGoMod { file, fault, absent: None };
        return match (judge(content, wanted), judged) {
            (Ok(()), Some(Ok(()))) => Err(file_fault(GoModFault::Twice {
                other: place.go_mod(),
                suffix: wanted.to_string(),
            })),
            (Ok(()), _) => Ok(ModuleDir { directory, is_synthetic: false }),
            (Err(fault), _) => Err(file_fault(fault)),
        };
    }
    without_major_dir(place, judged, None)
}

/// The go.mod of a module that has none: one line.
pub(super) fn synthetic_go_mod(module: &ModulePath) -> String {
    format!("module {module}\n")
}

/// `absent` is the go.mod of the major-version directory, where one could have been.
fn without_major_dir(
    place: &Place,
    judged: Option<Result<(), GoModFault>>,
    absent: Option<String>,
) -> Result<ModuleDir, UnfitGoMod> {
    // Neither below the top nor from v2 on may a module do without go.mod.
    let may_be_synthetic =
        place.code_dir.is_empty() && !matches!(place.path_major, PathMajor::Slash(_));
    let found = |is_synthetic| Ok(ModuleDir { directory: place.code_dir.clone(), is_synthetic });
    let unfit = |fault| Err(UnfitGoMod { file: place.go_mod(), fault, absent });
    match judged {
        Some(Ok(())) => found(false),
        Some(Err(fault)) => unfit(fault),
        None if may_be_synthetic => found(true),
        None => unfit(GoModFault::Missing),
    }
}

/// Whether a go.mod may stand for a module of that major version.
fn judge(content: &[u8], wanted: &PathMajor) -> Result<(), GoModFault> {
    let declared = declared_module_path(content).unwrap_or_default();
    if declared.is_empty() {
        return Err(GoModFault::NoModulePath);
    }
    if wanted.accepts_declared(&declared) {
        return Ok(());
    }
    let is_malformed = PathMajor::split(&declared).is_none();
    let declared = excerpt(&declared);
    Err(match wanted {
        PathMajor::Unsuffixed if is_malformed => GoModFault::MalformedPath { declared },
        PathMajor::Unsuffixed => GoModFault::LaterMajor { declared },
        suffix => GoModFault::OtherMajor { declared, suffix: suffix.to_string() },
    })
}

/// A commit does not have the module, and what in it says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} {fault}{}", and_absent(absent.as_deref()))]
pub(super) struct UnfitGoMod {
    /// The file's path in the repository.
    pub(super) file: String,
    /// What is wrong with it.
    pub(super) fault: GoModFault,
    /// The file that could have stood for it, but does not exist either.
    pub(super) absent: Option<String>,
}

/// What is wrong with a go.mod. Declared paths are excerpts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GoModFault {
    /// There is none, and must be.
    #[error("is missing")]
    Missing,
    /// It has no module path.
    #[error("has no module path")]
    NoModulePath,
    /// Its module path ends in what cannot be a major version.
    #[error("has a malformed module path {declared:?}")]
    MalformedPath {
        /// What it declares.
        declared: String,
    },
    /// It is of v2 or later, the module of v0 or v1.
    #[error("has the module path {declared:?}, which is for a later major version")]
    LaterMajor {
        /// What it declares.
        declared: String,
    },
    /// It is of another major version.
    #[error("has the module path {declared:?}, which does not end in {suffix}")]
    OtherMajor {
        /// What it declares.
        declared: String,
        /// The major-version suffix of the module.
        suffix: String,
    },
    /// It and another file both stand for the module.
    #[error("and {other} both have {suffix} module paths")]
    Twice {
        /// The other file's path in the repository.
        other: String,
        /// The major-version suffix of the module.
        suffix: String,
    },
}

fn and_absent(file: Option<&str>) -> String {
    file.map(|file| format!(" (and {file} does not exist)")).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
