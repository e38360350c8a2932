//! The first pass: every entry of the arriving pack, inflated once.

use sha2::Digest as _;

use super::{
    Kind, Limits, PackError,
    commit_graph::CommitGraph,
    entry::{EntryHeader, Form},
    hash::Hasher,
    inflate::Inflater,
    input::PackInput,
    object::CommitHeader,
};
use crate::vcs::{Contents, ObjectFormat, ObjectId};

/// An object whose content can be read.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: ObjectId,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) place: Place,
}

/// Where the content lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Compressed in the pack, with zlib's header and trailer. Blobs have a digest.
    Packed { offset: u64, length: u64, digest: Option<u32> },
    /// As it is, in the file of resolved deltas.
    Resolved { offset: u64 },
}

/// Checksums of a blob's content.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContentDigest {
    pub(super) crc32: u32,
    pub(super) sha256: [u8; 32],
}

/// A delta that waits for its base.
#[derive(Debug)]
pub(super) struct Delta {
    pub(super) start: u64,
    pub(super) base: Base,
    /// The compressed delta in the pack.
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Bytes of the delta, not of the object.
    pub(super) size: u64,
}

/// What a delta builds on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base {
    Entry(Slot),
    Name(ObjectId),
}

/// An entry of the pack by its index in [`Scan::objects`] or [`Scan::deltas`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Object(u32),
    Delta(u32),
}

/// What the first pass found.
pub(super) struct Scan {
    pub(super) objects: Vec<Object>,
    pub(super) deltas: Vec<Delta>,
    pub(super) digests: Vec<ContentDigest>,
    pub(super) commits: CommitGraph,
    /// What may still be produced by deltas.
    pub(super) remaining_bytes: u64,
}

struct Scanner<'a> {
    input: &'a mut PackInput,
    format: ObjectFormat,
    limits: &'a Limits,
    keep: Contents,
    inflater: Inflater,
    /// Where kept entries start, ascending, to find the bases of offset deltas.
    starts: Vec<(u64, Slot)>,
    /// The commit that is being read; reused.
    commit: Vec<u8>,
    scan: Scan,
}

/// Reads the pack to its end, but for the checksum, which the spooling thread knows.
pub(super) fn scan(
    input: &mut PackInput,
    format: ObjectFormat,
    limits: &Limits,
    keep: Contents,
) -> Result<Scan, PackError> {
    let count = read_header(input)?;
    let mut scanner = Scanner {
        input,
        format,
        limits,
        keep,
        inflater: Inflater::new(limits.inflated_bytes),
        starts: Vec::new(),
        commit: Vec::new(),
        scan: Scan {
            objects: Vec::new(),
            deltas: Vec::new(),
            digests: Vec::new(),
            commits: CommitGraph::default(),
            remaining_bytes: 0,
        },
    };
    for _ in 0..count {
        scanner.entry()?;
    }
    let Scanner { input, inflater, mut scan, .. } = scanner;
    scan.remaining_bytes = inflater.remaining();
    input.bytes(&mut [0; 32][..format.id_length()])?;
    if !input.fill().is_empty() {
        return Err(PackError::Corrupt {
            offset: input.offset(),
            reason: "bytes follow the end of the pack",
        });
    }
    Ok(scan)
}

/// Signature and version; returns how many entries are declared.
fn read_header(input: &mut PackInput) -> Result<u32, PackError> {
    let mut header = [0; 12];
    input.bytes(&mut header)?;
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = header else {
        return Err(PackError::UnknownFormat);
    };
    Ok(u32::from_be_bytes(count))
}

