//! From LF to CRLF, with git's own idea of what is text.

use std::io::{self, Read};

/// What git counts in a blob before it converts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Statistics {
    has_lone_lf: bool,
    has_crlf: bool,
    has_lone_cr: bool,
    has_nul: bool,
    printable: usize,
    unprintable: usize,
}

impl Statistics {
    fn of(content: &[u8]) -> Self {
        let mut counting = Counting::default();
        counting.add(content);
        counting.finish()
    }

    /// At most one byte in 128 may be a control character.
    fn looks_binary(&self) -> bool {
        self.has_lone_cr || self.has_nul || self.printable >> 7 < self.unprintable
    }

    fn leaves_alone(&self) -> bool {
        !self.has_lone_lf || self.has_crlf || self.looks_binary()
    }
}

/// Statistics of a content that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Counting {
    statistics: Statistics,
    /// The byte before the next piece; 0 at the start.
    previous: u8,
}

impl Counting {
    pub(super) fn add(&mut self, piece: &[u8]) {
        let statistics = &mut self.statistics;
        for &byte in piece {
            match self.previous {
                b'\r' if byte != b'\n' => statistics.has_lone_cr = true,
                END_OF_FILE => statistics.unprintable += 1,
                _ => {}
            }
            match byte {
                b'\n' if self.previous == b'\r' => statistics.has_crlf = true,
                b'\n' => statistics.has_lone_lf = true,
                // Both depend on what comes next.
                b'\r' | END_OF_FILE => {}
                // Backspace, tab, form feed and escape occur in texts.
                0x08 | b'\t' | 0x0c | 0x1b => statistics.printable += 1,
                0..0x20 | 0x7f => {
                    statistics.has_nul |= byte == 0;
                    statistics.unprintable += 1;
                }
                _ => statistics.printable += 1,
            }
            self.previous = byte;
        }
    }

    fn finish(mut self) -> Statistics {
        self.statistics.has_lone_cr |= self.previous == b'\r';
        self.statistics
    }

    /// Whether `text=auto` leaves the whole content alone.
    pub(super) fn leaves_alone(self) -> bool {
        self.finish().leaves_alone()
    }
}

/// An end-of-file mark of old systems, which counts nothing as the last byte.
const END_OF_FILE: u8 = 0x1a;

/// Whether `text=auto` leaves a blob alone: it looks binary, or its line ends are (at
/// least in part) CRLF already.
fn is_left_alone(content: &[u8]) -> bool {
    Statistics::of(content).leaves_alone()
}

/// Turns each LF without a CR before it into CRLF; with `only_text`, if git takes the
/// content for text.
pub(super) fn to_crlf(content: Vec<u8>, only_text: bool) -> Vec<u8> {
    if only_text && is_left_alone(&content) {
        return content;
    }
    let added = lone_line_feeds(&content);
    if added == 0 {
        return content;
    }
    let mut converted = Vec::with_capacity(content.len() + added);
    push_with_crlf(&mut converted, &content, 0);
    converted
}

/// A content with CRLF in place of each lone LF, converted as it is read.
pub(super) struct CrlfReader<R> {
    content: R,
    input: Box<[u8]>,
    /// Converted and not read yet, from `position` on.
    output: Vec<u8>,
    position: usize,
    previous: u8,
}

/// Bytes converted at once.
const PIECE: usize = 32 << 10;

impl<R: Read> CrlfReader<R> {
    pub(super) fn new(content: R) -> Self {
        let input = vec![0; PIECE].into_boxed_slice();
        Self { content, input, output: Vec::with_capacity(2 * PIECE), position: 0, previous: 0 }
    }
}

impl<R: Read> Read for CrlfReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.output.len() {
            let count = self.content.read(&mut self.input)?;
            (self.position, self.previous) = (0, {
                self.output.clear();
                push_with_crlf(&mut self.output, &self.input[..count], self.previous)
            });
        }
        let count = buffer.len().min(self.output.len() - self.position);
        buffer[..count].copy_from_slice(&self.output[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}

/// Appends a piece that follows the byte `previous`; returns its last byte.
fn push_with_crlf(converted: &mut Vec<u8>, piece: &[u8], mut previous: u8) -> u8 {
    for &byte in piece {
        if byte == b'\n' && previous != b'\r' {
            converted.push(b'\r');
        }
        converted.push(byte);
        previous = byte;
    }
    previous
}

fn lone_line_feeds(content: &[u8]) -> usize {
    let starts_with_one = usize::from(content.first() == Some(&b'\n'));
    let later = content.windows(2).filter(|pair| pair[1] == b'\n' && pair[0] != b'\r').count();
    starts_with_one + later
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lone_line_feed_gets_its_carriage_return() {
        for (content, expected) in [
            ("", ""),
            ("a", "a"),
            ("\n", "\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("a\nb\r\nc\n", "a\r\nb\r\nc\r\n"),
            ("\r\r\n\n", "\r\r\n\r\n"),
            ("a\0\n", "a\0\r\n"),
        ] {
            assert_eq!(to_crlf(content.into(), false), expected.as_bytes(), "{content:?}");
        }
    }

    #[test]
    fn whatever_the_pieces_the_result_is_that_of_the_whole() {
        let contents: [&[u8]; 8] =
            [b"", b"\n", b"a\nb\r\nc\n", b"\r\n\n", b"a\r", b"a\x1a\n", b"a\n\x1a", b"a\rb\n\0"];
        for content in contents {
            let whole = Statistics::of(content);
            for split in 0..=content.len() {
                let (first, second) = content.split_at(split);
                let mut counting = Counting::default();
                counting.add(first);
                counting.add(second);
                assert_eq!(counting.finish(), whole, "{content:?} at {split}");
                let mut converted = Vec::new();
                CrlfReader::new(first.chain(second)).read_to_end(&mut converted).unwrap();
                assert_eq!(converted, to_crlf(content.into(), false), "{content:?} at {split}");
            }
        }
    }

    #[test]
    fn only_what_looks_like_text_is_converted_automatically() {
        let mostly_text = |control: &str| format!("{}\n{control}", "x".repeat(127));
        for (content, is_converted) in [
            ("a\n".to_owned(), true),
            ("a\r\n".into(), false),
            ("a\nb\r\n".into(), false),
            ("a\rb\n".into(), false),
            ("a\0\n".into(), false),
            ("\x08\t\x0c\x1b\n".into(), true),
            ("\x01\n".into(), false),
            ("\n\x1a".into(), true),
            ("\x1a\n".into(), false),
            (mostly_text("\x7f"), false),
            (mostly_text("x\x7f"), true),
            (mostly_text("x\x7f\x7f"), false),
            ("größe\n".into(), true),
        ] {
            let converted = to_crlf(content.clone().into(), true);
            assert_eq!(converted != content.as_bytes(), is_converted, "{content:?}");
        }
    }
}
