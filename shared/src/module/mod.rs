//! The module domain: what paths, versions, documents and zips are legal, and what
//! they mean. Pure: no I/O, no clock. All rules are those of `go-modules.md`; each
//! file names its section.
//!
//! - `path` and `path_major`: module paths and their major-version suffix
//! - `version`, `pseudo_version`, [`semver`]: versions, and how they are ordered
//! - `preferred`: which version `latest` means
//! - `query`: what may stand in a URL where a version is expected
//! - `info`, `go_mod`, `go_sum`: documents and sums
//! - [`zip`]: which files of a tree make the module zip
//! - `escape`, `path_element`: the rules that several of these share

mod escape;
mod go_mod;
mod go_sum;
mod info;
mod path;
mod path_element;
mod path_major;
mod preferred;
mod pseudo_version;
mod query;
pub mod semver;
mod version;
pub mod zip;

pub use go_mod::{
    GoMod, GoModError, GoModProblem, GoVersion, MAX_GO_MOD_SIZE, declared_module_path,
};
pub use go_sum::{H1Builder, ModuleHash, ModuleHashError, NameWithNewline, hash_go_mod};
pub use info::{Origin, VersionInfo};
pub use path::{ModulePath, ModulePathError, ModulePathRule};
pub use path_element::ElementRule;
pub use path_major::PathMajor;
pub use preferred::{latest, preferred};
pub use pseudo_version::{PseudoVersion, PseudoVersionError, is_pseudo_version};
pub use query::{VersionQuery, VersionQueryError, VersionQueryRule};
pub use version::{Version, VersionError};