impl Scanner<'_> {
    fn entry(&mut self) -> Result<(), PackError> {
        let header = EntryHeader::read(self.input, self.format)?;
        match header.form {
            Form::Whole(kind) if self.keeps(kind) => self.object(&header, kind),
            Form::Whole(_) => self.skip(&header),
            Form::OffsetDelta(base) => match self.starts.binary_search_by_key(&base, |s| s.0) {
                Ok(index) => self.delta(&header, Base::Entry(self.starts[index].1)),
                // Its base is a tree or blob that was not kept: so would this be.
                Err(_) if self.keep == Contents::Commits => self.skip(&header),
                Err(_) => Err(PackError::MissingBase { offset: header.start }),
            },
            Form::NameDelta(base) => self.delta(&header, Base::Name(base)),
        }
    }

    fn keeps(&self, kind: Kind) -> bool {
        self.keep != Contents::Commits || matches!(kind, Kind::Commit | Kind::Tag)
    }

    /// Inflates an entry that is not needed, because only that tells where it ends.
    fn skip(&mut self, header: &EntryHeader) -> Result<(), PackError> {
        self.inflater.run(self.input, header.start, header.size, |_| ())?;
        Ok(())
    }

    fn object(&mut self, header: &EntryHeader, kind: Kind) -> Result<(), PackError> {
        check_object_size(kind, header.size, self.limits)?;
        let slot = Slot::Object(self.index(self.scan.objects.len())?);
        let offset = self.input.offset();
        let mut hasher = Hasher::object(self.format, kind, header.size);
        let mut checksums =
            (kind == Kind::Blob).then(|| (crc32fast::Hasher::new(), sha2::Sha256::new()));
        let commit = &mut self.commit;
        commit.clear();
        let length = self.inflater.run(self.input, header.start, header.size, |bytes| {
            hasher.update(bytes);
            if let Some((crc32, sha256)) = &mut checksums {
                crc32.update(bytes);
                sha256.update(bytes);
            }
            if kind == Kind::Commit {
                commit.extend_from_slice(bytes);
            }
        })?;
        let id = hasher.finish().map_err(|_| PackError::Collision { offset: header.start })?;

        let digest = match checksums {
            None => None,
            Some((crc32, sha256)) => {
                let index = self.index(self.scan.digests.len())?;
                self.scan.digests.push(ContentDigest {
                    crc32: crc32.finalize(),
                    sha256: sha256.finalize().into(),
                });
                Some(index)
            }
        };
        if kind == Kind::Commit {
            self.scan.add_commit(id, &self.commit, self.format, self.limits)?;
        }
        let place = Place::Packed { offset, length, digest };
        self.scan.objects.push(Object { id, kind, size: header.size, place });
        self.starts.push((header.start, slot));
        Ok(())
    }

    fn delta(&mut self, header: &EntryHeader, base: Base) -> Result<(), PackError> {
        let slot = Slot::Delta(self.index(self.scan.deltas.len())?);
        let offset = self.input.offset();
        let length = self.inflater.run(self.input, header.start, header.size, |_| ())?;
        self.scan.deltas.push(Delta {
            start: header.start,
            base,
            offset,
            length,
            size: header.size,
        });
        self.starts.push((header.start, slot));
        Ok(())
    }

    /// The next index, if another object may be kept.
    fn index(&self, length: usize) -> Result<u32, PackError> {
        let exceeded = PackError::LimitExceeded { what: "objects", maximum: self.limits.objects };
        if self.starts.len() as u64 >= self.limits.objects {
            return Err(exceeded);
        }
        u32::try_from(length).map_err(|_| exceeded)
    }
}

impl Scan {
    /// Remembers parents and time of a commit. One that cannot be parsed stays
    /// readable as an object, it only has no place in history.
    pub(super) fn add_commit(
        &mut self,
        id: ObjectId,
        content: &[u8],
        format: ObjectFormat,
        limits: &Limits,
    ) -> Result<(), PackError> {
        let Some(header) = CommitHeader::parse(content, format) else {
            return Ok(());
        };
        self.commits
            .push(id, &header)
            .ok_or(PackError::LimitExceeded { what: "objects", maximum: limits.objects })
    }
}

/// Commits, trees and tags are read into memory, so they must fit.
pub(super) fn check_object_size(kind: Kind, size: u64, limits: &Limits) -> Result<(), PackError> {
    if kind != Kind::Blob && size > limits.object_bytes {
        return Err(PackError::LimitExceeded {
            what: "bytes in one commit, tree or tag",
            maximum: limits.object_bytes,
        });
    }
    Ok(())
}
