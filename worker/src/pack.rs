//! A tree at a revision becomes a module zip: what goes in, converted how, and the
//! bytes as a stream.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use stoa_shared::{
    module::{
        H1Builder, ModuleHash, ModulePath,
        zip::{FileKind, Sizes, TreeFile, ZipError, entry_prefix, needs_inherited_license, select},
    },
    storage::{Body, ETag, ObjectMeta, Storage, StorageError, StorageKey},
};
use tokio::sync::mpsc;

use crate::{
    attributes::{Attributes, Conversion, TEXT_BYTES, TextConversion},
    failure::Failure,
    module_zip::{Entry, Source, ZipError as PackingError, write_module_zip},
    repository::{Repository, off_the_runtime},
    resolve::Resolved,
    vcs::{
        ObjectId,
        git::ConvertedFiles,
        pack::{Mode, ObjectStore},
    },
};

/// Zips go to storage in pieces of this size: large enough that a disk or an upload
/// is not asked for every file, small enough that slots × pieces stay a few MiB.
const PIECE: usize = 256 * 1024;
/// How many pieces may wait for storage.
const PIECES_AHEAD: usize = 4;

/// The files of one module zip, in order.
pub(crate) struct Plan {
    objects: ObjectStore,
    files: Arc<Vec<Chosen>>,
    /// What only the git program could convert.
    converted: Option<ConvertedFiles>,
}

/// A zip that was written.
pub(crate) struct Packed {
    /// The `h1:` sum of its files.
    pub(crate) sum: ModuleHash,
    /// Bytes.
    pub(crate) size: u64,
}

impl Plan {
    /// Decides what goes into the zip. The inner error says why there can be none.
    pub(crate) async fn make(
        repository: &Repository,
        module: &ModulePath,
        resolved: &Resolved,
        max_files: u64,
    ) -> Result<Result<Self, ZipError>, Failure> {
        let objects = resolved.objects.clone();
        let (place, store) = (resolved.clone(), objects.clone());
        let prefix = entry_prefix(module, &resolved.version);
        let chosen = off_the_runtime(move || choose(&store, &place, &prefix, max_files)).await?;
        let files = match chosen {
            Ok(files) => files,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let by_git = files.iter().filter(|file| file.conversion == Conversion::NeedsGit);
        let by_git: Vec<_> = by_git.map(|file| file.repository_path.clone()).collect();
        let converted = match by_git.is_empty() {
            true => None,
            false => Some(repository.convert(&objects, &resolved.commit, &by_git).await?),
        };
        let plan = Self { objects, files: Arc::new(files), converted };
        Ok(plan.check_sizes().await?.map(|()| plan))
    }

    /// Applies the limits to the files as they will be packed. They are converted for it
    /// only where it could matter.
    async fn check_sizes(&self) -> Result<Result<(), ZipError>, Failure> {
        let most = self.files.iter().map(|file| (file, file.most(self.converted.as_ref())));
        if within_limits(most).is_ok() {
            return Ok(Ok(()));
        }
        let (objects, files) = (self.objects.clone(), self.files.clone());
        let converted = self.converted.clone();
        off_the_runtime(move || {
            let mut sizes = Vec::with_capacity(files.len());
            for file in files.iter() {
                sizes.push((file, file.size(&objects, converted.as_ref())?));
            }
            Ok(within_limits(sizes))
        })
        .await
    }

    /// Writes the zip under `key`: a new one, or in place of the object with the entity
    /// tag `replaced`. Packing and storing run side by side; whichever fails ends the
    /// other.
    pub(crate) async fn write(
        &self,
        storage: &dyn Storage,
        key: &StorageKey,
        replaced: Option<&ETag>,
    ) -> Result<(Packed, ObjectMeta), Failure> {
        let (sender, mut receiver) = mpsc::channel(PIECES_AHEAD);
        let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
        let body = Body::Stream(Box::pin(pieces));
        let storing = match replaced {
            None => storage.create(key, body),
            Some(replaced) => storage.swap(key, replaced, body),
        };
        let (stored, packed) = tokio::join!(storing, self.pack(Some(sender)));
        match (stored, packed) {
            (Ok(meta), Ok(packed)) => Ok((packed, meta)),
            // A stream cut short by a packing failure is a storage failure, too: the
            // cause is the packer's.
            (Err(StorageError::Body { .. }), Err(failure)) => Err(failure),
            (Err(error), _) => Err(error.into()),
            (Ok(_), Err(failure)) => Err(failure),
        }
    }

    /// The sum that the zip would have, without writing it anywhere.
    pub(crate) async fn sum(&self) -> Result<ModuleHash, Failure> {
        Ok(self.pack(None).await?.sum)
    }

    async fn pack(&self, sender: Option<PieceSender>) -> Result<Packed, Failure> {
        let (objects, files) = (self.objects.clone(), self.files.clone());
        let converted = self.converted.clone();
        off_the_runtime(move || {
            let mut output = Pieces { sender, buffer: BytesMut::with_capacity(PIECE) };
            let entries = files.iter().map(|file| file.entry(&objects, converted.as_ref()));
            let written = write_module_zip(&objects, entries, &mut output)?;
            let mut sum = H1Builder::new();
            for (name, digest) in written.files {
                sum.add(name, digest).map_err(|error| Failure::Invalid(error.to_string()))?;
            }
            output.finish().map_err(PackingError::Output)?;
            Ok(Packed { sum: sum.finish(), size: written.size })
        })
        .await
    }
}

fn within_limits<'a>(files: impl IntoIterator<Item = (&'a Chosen, u64)>) -> Result<(), ZipError> {
    let mut sizes = Sizes::default();
    files.into_iter().try_for_each(|(file, size)| sizes.add(file.path(), size))
}

