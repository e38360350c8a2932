//! Draft: a file for bytes that have to be looked at before they may become an object.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    path::Path,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tempfile::TempPath;
use tokio_util::io::ReaderStream;

/// A draft that has to be copied goes to storage in pieces of this size.
const PIECE: usize = 256 * 1024;

/// A file that vanishes when it is dropped, unless it was stored before.
///
/// One that the store made lies where objects lie, and storing it costs no copy. Any other
/// has no name, so that not even a kill leaves it behind.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: Option<TempPath>,
}

impl Draft {
    /// One that every store takes, and copies. Blocks.
    pub fn unnamed() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, path: None })
    }

    /// A store's own.
    pub(super) fn named(file: File, path: TempPath) -> Self {
        Self { file, path: Some(path) }
    }

    /// The file, to be written and read where blocking is allowed.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether the draft lies in `directory`, to be named there.
    pub(super) fn is_in(&self, directory: &Path) -> bool {
        self.path.as_ref().is_some_and(|path| path.parent() == Some(directory))
    }

    /// The file and its provisional name.
    pub(super) fn into_parts(self) -> (File, Option<TempPath>) {
        (self.file, self.path)
    }

    /// All bytes, from the beginning.
    pub(super) fn into_stream(self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let Self { mut file, path } = self;
        file.seek(SeekFrom::Start(0))?;
        let pieces = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE);
        // The name lasts as long as the bytes are read.
        Ok(pieces.map(move |piece| (&path, piece).1).boxed())
    }
}
