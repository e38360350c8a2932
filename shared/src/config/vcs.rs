//! VcsSettings: where repositories are fetched from, and how much may come from one.

use std::{path::PathBuf, time::Duration};

use super::{ByteSize, UrlRewrite, reader::Reader, settings};

/// What a worker may fetch from version control.
#[derive(Debug, Clone)]
pub struct VcsSettings {
    /// The longest `from` that fits wins, as with git's `insteadOf` ([`settings::VCS_REWRITE`]).
    pub rewrites: Vec<UrlRewrite>,
    /// The file of credentials, which only workers read ([`settings::VCS_CREDENTIALS`]).
    pub credentials: Option<PathBuf>,
    /// Longest time of one exchange with a repository ([`settings::VCS_TIMEOUT`]).
    pub timeout: Duration,
    /// Most bytes of one fetch ([`settings::VCS_MAX_PACK_BYTES`]).
    pub max_pack_bytes: ByteSize,
    /// Most files in a module version's tree ([`settings::VCS_MAX_FILES`]).
    pub max_files: u64,
}

impl VcsSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let rewrites = reader.read_list(&settings::VCS_REWRITE);
        let credentials =
            reader.read_optional_with(&settings::VCS_CREDENTIALS, |text| Ok(PathBuf::from(text)));
        let timeout = reader.read_positive_duration(&settings::VCS_TIMEOUT);
        let max_pack_bytes = reader.read(&settings::VCS_MAX_PACK_BYTES);
        let max_files = reader.read_count(&settings::VCS_MAX_FILES);
        Some(Self {
            rewrites: rewrites?,
            credentials: credentials?,
            timeout: timeout?,
            max_pack_bytes: max_pack_bytes?,
            max_files: max_files?,
        })
    }
}
