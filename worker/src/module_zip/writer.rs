//! The writer: entries in, zip bytes out, in one pass and constant memory.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};

use flate2::Compression;

use super::{
    deflate::{DeflateError, Deflater, Measured},
    records::{
        DESCRIPTOR_LENGTH, FileRecord, central_header, data_descriptor, end_of_directory,
        local_header,
    },
};
use crate::vcs::{
    ObjectId,
    pack::{ObjectError, ObjectStore, StoredBlob},
};

/// Bytes handed to the output at once.
const OUTPUT_BYTES: usize = 64 << 10;

/// For the files that travelled as deltas or were converted. Over Go's own source tree
/// this level is 0.3 % larger than the customary 6 in 70 % of its time; level 2 would
/// take 45 %, but what it adds (10 %) is paid again at every download.
const LEVEL: Compression = Compression::new(5);

/// One file of a zip.
#[derive(Debug)]
pub struct Entry {
    /// `module@version/path`, unescaped, at most 65,535 bytes.
    pub name: String,
    /// Its content.
    pub source: Source,
}

/// Where a file's content comes from.
pub enum Source {
    /// A blob as it is in the repository.
    Blob(ObjectId),
    /// Other bytes: a blob after text conversion.
    Bytes(Vec<u8>),
    /// Other bytes that are too many to be held; blocks on local files.
    Stream(Box<dyn Read + Send>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(id) => f.debug_tuple("Blob").field(id).finish(),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What is known of a zip once it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenZip {
    /// Bytes of the zip.
    pub size: u64,
    /// Name and SHA-256 of each file in the order of the zip: what its `h1:` sum is
    /// made of (go-modules §5).
    pub files: Vec<(String, [u8; 32])>,
}

/// Why a zip could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// A file's content could not be read.
    #[error("zip entry {name:?}: content cannot be read")]
    Object {
        /// The entry.
        name: String,
        /// Why.
        #[source]
        source: ObjectError,
    },
    /// The output failed.
    #[error("zip: the output failed")]
    Output(#[source] io::Error),
    /// A name is longer than the format can express.
    #[error("zip entry {name:?}…: the name is longer than 65535 bytes")]
    NameTooLong {
        /// Its first characters.
        name: String,
    },
    /// Beyond 4 GiB, far above what a module may have (go-modules §4.2).
    #[error("zip entry {name:?}: the zip grows beyond 4 GiB")]
    TooLarge {
        /// The entry that is too much.
        name: String,
    },
}

/// Writes a zip of `entries`, in their order, to `output`. Blocks. The entries may be
/// made one by one, so that only one converted file is in memory; the first error among
/// them ends the zip, which is then worthless.
pub fn write_module_zip<E: From<ZipError>>(
    store: &ObjectStore,
    entries: impl IntoIterator<Item = Result<Entry, E>>,
    output: impl Write,
) -> Result<WrittenZip, E> {
    let mut writer = Writer {
        store,
        output: Counted { output: BufWriter::with_capacity(OUTPUT_BYTES, output), count: 0 },
        deflater: Deflater::new(LEVEL),
        buffer: vec![0; OUTPUT_BYTES].into_boxed_slice(),
        records: Vec::new(),
        files: Vec::new(),
    };
    for entry in entries {
        writer.add(entry?)?;
    }
    Ok(writer.finish()?)
}

struct Writer<'a, W: Write> {
    store: &'a ObjectStore,
    output: Counted<BufWriter<W>>,
    deflater: Deflater,
    buffer: Box<[u8]>,
    records: Vec<FileRecord>,
    files: Vec<(String, [u8; 32])>,
}

impl<W: Write> Writer<'_, W> {
    fn add(&mut self, Entry { name, source }: Entry) -> Result<(), ZipError> {
        if name.len() > usize::from(u16::MAX) {
            return Err(ZipError::NameTooLong { name: name.chars().take(80).collect() });
        }
        let offset = self.output.count;
        self.output.write_all(&local_header(&name)).map_err(ZipError::Output)?;
        let measured = self.content(&name, source)?;
        let too_large = |_| ZipError::TooLarge { name: name.clone() };
        let record = FileRecord {
            crc32: measured.crc32,
            compressed_size: measured.compressed_size.try_into().map_err(too_large)?,
            size: measured.size.try_into().map_err(too_large)?,
            offset: offset.try_into().map_err(too_large)?,
            name: name.clone(),
        };
        // The directory must start within 4 GiB too.
        u32::try_from(self.output.count + DESCRIPTOR_LENGTH).map_err(too_large)?;
        let descriptor = data_descriptor(record.crc32, record.compressed_size, record.size);
        self.output.write_all(&descriptor).map_err(ZipError::Output)?;
        self.records.push(record);
        self.files.push((name, measured.sha256));
        Ok(())
    }

    fn content(&mut self, name: &str, source: Source) -> Result<Measured, ZipError> {
        let unreadable = |source| ZipError::Object { name: name.to_owned(), source };
        let (result, id) = match source {
            Source::Bytes(bytes) => (self.deflater.run(&bytes[..], &mut self.output), None),
            Source::Stream(content) => (self.deflater.run(content, &mut self.output), None),
            Source::Blob(id) => match self.store.stored(&id) {
                Some(stored) => (self.copy(stored), Some(id)),
                None => {
                    let content = self.store.open_blob(&id).map_err(unreadable)?;
                    (self.deflater.run(content, &mut self.output), Some(id))
                }
            },
        };
        result.map_err(|error| match (error, id) {
            (DeflateError::Read(source), Some(id)) => unreadable(ObjectError::Spool { id, source }),
            (DeflateError::Read(error) | DeflateError::Write(error), _) => ZipError::Output(error),
        })
    }

    /// The compressed bytes as they came.
    fn copy(&mut self, mut stored: StoredBlob) -> Result<Measured, DeflateError> {
        loop {
            let count = stored.deflate.read(&mut self.buffer).map_err(DeflateError::Read)?;
            if count == 0 {
                break;
            }
            self.output.write_all(&self.buffer[..count]).map_err(DeflateError::Write)?;
        }
        Ok(Measured {
            size: stored.size,
            compressed_size: stored.deflate_length,
            crc32: stored.crc32,
            sha256: stored.sha256,
        })
    }

    fn finish(mut self) -> Result<WrittenZip, ZipError> {
        let start = self.output.count;
        for record in &self.records {
            self.output.write_all(&central_header(record)).map_err(ZipError::Output)?;
        }
        let size = self.output.count - start;
        let too_large =
            |_| ZipError::TooLarge { name: self.files.last().map_or("", |file| &file.0).into() };
        u32::try_from(size).map_err(too_large)?;
        let end = end_of_directory(self.records.len() as u64, start, size);
        self.output.write_all(&end).map_err(ZipError::Output)?;
        self.output.flush().map_err(ZipError::Output)?;
        Ok(WrittenZip { size: self.output.count, files: self.files })
    }
}

/// Counts what passes.
struct Counted<W> {
    output: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
