//! From LF to CRLF, with git's own idea of what is text.

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
        let mut statistics = Self::default();
        let mut previous = 0;
        for (index, &byte) in content.iter().enumerate() {
            match byte {
                b'\n' if previous == b'\r' => statistics.has_crlf = true,
                b'\n' => statistics.has_lone_lf = true,
                b'\r' => statistics.has_lone_cr |= content.get(index + 1) != Some(&b'\n'),
                // Backspace, tab, form feed and escape occur in texts.
                0x08 | b'\t' | 0x0c | 0x1b => statistics.printable += 1,
                // An end-of-file mark of old systems, if it is the last byte.
                0x1a if index + 1 == content.len() => {}
                0..0x20 | 0x7f => {
                    statistics.has_nul |= byte == 0;
                    statistics.unprintable += 1;
                }
                _ => statistics.printable += 1,
            }
            previous = byte;
        }
        statistics
    }

    /// At most one byte in 128 may be a control character.
    fn looks_binary(&self) -> bool {
        self.has_lone_cr || self.has_nul || self.printable >> 7 < self.unprintable
    }
}

/// Whether `text=auto` leaves a blob alone: it looks binary, or its line ends are (at
/// least in part) CRLF already.
fn is_left_alone(content: &[u8]) -> bool {
    let statistics = Statistics::of(content);
    !statistics.has_lone_lf || statistics.has_crlf || statistics.looks_binary()
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
    let mut previous = 0;
    for &byte in &content {
        if byte == b'\n' && previous != b'\r' {
            converted.push(b'\r');
        }
        converted.push(byte);
        previous = byte;
    }
    converted
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
