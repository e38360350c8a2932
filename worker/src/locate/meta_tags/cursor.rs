//! Reading a page byte by byte and name by name.

/// A position in a page.
pub(super) struct Cursor<'page> {
    page: &'page [u8],
    position: usize,
}

/// Why a page cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SyntaxError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

pub(super) type Result<T> = std::result::Result<T, SyntaxError>;

impl<'page> Cursor<'page> {
    /// Starts at the first byte of `page`.
    pub(super) fn new(page: &'page [u8]) -> Self {
        Self { page, position: 0 }
    }

    /// A name without its namespace prefix.
    pub(super) fn local_name(&mut self) -> Result<&'page str> {
        let name = self.name()?;
        match name.split_once(':') {
            Some((_, local)) if local.contains(':') => Err(self.error("two colons in a name")),
            Some((space, local)) if !space.is_empty() && !local.is_empty() => Ok(local),
            _ => Ok(name),
        }
    }

    /// A name with its namespace prefix. Beyond ASCII the go command has the letters of
    /// XML 1.0 where we have those of Unicode, a superset: real pages have neither.
    pub(super) fn name(&mut self) -> Result<&'page str> {
        let start = self.position;
        while is_name_byte(self.expect_more()?) {
            self.position += 1;
        }
        let name = std::str::from_utf8(&self.page[start..self.position])
            .map_err(|_| self.error("invalid UTF-8 in a name"))?;
        let is_valid = name
            .starts_with(|first: char| first.is_alphabetic() || matches!(first, '_' | ':'))
            && name
                .chars()
                .all(|rest| rest.is_alphanumeric() || matches!(rest, '_' | ':' | '-' | '.'));
        if is_valid { Ok(name) } else { Err(self.error("expected a name")) }
    }

    /// Everything up to `end`, which is consumed too.
    pub(super) fn take_through(&mut self, end: &[u8]) -> Result<&'page [u8]> {
        let rest = &self.page[self.position..];
        match rest.windows(end.len()).position(|window| window == end) {
            Some(length) => {
                self.position += length + end.len();
                Ok(&rest[..length])
            }
            None => {
                self.position = self.page.len();
                Err(self.error("unexpected end of page"))
            }
        }
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\r' | b'\n' | b'\t')) {
            self.position += 1;
        }
    }

    /// The next byte, `None` at the end of the page.
    pub(super) fn peek(&self) -> Option<u8> {
        self.page.get(self.position).copied()
    }

    /// The next byte where the page must not end.
    pub(super) fn expect_more(&self) -> Result<u8> {
        self.peek().ok_or_else(|| self.error("unexpected end of page"))
    }

    /// The next byte, which is consumed.
    pub(super) fn take(&mut self) -> Result<u8> {
        let byte = self.expect_more()?;
        self.position += 1;
        Ok(byte)
    }

    /// A problem at this position.
    pub(super) fn error(&self, problem: &'static str) -> SyntaxError {
        let line_ends = self.page[..self.position].iter().filter(|byte| **byte == b'\n').count();
        SyntaxError { line: line_ends + 1, problem }
    }

    /// Whether the page goes on with `text`, which then is consumed.
    pub(super) fn take_if(&mut self, text: &[u8]) -> bool {
        let goes_on = self.page[self.position..].starts_with(text);
        if goes_on {
            self.position += text.len();
        }
        goes_on
    }

    /// Everything from `start`, an earlier position, up to here.
    pub(super) fn since(&self, start: usize) -> &'page [u8] {
        &self.page[start..self.position]
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn advance(&mut self) {
        self.position += 1;
    }
}

/// Bytes outside ASCII count here and are judged once the whole name is known.
pub(super) fn is_name_byte(byte: u8) -> bool {
    !byte.is_ascii() || byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-')
}
