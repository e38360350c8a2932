//! The records of the zip format, as Go's own writer lays them out.

/// Length of a data descriptor.
pub(super) const DESCRIPTOR_LENGTH: u64 = 16;

/// 2.0, which knows deflate: what made the file, and what is needed to read it.
const VERSION: u16 = 20;
/// 4.5, which knows the 64-bit end record.
const VERSION_64: u16 = 45;
const DEFLATE: u16 = 8;
/// CRC-32 and sizes follow the content.
const FLAG_DESCRIPTOR: u16 = 0x8;
const FLAG_UTF8: u16 = 0x800;

/// What the central directory says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileRecord {
    pub(super) name: String,
    pub(super) crc32: u32,
    pub(super) compressed_size: u32,
    pub(super) size: u32,
    /// Where its local header starts.
    pub(super) offset: u32,
}

/// Stands before the content; sizes and checksum are left to the descriptor. The name
/// has at most 65,535 bytes.
pub(super) fn local_header(name: &str) -> Vec<u8> {
    let mut record = Record::new(0x0403_4b50);
    record.u16(VERSION).u16(flags(name)).u16(DEFLATE);
    record.u32(0).u32(0).u32(0).u32(0);
    record.u16(name.len() as u16).u16(0);
    record.bytes(name.as_bytes())
}

/// Stands after the content.
pub(super) fn data_descriptor(crc32: u32, compressed_size: u32, size: u32) -> Vec<u8> {
    let mut record = Record::new(0x0807_4b50);
    record.u32(crc32).u32(compressed_size).u32(size);
    record.0
}

/// One entry of the central directory.
pub(super) fn central_header(file: &FileRecord) -> Vec<u8> {
    let mut record = Record::new(0x0201_4b50);
    record.u16(VERSION).u16(VERSION).u16(flags(&file.name)).u16(DEFLATE).u32(0);
    record.u32(file.crc32).u32(file.compressed_size).u32(file.size);
    record.u16(file.name.len() as u16).u16(0).u16(0);
    // Disk, internal and external attributes.
    record.u16(0).u16(0).u32(0);
    record.u32(file.offset);
    record.bytes(file.name.as_bytes())
}

/// The end of the file. Offsets fit into 32 bits, the count of files need not.
pub(super) fn end_of_directory(count: u64, start: u64, size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if count >= u64::from(u16::MAX) {
        let mut record = Record::new(0x0606_4b50);
        // Bytes of this record that follow.
        record.u64(44).u16(VERSION_64).u16(VERSION_64).u32(0).u32(0);
        record.u64(count).u64(count).u64(size).u64(start);
        records.append(&mut record.0);
        let mut locator = Record::new(0x0706_4b50);
        locator.u32(0).u64(start + size).u32(1);
        records.append(&mut locator.0);
    }
    let short_count = u16::try_from(count).unwrap_or(u16::MAX);
    let mut record = Record::new(0x0605_4b50);
    record.u16(0).u16(0).u16(short_count).u16(short_count);
    record.u32(size as u32).u32(start as u32).u16(0);
    records.append(&mut record.0);
    records
}

fn flags(name: &str) -> u16 {
    if name.is_ascii() { FLAG_DESCRIPTOR } else { FLAG_DESCRIPTOR | FLAG_UTF8 }
}

/// Little-endian fields behind a signature.
struct Record(Vec<u8>);

impl Record {
    fn new(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(bytes);
        self.0
    }
}
