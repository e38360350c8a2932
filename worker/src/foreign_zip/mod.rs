//! A zip that others made (go-modules §7.6): spooled, checked by every rule that the go
//! command enforces when it extracts one, and only then stored, byte for byte.
//!
//! Of the zip and its files no more than a few MiB are ever held in memory, and reading it
//! blocks no thread of the runtime.

mod archive;
mod content;
mod contents;
mod reader;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufRead, Cursor, Seek, Write},
    sync::Arc,
};

use bytes::Bytes;
use stoa_shared::{
    module::{
        ModuleHash, ModulePath, Version,
        zip::{self, ForeignEntries, ForeignEntry, entry_prefix},
    },
    storage::{Body, ETag, ObjectMeta, Storage, StorageError, StorageKey},
};
use tokio::sync::mpsc;

use crate::{
    failure::Failure, goproxy::ZipDownload, pack::Packed, repository::off_the_runtime,
    side_by_side::side_by_side,
};

pub(crate) use archive::ArchiveError;

use archive::Archive;
use reader::Reader;

/// A zip of up to this size, which most are, stays in memory; a larger one goes to a file
/// in parts of this size. Each part costs two turns of another thread, and servers send
/// them by a few KiB.
const PART: usize = 256 * 1024;

/// A zip that broke no rule.
pub(crate) struct ForeignZip {
    body: Body,
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

/// Takes a download and checks it as the zip of a version whose `.mod` is `go_mod`. The
/// inner error says what is wrong with it.
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
        let zip = Bytes::from(first.bytes);
        return off_the_runtime(move || {
            let checked = check(|| Cursor::new(&*zip), &prefix, &go_mod, max_files);
            let size = zip.len() as u64;
            judged(checked, |sum| ForeignZip { body: zip.into(), sum, size })
        })
        .await;
    }
    // What is being gathered and what is being written may have one more between them.
    let (sender, rest) = mpsc::channel(1);
    let checking = off_the_runtime(move || {
        let mut draft = storage.draft()?;
        let size = write(draft.file(), first, rest)?;
        let zip = draft.file().try_clone().map_err(|error| local(&error))?;
        let (settled, checked) = side_by_side(
            || draft.settle(),
            || check(|| Reader::buffered(&zip), &prefix, &go_mod, max_files),
        );
        settled.map_err(|error| local(&error))?;
        judged(checked, |sum| ForeignZip { body: Body::File(draft), sum, size })
    });
    let (checked, received) = tokio::join!(checking, hand_over(download, sender));
    // A download that broke off says why.
    received?;
    checked
}

/// What became of a zip.
fn judged(
    checked: Result<ModuleHash, BrokenZip>,
    zip: impl FnOnce(ModuleHash) -> ForeignZip,
) -> Result<Result<ForeignZip, BrokenZip>, Failure> {
    match checked {
        Ok(sum) => Ok(Ok(zip(sum))),
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

/// Writes all parts and says how many bytes they are. Blocks until the last.
fn write(mut file: &File, first: Part, mut rest: mpsc::Receiver<Part>) -> Result<u64, Failure> {
    let mut size = 0;
    let mut next = Some(first);
    while let Some(Part { bytes, is_last }) = next {
        file.write_all(&bytes).map_err(|error| local(&error))?;
        size += bytes.len() as u64;
        if is_last {
            return Ok(size);
        }
        next = rest.blocking_recv();
    }
    Err(Failure::Internal("the download broke off".to_owned()))
}

/// The sum of a zip whose entries may be anything that all readers agree on.
pub(crate) fn sum_of(zip: &File) -> Result<ModuleHash, ArchiveError> {
    let archive = Archive::open(Reader::buffered(zip), u64::MAX)?;
    contents::sum(archive, || Reader::buffered(zip))
}

/// The sum of a zip that breaks no rule; `open` opens it as often as it is called.
fn check<R: BufRead + Seek + Send>(
    open: impl Fn() -> R,
    prefix: &str,
    go_mod: &[u8],
    max_files: u64,
) -> Result<ModuleHash, BrokenZip> {
    let mut archive = Archive::open(open(), max_files).map_err(BrokenZip::Archive)?;
    let mut rules = ForeignEntries::new(prefix);
    let mut root_go_mod = None;
    // All names and declared sizes before the first content.
    for (index, entry) in archive.entries().iter().enumerate() {
        if rules.add(&entry.name, entry.size)? == ForeignEntry::File("go.mod") {
            root_go_mod = Some(index);
        }
    }
    drop(rules);
    match root_go_mod {
        Some(index) => {
            // Of bounded size by its rule.
            let mut content = Vec::new();
            archive.read(index, &mut content).map_err(BrokenZip::Archive)?;
            if !may_be_converted(go_mod, &content) {
                return Err(BrokenZip::OtherGoMod);
            }
        }
        None if !may_be_synthetic(go_mod) => return Err(BrokenZip::NoGoMod),
        None => {}
    }
    contents::sum(archive, open).map_err(BrokenZip::Archive)
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

impl ForeignZip {
    /// One of which somebody else knows that it breaks no rule.
    #[cfg(test)]
    pub(crate) fn trusted(bytes: &'static [u8], sum: ModuleHash) -> Self {
        Self { body: Bytes::from_static(bytes).into(), sum, size: bytes.len() as u64 }
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
        let stored = match replaced {
            None => storage.create(key, self.body).await,
            Some(replaced) => storage.swap(key, replaced, self.body).await,
        };
        let meta = stored?;
        if meta.size != self.size {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(StorageError::Body { key: key.to_string(), source }.into());
        }
        Ok((Packed { sum: self.sum, size: self.size }, meta))
    }
}

fn local(error: &io::Error) -> Failure {
    Failure::Internal(format!("temporary file: {error}"))
}
