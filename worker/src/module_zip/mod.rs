//! Writing module zips (go-modules §4.5), mostly by copying: a blob that travelled
//! whole is already a deflate stream of which CRC-32 and SHA-256 are known.
//!
//! Equal entries from equal packs give equal bytes, but a server may pack a file once
//! whole and once as a delta, with other compressed bytes. That a version's zip never
//! changes follows from storing it once, not from building it again.

mod deflate;
mod records;
mod writer;

pub use writer::{Entry, Source, WrittenZip, ZipError, write_module_zip};

#[cfg(test)]
mod tests;
