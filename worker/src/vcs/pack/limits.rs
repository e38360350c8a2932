//! Limits: what a pack may cost us, whatever it declares.

/// Upper bounds on one pack. The bytes come from hostile servers: nothing is allocated
/// on the word of a header, and work stops at the first bound that is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on the wire, and so of the spool file.
    pub pack_bytes: u64,
    /// Objects that are kept; bounds memory.
    pub objects: u64,
    /// Bytes of one commit, tree or tag, which are read into memory.
    pub object_bytes: u64,
    /// Bytes of all objects after inflating and resolving; bounds time and the second
    /// spool file.
    pub inflated_bytes: u64,
}

impl Default for Limits {
    /// Room for the largest repositories that are modules: 2 GiB of pack, 3,000,000
    /// objects, 64 MiB a tree, 16 GiB of content.
    fn default() -> Self {
        Self {
            pack_bytes: 2 << 30,
            objects: 3_000_000,
            object_bytes: 64 << 20,
            inflated_bytes: 16 << 30,
        }
    }
}
