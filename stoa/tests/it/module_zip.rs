//! Reads a module zip and recomputes both sums by the words of go-modules §5, with no
//! line of the product's own code.

use std::io::Read;

use base64::Engine as _;
use sha2::{Digest, Sha256};

/// The files of a module zip, names without the `M@V/` prefix, in the zip's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModuleZip {
    /// `h1:` over the full entry names.
    pub(crate) sum: String,
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// Reads a zip through its central directory; an entry outside `prefix` is an error.
pub(crate) fn read(bytes: &[u8], prefix: &str) -> Result<ModuleZip, String> {
    let end = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .ok_or("no end of central directory")?;
    let count = number(bytes, end + 10, 2)?;
    let mut position = number(bytes, end + 16, 4)?;
    let mut files = Vec::new();
    for _ in 0..count {
        if bytes.get(position..position + 4) != Some(b"PK\x01\x02") {
            return Err(format!("no central directory entry at {position}"));
        }
        let method = number(bytes, position + 10, 2)?;
        let compressed = number(bytes, position + 20, 4)?;
        let size = number(bytes, position + 24, 4)?;
        let name_length = number(bytes, position + 28, 2)?;
        let skip = number(bytes, position + 30, 2)? + number(bytes, position + 32, 2)?;
        let local = number(bytes, position + 42, 4)?;
        let name = slice(bytes, position + 46, name_length)?;
        let name = std::str::from_utf8(name).map_err(|error| error.to_string())?;
        let start = local + 30 + number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
        let data = slice(bytes, start, compressed)?;
        let mut content = Vec::with_capacity(size);
        match method {
            0 => content.extend_from_slice(data),
            8 => {
                flate2::read::DeflateDecoder::new(data)
                    .read_to_end(&mut content)
                    .map_err(|error| format!("{name}: {error}"))?;
            }
            other => return Err(format!("{name}: compression method {other}")),
        }
        if content.len() != size {
            return Err(format!("{name}: {} bytes, declared {size}", content.len()));
        }
        let name = name.strip_prefix(prefix).ok_or(format!("{name} is not under {prefix}"))?;
        files.push((name.to_owned(), content));
        position += 46 + name_length + skip;
    }
    let sum = sum(files.iter().map(|(name, content)| (format!("{prefix}{name}"), &content[..])));
    Ok(ModuleZip { sum, files })
}

/// `h1:` of a `.mod` body.
pub(crate) fn mod_sum(body: &[u8]) -> String {
    sum([("go.mod".to_owned(), body)].into_iter())
}

/// `h1:` of files under their full names.
pub(crate) fn sum<'a>(files: impl Iterator<Item = (String, &'a [u8])>) -> String {
    let mut lines: Vec<(String, String)> =
        files.map(|(name, content)| (name, hex(&Sha256::digest(content)))).collect();
    lines.sort();
    let mut whole = Sha256::new();
    for (name, digest) in lines {
        whole.update(format!("{digest}  {name}\n"));
    }
    format!("h1:{}", base64::engine::general_purpose::STANDARD.encode(whole.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn slice(bytes: &[u8], start: usize, length: usize) -> Result<&[u8], String> {
    bytes.get(start..start + length).ok_or_else(|| format!("zip ends before {}", start + length))
}

/// A little-endian number of a zip header.
fn number(bytes: &[u8], start: usize, length: usize) -> Result<usize, String> {
    let field = slice(bytes, start, length)?;
    Ok(field.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

#[test]
fn sums_are_those_of_the_specification() {
    assert_eq!(
        mod_sum(b"module example.com/m\n"),
        "h1:flS2VctbRrTv+sBE+VKgxx6hlkMGPVz9MGOmzMYFg3k="
    );
    assert_eq!(mod_sum(b""), "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=");
    let files: [(&str, &[u8]); 3] =
        [("go.mod", b"module example.com/m\n"), ("a.go", b"package m\n"), ("LICENSE", b"x\n")];
    let files = files.map(|(name, content)| (format!("example.com/m@v1.0.0/{name}"), content));
    assert_eq!(sum(files.into_iter()), "h1:Q0ZWP80nLkjwA1CgFmINTcC0cp8qsG5eabgezAbGpzY=");
}
