//! ObjectStore: the objects of one pack, readable by id.

use std::{
    fs::File,
    io::{self, Read, Seek},
    sync::Arc,
};

use super::{
    BlobReader, Commit, CommitNode, Kind, Limits, Mode, ObjectError, PackError, Section, TreeEntry,
    commit_graph::CommitGraph,
    object::{CommitHeader, parse_tag, parse_tree},
    resolve::resolve,
    scan::{ContentDigest, Object, Place, scan},
    spool,
};
use crate::vcs::{Contents, ObjectFormat, ObjectId};

/// Bytes around the raw deflate stream in zlib's framing.
const ZLIB_HEADER: u64 = 2;
const ZLIB_TRAILER: u64 = 4;

/// The objects of one pack. Clones share it; its files vanish with the last one. All
/// methods block on a local file, so call them where blocking is allowed.
#[derive(Debug, Clone)]
pub struct ObjectStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    format: ObjectFormat,
    object_bytes: u64,
    pack_bytes: u64,
    pack: Arc<File>,
    resolved: Arc<File>,
    /// Ascending by id, each id once.
    objects: Vec<Object>,
    digests: Vec<ContentDigest>,
    commits: CommitGraph,
}

/// A blob whose compressed bytes can be copied as they are.
#[derive(Debug)]
pub struct StoredBlob {
    /// Bytes of content.
    pub size: u64,
    /// CRC-32 of the content, as zip has it.
    pub crc32: u32,
    /// SHA-256 of the content, as `h1:` sums have it.
    pub sha256: [u8; 32],
    /// Bytes of [`deflate`](Self::deflate).
    pub deflate_length: u64,
    /// The content as a raw deflate stream.
    pub deflate: Section,
}

impl ObjectStore {
    /// Reads a pack to the end of `reader` and checks all of it. Blocks, and reads on
    /// a thread of its own that outlives a failed call by at most one read.
    ///
    /// With [`Contents::Commits`] only commits and tags are kept, whatever the server
    /// sent along.
    pub fn read(
        reader: impl Read + Send + 'static,
        format: ObjectFormat,
        limits: &Limits,
        keep: Contents,
    ) -> Result<Self, PackError> {
        let (mut input, spooling) = spool::start(reader, format, limits.pack_bytes)?;
        let scanned = scan(&mut input, format, limits, keep);
        // Only now may the thread be awaited: it has ended, or ends with its input.
        let mut scan = match scanned {
            Ok(scan) => scan,
            Err(truncated @ PackError::Truncated { .. }) => {
                return Err(match spooling.join() {
                    Ok(Err(error)) if !matches!(error, PackError::ChecksumMismatch) => error,
                    _ => truncated,
                });
            }
            Err(error) => return Err(error),
        };
        let pack = spooling
            .join()
            .map_err(|_| PackError::Spool(io::Error::other("the spooling thread panicked")))??;
        let pack = Arc::new(pack);
        let resolved = resolve(&mut scan, &pack, format, limits, keep)?;

        let mut objects = scan.objects;
        objects.sort_unstable_by_key(|object| object.id);
        objects.dedup_by_key(|object| object.id);
        objects.shrink_to_fit();
        Ok(Self(Arc::new(Inner {
            format,
            object_bytes: limits.object_bytes,
            pack_bytes: pack.metadata().map_err(PackError::Spool)?.len(),
            pack,
            resolved: Arc::new(resolved),
            objects,
            digests: scan.digests,
            commits: scan.commits,
        })))
    }

    /// How ids are computed.
    pub fn format(&self) -> ObjectFormat {
        self.0.format
    }

    /// Bytes of the pack as it came.
    pub fn pack_bytes(&self) -> u64 {
        self.0.pack_bytes
    }

    /// What an object is; `None` if it is not here.
    pub fn kind(&self, id: &ObjectId) -> Option<Kind> {
        self.find_object(id).map(|object| object.kind)
    }

