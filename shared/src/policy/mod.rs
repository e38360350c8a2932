//! Policy: which modules are private, which are excluded, and what becomes of a miss
//! (design §6). Pure values, made of an operator's texts or a project's.
//!
//! - `glob`, `version_range`, `pattern`: what one entry is about
//! - `private`, `exclude`, `download`: the three lists
//! - `anonymous`: what callers without a key get

mod anonymous;
mod download;
mod exclude;
mod glob;
mod pattern;
mod private;
mod version_range;

pub use anonymous::{Anonymous, AnonymousError};
pub use download::{Download, DownloadEntry, DownloadError, DownloadRule, Downloads};
pub use exclude::{Exclusion, ExclusionRule, ExclusionRuleError, Exclusions, Look};
pub use glob::{Glob, GlobError};
pub use pattern::{Pattern, PatternError};
pub use private::{PrivateModules, PrivatePattern, PrivatePatternError};
pub use version_range::{VersionRange, VersionRangeError};

use crate::module::{ModulePath, Version};

/// What holds for modules, by their paths. By default nothing is private, nothing is
/// excluded, and the role alone says what a miss becomes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What never leaves this deployment.
    pub private: PrivateModules,
    /// What nobody gets.
    pub exclude: Exclusions,
    /// What a miss becomes.
    pub download: Downloads,
}

impl Policy {
    /// Whether nothing is fetched of the module, or of this version of it, whatever is asked.
    /// Private modules have no download mode.
    pub fn is_never_fetched(&self, module: &ModulePath, version: Option<&Version>) -> bool {
        !self.private.contains(module)
            && self.download.find(module, version) == Some(&Download::Nothing)
    }
}
