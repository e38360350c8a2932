//! RefCollector: a listing of refs, taken in line by line.

use std::collections::BTreeMap;

use super::error::WireError;
use crate::vcs::{Capabilities, ObjectId, RefListing, TagTarget};

/// Takes the refs that exist for us (go-modules §3.2) and skips all others.
#[derive(Debug)]
pub(super) struct RefCollector {
    limit: usize,
    seen: usize,
    head: Option<ObjectId>,
    heads: BTreeMap<String, ObjectId>,
    tags: BTreeMap<String, TagTarget>,
}

impl RefCollector {
    /// Fails once more than `limit` refs were sent, skipped ones included.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, seen: 0, head: None, heads: BTreeMap::new(), tags: BTreeMap::new() }
    }

    /// One ref with its full name. A name `…^{}` says what the tag before it peels to,
    /// as protocol v0 does it.
    pub(super) fn add(
        &mut self,
        name: &[u8],
        object: ObjectId,
        peeled: Option<ObjectId>,
    ) -> Result<(), WireError> {
        self.seen += 1;
        if self.seen > self.limit {
            return Err(WireError::TooManyRefs { limit: self.limit });
        }
        if name.iter().any(u8::is_ascii_control) {
            return Ok(());
        }
        // A commit below a name in another encoding is still reachable. The name itself
        // only ever is a key: what is sent to servers is ids.
        let name = String::from_utf8_lossy(name);
        if name == "HEAD" {
            self.head = Some(object);
        } else if let Some(branch) = name.strip_prefix("refs/heads/") {
            self.heads.insert(branch.to_owned(), object);
        } else if let Some(tag) = name.strip_prefix("refs/tags/") {
            if let Some(tag) = tag.strip_suffix("^{}") {
                if let Some(target) = self.tags.get_mut(tag) {
                    target.peeled = object;
                }
            } else {
                let target = TagTarget { object, peeled: peeled.unwrap_or(object) };
                self.tags.insert(tag.to_owned(), target);
            }
        }
        Ok(())
    }

    /// One line of a listing: id, separator, name.
    pub(super) fn add_line(&mut self, line: &[u8], separator: u8) -> Result<(), WireError> {
        let (id, name) = split(line, separator);
        let id = parse_id(id).ok_or_else(|| WireError::malformed("a ref without an id", line))?;
        self.add(name, id, None)
    }

    /// The id of any ref, which tells the object format.
    pub(super) fn any_id(&self) -> Option<ObjectId> {
        let tag = self.tags.values().map(|target| target.object);
        self.head.into_iter().chain(self.heads.values().copied()).chain(tag).next()
    }

    pub(super) fn finish(self, capabilities: Capabilities) -> RefListing {
        let Self { head, heads, tags, .. } = self;
        let object_format = capabilities.object_format;
        RefListing { object_format, head, heads, tags, capabilities }
    }
}

/// What stands before and after the first separator.
pub(super) fn split(line: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == separator) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

pub(super) fn parse_id(text: &[u8]) -> Option<ObjectId> {
    str::from_utf8(text).ok()?.parse().ok()
}
