//! Kinds of objects, and the parsers of commits, tags and trees.

use std::fmt;

use crate::vcs::{ObjectFormat, ObjectId};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// A file or the target of a symbolic link.
    Blob,
    /// An annotated tag.
    Tag,
}

/// The parts of a commit that versions are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its root directory.
    pub tree: ObjectId,
    /// In the order they are written; empty for a root commit. A shallow fetch names
    /// parents that it does not bring.
    pub parents: Vec<ObjectId>,
    /// Committer date in seconds since 1970-01-01 UTC; the zone does not matter.
    pub committer_time: i64,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// What it is.
    pub mode: Mode,
    /// One path element, any bytes but NUL and `/`; not necessarily UTF-8.
    pub name: Vec<u8>,
    /// The blob or tree, or a commit of another repository.
    pub id: ObjectId,
}

/// What a directory entry is. The executable bit means nothing to modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A regular file.
    File,
    /// A symbolic link; the blob is its target.
    Symlink,
    /// A directory.
    Directory,
    /// A commit of another repository.
    Submodule,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        })
    }
}

/// The header lines of a commit. The time is missing when the committer line is odd:
/// ancestry does not need it.
pub(super) struct CommitHeader {
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    pub(super) committer_time: Option<i64>,
}

impl CommitHeader {
    /// `None` without a `tree` line, or with a parent that is no object id.
    pub(super) fn parse(content: &[u8], format: ObjectFormat) -> Option<Self> {
        let mut lines = header_lines(content).peekable();
        let tree = parse_id(lines.next()?.strip_prefix(b"tree ")?, format)?;
        let mut parents = Vec::new();
        while let Some(parent) = lines.peek().and_then(|line| line.strip_prefix(b"parent ")) {
            parents.push(parse_id(parent, format)?);
            lines.next();
        }
        let committer_time =
            lines.find_map(|line| line.strip_prefix(b"committer ")).and_then(parse_time);
        Some(Self { tree, parents, committer_time })
    }
}

/// What a tag object points to, which may be another tag.
pub(super) fn parse_tag(content: &[u8], format: ObjectFormat) -> Option<ObjectId> {
    parse_id(header_lines(content).next()?.strip_prefix(b"object ")?, format)
}

/// The entries of a tree in their stored order; `Err` names the broken rule.
pub(super) fn parse_tree(
    mut content: &[u8],
    format: ObjectFormat,
) -> Result<Vec<TreeEntry>, &'static str> {
    let mut entries = Vec::new();
    while !content.is_empty() {
        let space = position(content, b' ').ok_or("a directory entry has no mode")?;
        let mode = parse_mode(&content[..space]).ok_or("a directory entry has a bad mode")?;
        content = &content[space + 1..];
        let end = position(content, 0).ok_or("a directory entry has no end")?;
        let name = &content[..end];
        if name.is_empty() || name.contains(&b'/') {
            return Err("a directory entry has a bad name");
        }
        let (id, rest) = content[end + 1..]
            .split_at_checked(format.id_length())
            .ok_or("a directory entry is cut off")?;
        let id = ObjectId::from_bytes(id).ok_or("a directory entry has a bad id")?;
        entries.push(TreeEntry { mode, name: name.to_vec(), id });
        content = rest;
    }
    Ok(entries)
}

/// Octal digits. Like git, whatever is no file, link or directory is a submodule.
fn parse_mode(digits: &[u8]) -> Option<Mode> {
    if digits.is_empty() || digits.len() > 7 || digits.iter().any(|d| !matches!(d, b'0'..=b'7')) {
        return None;
    }
    let mode = digits.iter().fold(0_u32, |mode, digit| mode << 3 | u32::from(digit - b'0'));
    Some(match mode & 0o170_000 {
        0o100_000 => Mode::File,
        0o120_000 => Mode::Symlink,
        0o040_000 => Mode::Directory,
        _ => Mode::Submodule,
    })
}

/// The lines before the message.
fn header_lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty())
}

/// The digits after the last `>` of `Name <mail> seconds zone`: names and addresses
/// may hold anything.
fn parse_time(line: &[u8]) -> Option<i64> {
    let after = line.rsplit(|&byte| byte == b'>').next()?.trim_ascii_start();
    let digits = after.split(|byte| !byte.is_ascii_digit()).next()?;
    // Without any `>` the digits would be those of a name.
    line.contains(&b'>').then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn parse_id(hex: &[u8], format: ObjectFormat) -> Option<ObjectId> {
    let id: ObjectId = std::str::from_utf8(hex).ok()?.parse().ok()?;
    (id.as_bytes().len() == format.id_length()).then_some(id)
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committer_times_survive_odd_signatures() {
        for (line, expected) in [
            ("A U Thor <a@b> 1700000000 +0530", Some(1_700_000_000)),
            ("A > B <a@b> 1 +0000", Some(1)),
            ("<> 0 +0000", Some(0)),
            ("A <a@b>1700000000 +0000", Some(1_700_000_000)),
            ("A <a@b> 5", Some(5)),
            ("A <a@b> 4102444800 -1200", Some(4_102_444_800)),
            ("A <a@b> -5 +0000", None),
            ("A <a@b> soon", None),
            ("A <a@b>", None),
            ("A 17", None),
            ("A <a@b> 99999999999999999999 +0000", None),
            ("", None),
        ] {
            assert_eq!(parse_time(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn commits_without_a_tree_or_with_a_bad_parent_are_refused() {
        let id = "1".repeat(40);
        let parse = |text: &str| CommitHeader::parse(text.as_bytes(), ObjectFormat::Sha1);
        let good = parse(&format!(
            "tree {id}\nparent {id}\nparent {id}\nauthor x\nencoding y\ncommitter A <b> 7 +0\n\nparent z"
        ))
        .unwrap();
        assert_eq!((good.parents.len(), good.committer_time), (2, Some(7)));
        let in_message = parse(&format!("tree {id}\n\ncommitter A <b> 7 +0\n")).unwrap();
        assert_eq!(in_message.committer_time, None);
        for bad in ["", "tree 12\n", &format!("tree {id}{id}\n"), &format!("tree {id}\nparent 3\n")]
        {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn trees_are_parsed_strictly_but_modes_as_git_does() {
        let id = [7; 20];
        let entry =
            |mode: &str, name: &str| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &id].concat();
        for (mode, expected) in [
            ("100644", Mode::File),
            ("100664", Mode::File),
            ("0100755", Mode::File),
            ("120000", Mode::Symlink),
            ("40000", Mode::Directory),
            ("040000", Mode::Directory),
            ("160000", Mode::Submodule),
            ("10000", Mode::Submodule),
        ] {
            let entries = parse_tree(&entry(mode, "a"), ObjectFormat::Sha1).unwrap();
            assert_eq!(entries[0].mode, expected, "{mode}");
        }
        for bad in [
            entry("", "a"),
            entry("8", "a"),
            entry("100644", ""),
            entry("100644", "a/b"),
            entry("100644", "a")[..20].to_vec(),
            b"100644".to_vec(),
            b"100644 a".to_vec(),
        ] {
            assert!(parse_tree(&bad, ObjectFormat::Sha1).is_err(), "{bad:?}");
        }
    }
}
