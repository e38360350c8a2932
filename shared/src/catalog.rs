//! The catalog: what is known of each module version, one object per version.
//!
//! **Layout.** Entries lie one per version beside each other
//! (`_stoa/catalog/<module>/@v/<version>.json`). A packed catalog, per module or
//! whole, would make every fill a read-modify-write that races with every other
//! fill of its pack; here a fill is one conditional create that no other version
//! contends for, the rate of fills is the store's own, and `/catalog` pages through
//! keys without opening one. The price, one small object per version, is nothing
//! beside the three that each version has anyway; whoever needs all entries in
//! bulk reads the event log, which is packed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    module::{ModuleHash, Origin},
    storage::ETag,
};

/// One module version's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// What clients may do with the version.
    pub status: Status,
    /// go.mod and its sum.
    pub go_mod: StoredFile,
    /// The module zip and its sum; `None` for a mod-only version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<StoredFile>,
    /// Why there can be no zip, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip_refusal: Option<String>,
    /// The commit's time, as in `.info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Where it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When it was recorded here.
    pub recorded_at: Timestamp,
}

/// Whether a version is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Served and listed.
    Live,
}

/// One of a version's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// The `h1:` sum (go-modules §5).
    pub sum: ModuleHash,
    /// Bytes.
    pub size: u64,
    /// Of the object, when it was recorded: a read condition.
    pub etag: ETag,
}
