//! A zip that others made (go-modules §7.6): spooled, checked by every rule that the go
//! command enforces when it extracts one, and only then stored, byte for byte.
//!
//! Of the zip and its files no more than a few MiB are ever held in memory, and reading it
//! blocks no thread of the runtime.

mod archive;
mod content;
#[cfg(test)]
mod tests;

use std::{
    io::{self, BufRead, BufReader, Cursor, Read, Seek, Write},
    sync::Arc,
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

/// A zip of up to this size, which most are, is held and looked at in memory; a larger one
/// goes to its file in parts of this size. Each part costs two turns of another thread, and
/// servers send them by a few KiB.
const PART: usize = 256 * 1024;
/// A file is read by this many bytes.
const PIECE: usize = 256 * 1024;

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

/// What of a download is handled together.
struct Part {
    bytes: Vec<u8>,
    is_last: bool,
}

/// Brings a download into a draft and checks it as the zip of a version whose `.mod` is
/// `go_mod`. The inner error says what is wrong with it.
pub(crate) async fn receive(
    mut download: ZipDownload,
    storage: Arc<dyn Storage>,
    module: &ModulePath,
    version: &Version,
    go_mod: Bytes,
    max_files: u64,
) -> Result<Result<ForeignZip, BrokenZip>, Failure> {
    let prefix = entry_prefix(module, version);
    let first = next_part(&mut download).await?;
    if first.is_last {
        return off_the_runtime(move || {
            let checked = check(Cursor::new(&*first.bytes), &prefix, &go_mod, max_files);
            judged(checked, || draft_of(&*storage, first, None))
        })
        .await;
    }
    // What is being gathered and what is being written may have one more between them.
    let (sender, rest) = mpsc::channel(1);
    let checking = off_the_runtime(move || {
        let draft = draft_of(&*storage, first, Some(rest))?;
        let zip = BufReader::with_capacity(PIECE, draft.file());
        judged(check(zip, &prefix, &go_mod, max_files), || Ok(draft))
    });
    let (checked, received) = tokio::join!(checking, hand_over(download, sender));
    // A download that broke off says why.
    received?;
    checked
}

/// What became of a zip: with a sum it goes where `draft` says.
fn judged(
    checked: Result<ModuleHash, BrokenZip>,
    draft: impl FnOnce() -> Result<Draft, Failure>,
) -> Result<Result<ForeignZip, BrokenZip>, Failure> {
    match checked {
        Ok(sum) => Ok(Ok(ForeignZip::new(draft()?, sum)?)),
        Err(BrokenZip::Archive(ArchiveError::Io(error))) => Err(local(&error)),
        Err(broken) => Ok(Err(broken)),
    }
}

async fn next_part(download: &mut ZipDownload) -> Result<Part, Failure> {
    let expected = download.length().map_or(PART, |length| length.min(PART as u64) as usize);
    let mut bytes = Vec::with_capacity(expected);
    while bytes.len() < PART {
        match download.chunk().await? {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return Ok(Part { bytes, is_last: true }),
        }
    }
    Ok(Part { bytes, is_last: false })
}

/// Hands over the rest. A download that ends without a last part broke off.
async fn hand_over(mut download: ZipDownload, parts: mpsc::Sender<Part>) -> Result<(), Failure> {
    loop {
        let part = next_part(&mut download).await?;
        let is_last = part.is_last;
        // A writer that gave up says why.
        if parts.send(part).await.is_err() || is_last {
            return Ok(());
        }
    }
}

/// A draft of all parts. Blocks until the last.
fn draft_of(
    storage: &dyn Storage,
    first: Part,
    mut rest: Option<mpsc::Receiver<Part>>,
) -> Result<Draft, Failure> {
    let draft = storage.draft()?;
    let mut next = Some(first);
    while let Some(Part { bytes, is_last }) = next {
        draft.file().write_all(&bytes).map_err(|error| local(&error))?;
        if is_last {
            return Ok(draft);
        }
        next = rest.as_mut().and_then(mpsc::Receiver::blocking_recv);
    }
    Err(Failure::Internal("the download broke off".to_owned()))
}

/// The sum of a zip whose entries may be anything that all readers agree on.
pub(crate) fn sum_of(file: impl Read + Seek) -> Result<ModuleHash, ArchiveError> {
    let mut archive = Archive::open(BufReader::with_capacity(PIECE, file), u64::MAX)?;
    let mut sum = H1Builder::with_capacity(archive.entries().len());
    for index in 0..archive.entries().len() {
        add(&mut sum, &mut archive, index, &mut io::sink())?;
    }
    Ok(sum.finish())
}

fn check(
    zip: impl BufRead + Seek,
    prefix: &str,
    go_mod: &[u8],
    max_files: u64,
) -> Result<ModuleHash, BrokenZip> {
    let mut archive = Archive::open(zip, max_files).map_err(BrokenZip::Archive)?;
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
fn add<R: BufRead + Seek>(
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
    fn new(draft: Draft, sum: ModuleHash) -> Result<Self, Failure> {
        let size = draft.file().metadata().map_err(|error| local(&error))?.len();
        Ok(Self { draft, sum, size })
    }

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
