//! Looking a revision up among the advertised refs (go-modules §3.3).

use stoa_shared::module::{is_pseudo_version, semver};

use crate::vcs::{ObjectId, RefListing};

/// The fewest hex digits that may stand for a commit.
const MIN_HASH_DIGITS: usize = 7;

/// What the refs alone say of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// A ref or the beginning of an advertised id.
    Found(Revision),
    /// Hex digits that may be a commit which no ref names: history decides.
    NeedsHistory,
    /// Hex digits that several advertised ids begin with.
    Ambiguous,
    /// Nothing.
    Unknown,
}

/// A revision that the refs name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    /// What it peels to.
    pub(super) object: ObjectId,
    /// The tag's name if the revision is exactly a tag.
    pub(super) tag: Option<String>,
}

/// The text that is looked up for a query: a version's tag, a pseudo-version's last
/// field, anything else as it is.
pub(super) fn revision_text(query: &str, tag_prefix: &str) -> String {
    if !semver::is_valid(query) {
        return query.to_owned();
    }
    if is_pseudo_version(query) {
        let without_build = query.split('+').next().unwrap_or(query);
        let revision = without_build.rsplit('-').next().unwrap_or(without_build);
        return revision.to_owned();
    }
    format!("{tag_prefix}{}", query.strip_suffix("+incompatible").unwrap_or(query))
}

/// Looks a revision up: tag, branch, `HEAD`, then advertised ids by their beginning.
pub(super) fn look_up(listing: &RefListing, revision: &str) -> Lookup {
    if let Some(tag) = listing.tags.get(revision) {
        return Lookup::Found(Revision { object: tag.peeled, tag: Some(revision.to_owned()) });
    }
    let named = listing.heads.get(revision).copied();
    let named = named.or_else(|| listing.head.filter(|_| revision == "HEAD"));
    if let Some(object) = named {
        return Lookup::Found(Revision { object, tag: None });
    }
    let digits = 2 * listing.object_format.id_length();
    let is_hex = revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || !(MIN_HASH_DIGITS..=digits).contains(&revision.len()) {
        return Lookup::Unknown;
    }
    let mut found = None;
    for id in advertised(listing) {
        if id.to_string().starts_with(revision)
            && found.replace(id).is_some_and(|other| other != id)
        {
            return Lookup::Ambiguous;
        }
    }
    match found {
        Some(object) => Lookup::Found(Revision { object, tag: None }),
        None => Lookup::NeedsHistory,
    }
}

/// All peeled ids of the listing.
fn advertised(listing: &RefListing) -> impl Iterator<Item = ObjectId> {
    let tags = listing.tags.values().map(|tag| tag.peeled);
    listing.head.into_iter().chain(listing.heads.values().copied()).chain(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vcs::{Capabilities, ObjectFormat, Protocol, TagTarget};

    fn id(text: &str) -> ObjectId {
        format!("{text:0<40}").parse().unwrap()
    }

    fn listing() -> RefListing {
        let tag = |text| TagTarget { object: id(text), peeled: id(text) };
        RefListing {
            object_format: ObjectFormat::Sha1,
            head: Some(id("aaaaaaa1")),
            heads: [("main", "aaaaaaa1"), ("twin", "bbbbbbb1"), ("bbbbbbb2bbbb", "aaaaaaa1")]
                .map(|(name, text)| (name.to_owned(), id(text)))
                .into(),
            tags: [("v1.0.0", "bbbbbbb2"), ("twin", "ccccccc1"), ("sub/v0.1.0", "ccccccc2")]
                .map(|(name, text)| (name.to_owned(), tag(text)))
                .into(),
            capabilities: Capabilities {
                protocol: Protocol::V2,
                object_format: ObjectFormat::Sha1,
                can_filter: true,
                can_be_shallow: true,
            },
        }
    }

    #[test]
    fn refs_win_over_hashes_and_tags_over_branches() {
        let found = |text: &str, tag: Option<&str>| {
            Lookup::Found(Revision { object: id(text), tag: tag.map(str::to_owned) })
        };
        let full = id("bbbbbbb2").to_string();
        let cases = [
            ("v1.0.0", found("bbbbbbb2", Some("v1.0.0"))),
            ("twin", found("ccccccc1", Some("twin"))),
            ("main", found("aaaaaaa1", None)),
            ("HEAD", found("aaaaaaa1", None)),
            ("bbbbbbb2bbbb", found("aaaaaaa1", None)),
            (&full, found("bbbbbbb2", None)),
            ("aaaaaaa1", found("aaaaaaa1", None)),
            ("ccccccc", Lookup::Ambiguous),
            ("ddddddd", Lookup::NeedsHistory),
            ("dddddd", Lookup::Unknown),
            ("AAAAAAA1", Lookup::Unknown),
            ("heads/main", Lookup::Unknown),
            ("refs/tags/v1.0.0", Lookup::Unknown),
            (&"d".repeat(41), Lookup::Unknown),
        ];
        for (revision, expected) in cases {
            assert_eq!(look_up(&listing(), revision), expected, "{revision}");
        }
    }

    #[test]
    fn a_version_is_looked_up_as_the_tag_of_its_directory() {
        let cases = [
            ("v1.2.3", "", "v1.2.3"),
            ("v1.2.3", "sub/", "sub/v1.2.3"),
            ("v2.0.0+incompatible", "", "v2.0.0"),
            ("v1.0.5+meta", "", "v1.0.5+meta"),
            ("v1", "sub/", "sub/v1"),
            ("v0.0.0-20200102030405-abcdefabcdef", "sub/", "abcdefabcdef"),
            ("v2.0.1-0.20200102030405-abcdefabcdef+incompatible", "", "abcdefabcdef"),
            ("main", "sub/", "main"),
        ];
        for (query, prefix, expected) in cases {
            assert_eq!(revision_text(query, prefix), expected, "{query}");
        }
    }
}