    /// Every commit, in no particular order. Those that cannot be parsed are missing.
    pub fn commits(&self) -> impl ExactSizeIterator<Item = CommitNode<'_>> {
        self.0.commits.iter()
    }

    /// The parts of a commit.
    pub fn commit(&self, id: &ObjectId) -> Result<Commit, ObjectError> {
        let content = self.content(id, Kind::Commit, self.0.object_bytes)?;
        let malformed = |reason| ObjectError::Malformed { id: *id, reason };
        let CommitHeader { tree, parents, committer_time } =
            CommitHeader::parse(&content, self.0.format)
                .ok_or_else(|| malformed("not a commit"))?;
        let committer_time =
            committer_time.ok_or_else(|| malformed("the commit has no committer date"))?;
        Ok(Commit { tree, parents, committer_time })
    }

    /// Follows tag objects to what they mean in the end: any kind but a tag.
    pub fn peel(&self, id: &ObjectId) -> Result<(ObjectId, Kind), ObjectError> {
        let mut id = *id;
        loop {
            let kind = self.kind(&id).ok_or(ObjectError::NotFound { id })?;
            if kind != Kind::Tag {
                return Ok((id, kind));
            }
            let content = self.content(&id, Kind::Tag, self.0.object_bytes)?;
            id = parse_tag(&content, self.0.format)
                .ok_or(ObjectError::Malformed { id, reason: "not a tag" })?;
        }
    }

    /// The entries of a directory in stored order.
    pub fn tree(&self, id: &ObjectId) -> Result<Vec<TreeEntry>, ObjectError> {
        let content = self.content(id, Kind::Tree, self.0.object_bytes)?;
        parse_tree(&content, self.0.format)
            .map_err(|reason| ObjectError::Malformed { id: *id, reason })
    }

    /// The entry at a path of `/`-separated names below a directory; `None` if there is
    /// none, or if something on the way is no directory.
    pub fn find(&self, tree: &ObjectId, path: &[u8]) -> Result<Option<TreeEntry>, ObjectError> {
        let mut found: Option<TreeEntry> = None;
        for name in path.split(|&byte| byte == b'/') {
            let directory = match &found {
                None => *tree,
                Some(entry) if entry.mode == Mode::Directory => entry.id,
                Some(_) => return Ok(None),
            };
            let entries = self.tree(&directory)?;
            match entries.into_iter().find(|entry| entry.name == name) {
                None => return Ok(None),
                entry => found = entry,
            }
        }
        Ok(found)
    }

    /// Bytes of a blob.
    pub fn blob_size(&self, id: &ObjectId) -> Result<u64, ObjectError> {
        Ok(self.object(id, Kind::Blob)?.size)
    }

    /// A blob of at most `limit` bytes.
    pub fn blob(&self, id: &ObjectId, limit: u64) -> Result<Vec<u8>, ObjectError> {
        self.content(id, Kind::Blob, limit)
    }

    /// A blob of any size as a stream.
    pub fn open_blob(&self, id: &ObjectId) -> Result<BlobReader, ObjectError> {
        Ok(self.open(self.object(id, Kind::Blob)?))
    }

    /// A blob in the form it travelled; `None` if it came as a delta or is no blob of
    /// this store.
    pub fn stored(&self, id: &ObjectId) -> Option<StoredBlob> {
        let object = self.find_object(id)?;
        let Place::Packed { offset, length, digest: Some(digest) } = object.place else {
            return None;
        };
        let ContentDigest { crc32, sha256 } = self.0.digests[digest as usize];
        let deflate_length = length - ZLIB_HEADER - ZLIB_TRAILER;
        let deflate = Section::new(&self.0.pack, offset + ZLIB_HEADER, deflate_length);
        Some(StoredBlob { size: object.size, crc32, sha256, deflate_length, deflate })
    }

    /// The pack as it came, for the git program's standard input. All handles share one
    /// position, which this moves to the start: one user at a time.
    pub fn pack_file(&self) -> io::Result<File> {
        let mut file = self.0.pack.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    fn find_object(&self, id: &ObjectId) -> Option<&Object> {
        let index = self.0.objects.binary_search_by(|object| object.id.cmp(id)).ok()?;
        Some(&self.0.objects[index])
    }

    fn object(&self, id: &ObjectId, expected: Kind) -> Result<&Object, ObjectError> {
        let object = self.find_object(id).ok_or(ObjectError::NotFound { id: *id })?;
        if object.kind != expected {
            return Err(ObjectError::WrongKind { id: *id, expected, found: object.kind });
        }
        Ok(object)
    }

    fn open(&self, object: &Object) -> BlobReader {
        match object.place {
            Place::Packed { offset, length, .. } => {
                BlobReader::packed(Section::new(&self.0.pack, offset, length))
            }
            Place::Resolved { offset } => {
                BlobReader::resolved(Section::new(&self.0.resolved, offset, object.size))
            }
        }
    }

    fn content(&self, id: &ObjectId, kind: Kind, limit: u64) -> Result<Vec<u8>, ObjectError> {
        let object = self.object(id, kind)?;
        if object.size > limit {
            return Err(ObjectError::TooLarge { id: *id, what: "bytes", maximum: limit });
        }
        // The size was checked against the content when the pack was read.
        let mut content = Vec::with_capacity(object.size as usize);
        self.open(object)
            .read_to_end(&mut content)
            .map_err(|source| ObjectError::Spool { id: *id, source })?;
        Ok(content)
    }
}
