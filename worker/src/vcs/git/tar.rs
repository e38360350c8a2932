//! Reads the tar archives that `git archive` writes, and no others: POSIX headers, with
//! extended ones for long names.

use std::io::{self, Read, Write};

use super::error::WireError;

const BLOCK: usize = 512;
/// An extended header holds a path and little else.
const EXTENDED_HEADER: u64 = 1 << 20;

/// Copies regular files to `out`, one after the other. `wants` says of each path
/// whether it is copied; `copied` gets the path, the offset in `out` and the length.
pub(super) fn extract(
    mut reader: impl Read,
    out: &mut impl Write,
    limit: u64,
    wants: impl Fn(&[u8]) -> bool,
    mut copied: impl FnMut(Vec<u8>, u64, u64),
) -> Result<(), WireError> {
    let mut offset = 0;
    let mut extended = Extended::default();
    loop {
        let mut header = [0; BLOCK];
        reader.read_exact(&mut header).map_err(broken)?;
        if header == [0; BLOCK] {
            // The writer's status is known once its output has been read to the end.
            io::copy(&mut reader, &mut io::sink()).map_err(WireError::Transfer)?;
            return Ok(());
        }
        let kind = header[156];
        let size = extended.size.take().map_or_else(|| number(&header[124..136]), Ok)?;
        match kind {
            b'x' => {
                extended = Extended::parse(&content(&mut reader, size)?)?;
                continue;
            }
            b'0' | 0 => {
                let path = extended.path.take().unwrap_or_else(|| name(&header));
                if wants(&path) {
                    if size > limit - offset {
                        return Err(WireError::TooManyBytes { limit });
                    }
                    copy(&mut reader, size, out)?;
                    copied(path, offset, size);
                    offset += size;
                } else {
                    copy(&mut reader, size, &mut io::sink())?;
                }
            }
            _ => {
                extended = Extended::default();
                copy(&mut reader, size, &mut io::sink())?;
            }
        }
        skip_padding(&mut reader, size)?;
    }
}

/// What an extended header says of the next file.
#[derive(Debug, Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    /// Records are `<length> <key>=<value>\n`, the length being that of all of it.
    fn parse(mut records: &[u8]) -> Result<Self, WireError> {
        let mut extended = Self::default();
        while !records.is_empty() {
            let malformed = || WireError::malformed("not an extended tar header", records);
            let space = records.iter().position(|&byte| byte == b' ').ok_or_else(malformed)?;
            let length = decimal(&records[..space]).ok_or_else(malformed)?;
            let record = usize::try_from(length).ok().and_then(|length| records.get(..length));
            let record = record.filter(|record| record.len() > space).ok_or_else(malformed)?;
            let pair = record[space + 1..].strip_suffix(b"\n").ok_or_else(malformed)?;
            if let Some(path) = pair.strip_prefix(b"path=") {
                extended.path = Some(path.to_vec());
            } else if let Some(size) = pair.strip_prefix(b"size=") {
                extended.size = Some(decimal(size).ok_or_else(malformed)?);
            }
            records = &records[record.len()..];
        }
        Ok(extended)
    }
}

fn content(reader: &mut impl Read, size: u64) -> Result<Vec<u8>, WireError> {
    if size > EXTENDED_HEADER {
        return Err(WireError::TooManyBytes { limit: EXTENDED_HEADER });
    }
    let mut content = Vec::new();
    copy(reader, size, &mut content)?;
    skip_padding(reader, size)?;
    Ok(content)
}

fn copy(reader: &mut impl Read, size: u64, out: &mut impl Write) -> Result<(), WireError> {
    let count = io::copy(&mut reader.take(size), out).map_err(WireError::Transfer)?;
    if count < size { Err(WireError::Truncated) } else { Ok(()) }
}

fn skip_padding(reader: &mut impl Read, size: u64) -> Result<(), WireError> {
    copy(reader, size.next_multiple_of(BLOCK as u64) - size, &mut io::sink())
}

/// The path of a plain header: prefix, slash, name.
fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let (prefix, name) = (until_nul(&header[345..500]), until_nul(&header[..100]));
    if prefix.is_empty() { name.to_vec() } else { [prefix, name].join(&b'/') }
}

fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}

fn number(field: &[u8]) -> Result<u64, WireError> {
    let text = str::from_utf8(until_nul(field)).ok().map(str::trim);
    text.and_then(|text| u64::from_str_radix(text, 8).ok())
        .ok_or_else(|| WireError::malformed("not a tar header", field))
}

fn decimal(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn broken(error: io::Error) -> WireError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => WireError::Truncated,
        _ => WireError::Transfer(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, size: &str, kind: u8) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..124 + size.len()].copy_from_slice(size.as_bytes());
        header[156] = kind;
        header
    }

    fn file(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = block(name, &format!("{:011o}", content.len()), b'0');
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn extract_all(bytes: &[u8], limit: u64) -> Result<Vec<(String, u64, u64)>, WireError> {
        let mut files = Vec::new();
        extract(
            bytes,
            &mut Vec::new(),
            limit,
            |path| path != b"skipped",
            |path, offset, size| {
                files.push((String::from_utf8(path).unwrap(), offset, size));
            },
        )?;
        Ok(files)
    }

    #[test]
    fn wanted_files_are_copied_one_after_the_other() {
        let mut archive = file("a", b"one");
        archive.extend_from_slice(&file("skipped", b"unwanted"));
        archive.extend_from_slice(&block("link", "00000000000", b'2'));
        archive.extend_from_slice(&file("b", &[7; BLOCK]));
        archive.extend_from_slice(&[0; 2 * BLOCK]);
        let files = [("a".to_owned(), 0, 3), ("b".to_owned(), 3, 512)];
        assert_eq!(extract_all(&archive, 515).unwrap(), files);
        let error = extract_all(&archive, 514).unwrap_err();
        assert_eq!(error.to_string(), "more than 514 bytes of files");
        assert!(matches!(extract_all(&archive[..900], 515), Err(WireError::Truncated)));
        assert!(matches!(extract_all(&archive[..512], 515), Err(WireError::Truncated)));
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        let bad_size = block("a", "zzz", b'0');
        let mut huge_header = block("x", "77777777777", b'x');
        huge_header.extend_from_slice(&[0; BLOCK]);
        for bytes in [&b""[..], &[b'x'; 600], &bad_size, &huge_header] {
            assert!(extract_all(bytes, 100).is_err());
        }
        for records in [&b"9"[..], b"99 path=a\n", b"2 path=a\n", b"10 path=ab", b"x path=a\n"] {
            assert!(Extended::parse(records).is_err(), "{records:?}");
        }
        let parsed = Extended::parse(b"10 path=a\n11 size=12\n14 mtime=12345\n");
        assert!(parsed.is_err(), "a length that does not fit");
        let parsed = Extended::parse(b"10 path=a\n11 size=12\n").unwrap();
        assert_eq!((parsed.path.as_deref(), parsed.size), (Some(&b"a"[..]), Some(12)));
    }
}
