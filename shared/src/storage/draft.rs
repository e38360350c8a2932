//! Draft: a file for bytes that have to be looked at before they may become an object.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tempfile::TempPath;
use tokio_util::io::ReaderStream;

use super::stamps::Stamps;

/// A draft that has to be copied goes to storage in pieces of this size.
const PIECE: usize = 256 * 1024;

/// A file that vanishes when it is dropped, unless it was stored before.
///
/// One that the store made lies where objects lie, and storing it costs no copy. Any other
/// has no name, so that not even a kill leaves it behind.
#[derive(Debug)]
pub struct Draft {
    file: File,
    named: Option<Named>,
}

/// What a store knows of its own.
#[derive(Debug)]
struct Named {
    path: TempPath,
    stamps: Arc<Stamps>,
    is_settled: bool,
}

impl Draft {
    /// One that every store takes, and copies. Blocks.
    pub fn unnamed() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, named: None })
    }

    /// A store's own.
    pub(super) fn named(file: File, path: TempPath, stamps: Arc<Stamps>) -> Self {
        Self { file, named: Some(Named { path, stamps, is_settled: false }) }
    }

    /// The file, to be written and read where blocking is allowed.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes what was written to the end durable, where storing it would have to wait for
    /// that. To be written no more. Blocks.
    pub fn settle(&mut self) -> io::Result<()> {
        let Self { file, named } = self;
        if let Some(named) = named.as_mut().filter(|named| !named.is_settled) {
            file.set_modified(named.stamps.next())?;
            file.sync_all()?;
            named.is_settled = true;
        }
        Ok(())
    }

    /// Whether the draft lies in `directory`, to be named there.
    pub(super) fn is_in(&self, directory: &Path) -> bool {
        self.named.as_ref().is_some_and(|named| named.path.parent() == Some(directory))
    }

    /// The provisional name, which vanishes with what is returned.
    pub(super) fn into_path(self) -> Option<TempPath> {
        self.named.map(|named| named.path)
    }

    /// All bytes, from the beginning.
    pub(super) fn into_stream(self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let Self { mut file, named } = self;
        file.seek(SeekFrom::Start(0))?;
        let pieces = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE);
        // The name lasts as long as the bytes are read.
        Ok(pieces.map(move |piece| (&named, piece).1).boxed())
    }
}