/// One file on its way into the zip.
struct Chosen {
    /// `M@V/` and the path below the module's directory.
    name: String,
    /// Where that path begins in the name.
    path_start: usize,
    /// Bytes of the blob.
    blob_size: u64,
    /// Below the repository's root.
    repository_path: Vec<u8>,
    id: ObjectId,
    conversion: Conversion,
}

impl Chosen {
    fn entry(
        &self,
        objects: &ObjectStore,
        converted: Option<&ConvertedFiles>,
    ) -> Result<Entry, Failure> {
        let source = match self.conversion {
            Conversion::Unchanged => Source::Blob(self.id),
            Conversion::Text(text) if self.blob_size <= TEXT_BYTES => {
                let content = objects.blob(&self.id, TEXT_BYTES)?;
                Source::Bytes(text.apply(content, &self.id))
            }
            Conversion::Text(text) => Source::Stream(self.stream(objects, text)?),
            Conversion::NeedsGit => Source::Stream(Box::new(self.by_git(converted)?)),
        };
        Ok(Entry { name: self.name.clone(), source })
    }

    /// Below the module's directory.
    fn path(&self) -> &str {
        &self.name[self.path_start..]
    }

    /// The most bytes that the file can have in the zip, without reading it.
    fn most(&self, converted: Option<&ConvertedFiles>) -> u64 {
        match self.conversion {
            Conversion::Unchanged => self.blob_size,
            Conversion::Text(text) => text.most(self.blob_size),
            Conversion::NeedsGit => converted
                .and_then(|files| files.size(&self.repository_path))
                .unwrap_or(self.blob_size),
        }
    }

    /// The bytes that the file has in the zip.
    fn size(
        &self,
        objects: &ObjectStore,
        converted: Option<&ConvertedFiles>,
    ) -> Result<u64, Failure> {
        match self.entry(objects, converted)?.source {
            Source::Blob(_) => Ok(self.blob_size),
            Source::Bytes(bytes) => Ok(bytes.len() as u64),
            Source::Stream(_) if self.conversion == Conversion::NeedsGit => {
                Ok(self.most(converted))
            }
            Source::Stream(mut content) => {
                io::copy(&mut content, &mut io::sink()).map_err(|error| self.unreadable(&error))
            }
        }
    }

    fn stream(
        &self,
        objects: &ObjectStore,
        text: TextConversion,
    ) -> Result<Box<dyn Read + Send>, Failure> {
        let open = || objects.open_blob(&self.id).map_err(io::Error::other);
        let missing = || Failure::Internal(format!("{}: cannot be streamed", self.name));
        text.stream(open).ok_or_else(missing)?.map_err(|error| self.unreadable(&error))
    }

