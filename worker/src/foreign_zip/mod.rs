//! A zip that others made (go-modules §7.6): spooled, checked by every rule that the go
//! command enforces when it extracts one, and only then stored, byte for byte.
//!
//! Neither the zip nor any file of it but its go.mod is ever held in memory, and reading it
//! blocks no thread of the runtime.

mod archive;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use stoa_shared::{
    module::{
        H1Builder, ModuleHash, ModulePath, Version,
        zip::{self, ForeignEntries, ForeignEntry, entry_prefix},
    },
    storage::{Body, Draft, ETag, ObjectMeta, Storage, StorageError, StorageKey},
};
use tokio::sync::mpsc;

use crate::{failure::Failure, goproxy::ZipDownload, pack::Packed, repository::off_the_runtime};

pub(crate) use archive::ArchiveError;

use archive::Archive;

/// Pieces of a download go to the disk together once they have this size: servers send them
/// by a few KiB, and each time costs two turns of another thread.
const TOGETHER: usize = 256 * 1024;

/// A zip in a file that broke no rule.
#[derive(Debug)]
pub(crate) struct ForeignZip {
    draft: Draft,
    sum: ModuleHash,
    size: u64,
}

/// Which rule a zip breaks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenZip {
    #[error(transparent)]
    Archive(ArchiveError),
    #[error(transparent)]
    Rule(#[from] zip::ZipError),
    #[error("it has no go.mod, and .mod says more than a made-up one does")]
    NoGoMod,
    #[error("its go.mod is not the one that .mod has")]
    OtherGoMod,
}

/// What the thread that writes is told. A download that ends without [`Part::End`] broke off.
enum Part {
    Pieces(Vec<Bytes>),
    End,
}

/// Brings a download into a draft and checks it as the zip of a version whose `.mod` is
/// `go_mod`. The inner error says what is wrong with it.
pub(crate) async fn receive(
    download: ZipDownload,
    draft: Draft,
    module: &ModulePath,
    version: &Version,
    go_mod: Bytes,
    max_files: u64,
) -> Result<Result<ForeignZip, BrokenZip>, Failure> {
    // What is being gathered and what is being written may have one more between them.
    let (sender, parts) = mpsc::channel(1);
    let prefix = entry_prefix(module, version);
    let checking = off_the_runtime(move || {
        write(draft.file(), parts)?;
        let size = draft.file().metadata().map_err(|error| local(&error))?.len();
        match check_file(draft.file(), &prefix, &go_mod, max_files) {
            Ok(sum) => Ok(Ok(ForeignZip { draft, sum, size })),
            Err(BrokenZip::Archive(ArchiveError::Io(error))) => Err(local(&error)),
            Err(broken) => Ok(Err(broken)),
        }
    });
    let (checked, received) = tokio::join!(checking, hand_over(download, sender));
    // A download that broke off says why.
    received?;
    checked
}

async fn hand_over(mut download: ZipDownload, parts: mpsc::Sender<Part>) -> Result<(), Failure> {
    let (mut pieces, mut size) = (Vec::new(), 0);
    loop {
        let piece = download.chunk().await?;
        let is_end = piece.is_none();
        size += piece.as_ref().map_or(0, Bytes::len);
        pieces.extend(piece);
        if is_end || size >= TOGETHER {
            size = 0;
            // A writer that gave up says why.
            if parts.send(Part::Pieces(std::mem::take(&mut pieces))).await.is_err() {
                return Ok(());
            }
        }
        if is_end {
            let _ = parts.send(Part::End).await;
            return Ok(());
        }
    }
}

fn write(mut file: &File, mut parts: mpsc::Receiver<Part>) -> Result<(), Failure> {
    loop {
        match parts.blocking_recv() {
            Some(Part::Pieces(pieces)) => {
                for piece in pieces {
                    file.write_all(&piece).map_err(|error| local(&error))?;
                }
            }
            Some(Part::End) => return Ok(()),
            None => return Err(Failure::Internal("the download broke off".to_owned())),
        }
    }
}

/// The sum of a zip whose entries may be anything that all readers agree on.
pub(crate) fn sum_of(file: impl Read + Seek) -> Result<ModuleHash, ArchiveError> {
    let mut archive = Archive::open(file, u64::MAX)?;
    let mut sum = H1Builder::with_capacity(archive.entries().len());
    for index in 0..archive.entries().len() {
        add(&mut sum, &mut archive, index, &mut io::sink())?;
    }
    Ok(sum.finish())
}

