//! Deltas: an object as copies from its base and new bytes.

use std::{
    fs::File,
    io::{self, BufRead, Read, Write},
    os::unix::fs::FileExt,
};

/// The content a delta copies from.
pub(super) enum BaseContent<'a> {
    Memory(&'a [u8]),
    /// Too large for memory: plain bytes in a file.
    Spooled {
        file: &'a File,
        offset: u64,
        size: u64,
    },
}

/// Why a delta cannot be applied.
#[derive(Debug)]
pub(super) enum DeltaError {
    /// The rule that it breaks.
    Corrupt(&'static str),
    Io(io::Error),
}

/// The two sizes at the start of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeltaHeader {
    pub(super) base_size: u64,
    pub(super) result_size: u64,
}

impl From<io::Error> for DeltaError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl BaseContent<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spooled { size, .. } => *size,
        }
    }

    /// Copies a range that lies within the content.
    fn copy(&self, start: u64, length: u64, output: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => output.write_all(&bytes[start as usize..][..length as usize]),
            Self::Spooled { file, offset, .. } => {
                let mut buffer = vec![0; length.min(64 << 10) as usize];
                let (mut position, end) = (offset + start, offset + start + length);
                while position < end {
                    let count = buffer.len().min((end - position) as usize);
                    file.read_exact_at(&mut buffer[..count], position)?;
                    output.write_all(&buffer[..count])?;
                    position += count as u64;
                }
                Ok(())
            }
        }
    }
}

impl DeltaHeader {
    pub(super) fn read(delta: &mut impl BufRead) -> Result<Self, DeltaError> {
        Ok(Self { base_size: read_size(delta)?, result_size: read_size(delta)? })
    }
}

/// Writes the object that `delta`, read up to behind its header, makes of `base`. It
/// must come to exactly the declared size.
pub(super) fn apply(
    header: DeltaHeader,
    base: &BaseContent<'_>,
    delta: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), DeltaError> {
    if header.base_size != base.size() {
        return Err(DeltaError::Corrupt("its delta is for a base of another size"));
    }
    let mut remaining = header.result_size;
    while let Some(instruction) = read_instruction(delta)? {
        remaining = remaining
            .checked_sub(instruction.length())
            .ok_or(DeltaError::Corrupt("its delta yields more than declared"))?;
        match instruction {
            Instruction::Copy { start, length } => {
                if start + length > header.base_size {
                    return Err(DeltaError::Corrupt("its delta copies from outside its base"));
                }
                base.copy(start, length, output)?;
            }
            Instruction::Insert { length } => {
                let mut bytes = [0; 127];
                let bytes = &mut bytes[..usize::from(length)];
                delta.read_exact(bytes).map_err(end_is_corrupt)?;
                output.write_all(bytes)?;
            }
        }
    }
    if remaining != 0 {
        return Err(DeltaError::Corrupt("its delta yields less than declared"));
    }
    Ok(())
}

enum Instruction {
    Copy { start: u64, length: u64 },
    Insert { length: u8 },
}

impl Instruction {
    fn length(&self) -> u64 {
        match self {
            Self::Copy { length, .. } => *length,
            Self::Insert { length } => u64::from(*length),
        }
    }
}

/// `None` at the end of the delta.
fn read_instruction(delta: &mut impl BufRead) -> Result<Option<Instruction>, DeltaError> {
    if delta.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let code = read_byte(delta)?;
    if code == 0 {
        return Err(DeltaError::Corrupt("its delta has an unknown instruction"));
    }
    if code & 0x80 == 0 {
        return Ok(Some(Instruction::Insert { length: code }));
    }
    // Seven bits tell which bytes of a 32-bit start and a 24-bit length follow.
    let mut number = |bits: u8, count: u32| -> Result<u64, DeltaError> {
        let mut value = 0;
        for index in 0..count {
            if bits >> index & 1 == 1 {
                value |= u64::from(read_byte(delta)?) << (8 * index);
            }
        }
        Ok(value)
    };
    let start = number(code, 4)?;
    let length = match number(code >> 4, 3)? {
        0 => 0x10000,
        length => length,
    };
    Ok(Some(Instruction::Copy { start, length }))
}

fn read_size(delta: &mut impl BufRead) -> Result<u64, DeltaError> {
    let mut size = 0;
    let mut shift = 0;
    loop {
        let byte = read_byte(delta)?;
        if shift > 56 {
            return Err(DeltaError::Corrupt("a size in its delta has too many digits"));
        }
        size |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(size);
        }
        shift += 7;
    }
}

fn read_byte(delta: &mut impl Read) -> Result<u8, DeltaError> {
    let mut byte = [0];
    delta.read_exact(&mut byte).map_err(end_is_corrupt)?;
    Ok(byte[0])
}

fn end_is_corrupt(error: io::Error) -> DeltaError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => DeltaError::Corrupt("its delta ends too early"),
        _ => DeltaError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(base: &BaseContent<'_>, mut delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
        let header = DeltaHeader::read(&mut delta)?;
        let mut output = Vec::new();
        apply(header, base, &mut delta, &mut output)?;
        Ok(output)
    }

    #[test]
    fn copies_and_inserts_make_the_object() {
        let base = BaseContent::Memory(b"hello world");
        let delta = [11, 8, 0x91, 6, 5, 3, b'a', b'b', b'c'];
        assert_eq!(applied(&base, &delta).unwrap(), b"worldabc");
    }

    #[test]
    fn a_length_of_zero_means_64_kibibytes() {
        let content = vec![b'x'; 0x10000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(applied(&BaseContent::Memory(&content), &delta).unwrap(), content);
    }

    #[test]
    fn a_base_in_a_file_gives_the_same_as_one_in_memory() {
        let content: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&content, 1000).unwrap();
        let spooled = BaseContent::Spooled { file: &file, offset: 1000, size: 300_000 };
        // Sizes 300000 and 200001; copy 200000 from 70000; insert one byte.
        let delta =
            [0xe0, 0xa7, 0x12, 0xc1, 0x9a, 0x0c, 0xf7, 0x70, 0x11, 0x01, 0x40, 0x0d, 0x03, 1, b'!'];
        let expected = [&content[70_000..270_000], b"!"].concat();
        assert!(applied(&BaseContent::Memory(&content), &delta).unwrap() == expected);
        assert!(applied(&spooled, &delta).unwrap() == expected);
    }

    #[test]
    fn broken_deltas_are_refused() {
        let base = BaseContent::Memory(b"hello world");
        for (delta, reason) in [
            (&[][..], "ends too early"),
            (&[11], "ends too early"),
            (&[0x80; 12], "too many digits"),
            (&[10, 1, 1, b'a'], "base of another size"),
            (&[11, 1, 0], "unknown instruction"),
            (&[11, 1], "less than declared"),
            (&[11, 2, 1, b'a'], "less than declared"),
            (&[11, 1, 2, b'a', b'b'], "more than declared"),
            (&[11, 3, 3, b'a'], "ends too early"),
            (&[11, 5, 0x91], "ends too early"),
            (&[11, 6, 0x91, 6, 6], "outside its base"),
            (&[11, 1, 0x9f, 255, 255, 255, 255, 1], "outside its base"),
        ] {
            let error = applied(&base, delta).unwrap_err();
            assert!(
                matches!(error, DeltaError::Corrupt(text) if text.contains(reason)),
                "{delta:?}: {error:?}, not {reason}"
            );
        }
    }
}