    fn by_git(
        &self,
        converted: Option<&ConvertedFiles>,
    ) -> Result<impl Read + Send + use<>, Failure> {
        let missing = || Failure::Internal(format!("git did not convert {}", self.name));
        converted.and_then(|files| files.open(&self.repository_path)).ok_or_else(missing)
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::Internal(format!("{}: {error}", self.name))
    }
}

/// Applies the rules of go-modules §4.2 and §4.4 to the tree at the module's directory.
fn choose(
    objects: &ObjectStore,
    resolved: &Resolved,
    prefix: &str,
    max_files: u64,
) -> Result<Result<Vec<Chosen>, ZipError>, Failure> {
    let root = objects.commit(&resolved.commit)?.tree;
    let directory = resolved.directory.as_bytes();
    let tree = match directory {
        b"" => Some(root),
        _ => objects
            .find(&root, directory)?
            .filter(|entry| entry.mode == Mode::Directory)
            .map(|entry| entry.id),
    };
    let mut walked = match tree {
        Some(tree) => objects.walk(&tree, max_files)?,
        None => Vec::new(),
    };
    let attributes = Attributes::collect(objects, &root, directory, &walked)?;
    walked.retain(|entry| matches!(entry.mode, Mode::File | Mode::Symlink));
    let mut files = Vec::with_capacity(walked.len());
    for entry in &walked {
        let is_file = entry.mode == Mode::File;
        let kind = if is_file { FileKind::Regular } else { FileKind::Symlink };
        let size = objects.blob_size(&entry.id)?;
        files.push(TreeFile { path: entry.path.clone(), kind, size });
    }
    let license = match !directory.is_empty() && needs_inherited_license(&files) {
        true => objects
            .find(&root, LICENSE)?
            .filter(|entry| matches!(entry.mode, Mode::File | Mode::Symlink)),
        false => None,
    };
    if let Some(license) = &license {
        let size = objects.blob_size(&license.id)?;
        files.push(TreeFile { path: LICENSE.to_vec(), kind: FileKind::Regular, size });
    }
    let go_mod = resolved.has_go_mod.then_some(&*resolved.go_mod);
    let selected = match select(&files, go_mod) {
        Ok(selected) => selected,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let chosen = selected.into_iter().map(|index| {
        let TreeFile { path, size, .. } = &files[index];
        // Selection has let only legal names pass, which are UTF-8.
        let name = format!("{prefix}{}", String::from_utf8_lossy(path));
        match (walked.get(index), &license) {
            (Some(entry), _) => {
                let repository_path = match directory {
                    b"" => path.clone(),
                    _ => [directory, b"/", path].concat(),
                };
                let conversion = attributes.conversion(path, *size);
                Some(Chosen {
                    name,
                    path_start: prefix.len(),
                    blob_size: *size,
                    repository_path,
                    id: entry.id,
                    conversion,
                })
            }
            // The inherited license is the raw blob.
            (None, Some(license)) => Some(Chosen {
                name,
                path_start: prefix.len(),
                blob_size: *size,
                repository_path: LICENSE.to_vec(),
                id: license.id,
                conversion: Conversion::Unchanged,
            }),
            (None, None) => None,
        }
    });
    Ok(Ok(chosen.flatten().collect()))
}

const LICENSE: &[u8] = b"LICENSE";

type PieceSender = mpsc::Sender<io::Result<Bytes>>;

/// Collects small writes into pieces and hands them to the runtime. Without a sender
/// the bytes are only counted by the writer. A stream that is dropped before it was
/// finished ends in an error, so that the store drops what it has so far.
struct Pieces {
    sender: Option<PieceSender>,
    buffer: BytesMut,
}

impl Pieces {
    /// Sends the rest: all of it was right.
    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.sender = None;
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = self.buffer.split().freeze();
        self.buffer.reserve(PIECE);
        match &self.sender {
            Some(sender) => sender
                .blocking_send(Ok(piece))
                .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "storage gave up")),
            None => Ok(()),
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            // A store that has given up already needs no telling.
            let _ = sender.blocking_send(Err(io::Error::other("packing failed")));
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.buffer.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() == PIECE {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}