fn check_file(
    file: impl Read + Seek,
    prefix: &str,
    go_mod: &[u8],
    max_files: u64,
) -> Result<ModuleHash, BrokenZip> {
    let mut archive = Archive::open(file, max_files).map_err(BrokenZip::Archive)?;
    let mut rules = ForeignEntries::new(prefix);
    let mut root_go_mod = None;
    // All names and declared sizes before the first content.
    for (index, entry) in archive.entries().iter().enumerate() {
        if rules.add(&entry.name, entry.size)? == ForeignEntry::File("go.mod") {
            root_go_mod = Some(index);
        }
    }
    drop(rules);
    if root_go_mod.is_none() && !may_be_synthetic(go_mod) {
        return Err(BrokenZip::NoGoMod);
    }
    let mut sum = H1Builder::with_capacity(archive.entries().len());
    for index in 0..archive.entries().len() {
        if root_go_mod == Some(index) {
            // Of bounded size by its rule.
            let mut content = Vec::new();
            add(&mut sum, &mut archive, index, &mut content).map_err(BrokenZip::Archive)?;
            if !may_be_converted(go_mod, &content) {
                return Err(BrokenZip::OtherGoMod);
            }
        } else {
            add(&mut sum, &mut archive, index, &mut io::sink()).map_err(BrokenZip::Archive)?;
        }
    }
    Ok(sum.finish())
}

/// Whether `.mod` may stand for a go.mod that is not there (go-modules §3.6): it names the
/// module, which is checked elsewhere, and nothing more.
fn may_be_synthetic(go_mod: &[u8]) -> bool {
    let text = String::from_utf8_lossy(go_mod);
    let code = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.filter(|code| !code.trim().is_empty()).count() <= 1
}

/// Whether a zip's file may be what the attributes of a repository make of `.mod`, which
/// they never change (go-modules §4.1): other line ends, `$Id$` with what it stands for, or
/// another encoding, of which nothing can be said.
fn may_be_converted(go_mod: &[u8], content: &[u8]) -> bool {
    let (Ok(go_mod), Ok(content)) = (str::from_utf8(go_mod), str::from_utf8(content)) else {
        return true;
    };
    unconverted(go_mod) == unconverted(content)
}

fn unconverted(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("$Id:") {
        plain.push_str(before);
        plain.push_str("$Id");
        let end = after.find(['$', '\n']).filter(|end| after[*end..].starts_with('$'));
        rest = &after[end.unwrap_or(0)..];
    }
    plain.push_str(rest);
    plain.retain(|letter| letter != '\r');
    plain
}

/// Adds an entry to the sum, and writes its content to `output` as well.
fn add<R: Read + Seek>(
    sum: &mut H1Builder,
    archive: &mut Archive<R>,
    index: usize,
    output: &mut impl Write,
) -> Result<(), ArchiveError> {
    let mut hashing = Hashing { digest: Sha256::new(), output };
    archive.read(index, &mut hashing)?;
    let digest = hashing.digest.finalize().into();
    let name = &archive.entries()[index].name;
    sum.add(name, digest).map_err(|_| ArchiveError::Malformed("a file's name has a line break"))
}

impl ForeignZip {
    /// The `h1:` sum of its files.
    pub(crate) fn sum(&self) -> ModuleHash {
        self.sum
    }

    /// Writes the zip under `key`: a new one, or in place of the object with the entity tag
    /// `replaced`.
    pub(crate) async fn write(
        self,
        storage: &dyn Storage,
        key: &StorageKey,
        replaced: Option<&ETag>,
    ) -> Result<(Packed, ObjectMeta), Failure> {
        let body = Body::File(self.draft);
        let stored = match replaced {
            None => storage.create(key, body).await,
            Some(replaced) => storage.swap(key, replaced, body).await,
        };
        let meta = stored?;
        if meta.size != self.size {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(StorageError::Body { key: key.to_string(), source }.into());
        }
        Ok((Packed { sum: self.sum, size: self.size }, meta))
    }
}

struct Hashing<W> {
    digest: Sha256,
    output: W,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write_all(bytes)?;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn local(error: &io::Error) -> Failure {
    Failure::Internal(format!("temporary file: {error}"))
}
