//! A lenient XML tokenizer that accepts exactly the pages the go command accepts
//! (go-modules §2.3): no HTML rules, no nesting check, unquoted and missing
//! attribute values and unknown entities allowed, broken markup an error.

use super::{
    character_data::{self, Until},
    cursor::{Cursor, Result},
};

/// Cuts a page into tokens.
pub(super) struct Tokenizer<'page> {
    cursor: Cursor<'page>,
    /// A self-closing element is a start token followed by this end token.
    pending_end: Option<&'page str>,
}

/// What discovery looks at; text, comments, directives and processing instructions
/// are all [`Token::Other`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'page> {
    /// `<name …>`
    Start {
        /// Without namespace prefix, case as written.
        name: &'page str,
        /// In page order.
        attributes: Vec<Attribute<'page>>,
    },
    /// `</name>`, or the end of a self-closing element.
    End {
        /// Without namespace prefix, case as written.
        name: &'page str,
    },
    /// Anything else.
    Other,
}

/// One attribute of an element.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute<'page> {
    /// Without namespace prefix, case as written.
    pub(super) name: &'page str,
    /// Entities decoded; the attribute's own name if it has no `=`.
    pub(super) value: String,
}

impl<'page> Tokenizer<'page> {
    /// Starts at the first byte of `page`.
    pub(super) fn new(page: &'page [u8]) -> Self {
        Self { cursor: Cursor::new(page), pending_end: None }
    }

    /// The next token, `None` at the end of the page. After an error the position
    /// means nothing: do not call again.
    pub(super) fn next(&mut self) -> Result<Option<Token<'page>>> {
        if let Some(name) = self.pending_end.take() {
            return Ok(Some(Token::End { name }));
        }
        let Some(first) = self.cursor.peek() else { return Ok(None) };
        if first != b'<' {
            character_data::read(&mut self.cursor, Until::Markup)?;
            return Ok(Some(Token::Other));
        }
        self.cursor.advance();
        let token = match self.cursor.expect_more()? {
            b'/' => self.end_tag()?,
            b'?' => self.processing_instruction()?,
            b'!' => self.declaration()?,
            _ => self.start_tag()?,
        };
        Ok(Some(token))
    }

    fn start_tag(&mut self) -> Result<Token<'page>> {
        let name = self.cursor.local_name()?;
        let mut attributes = Vec::new();
        loop {
            self.cursor.skip_space();
            match self.cursor.expect_more()? {
                b'>' => {
                    self.cursor.advance();
                    break;
                }
                b'/' => {
                    self.cursor.advance();
                    if self.cursor.take()? != b'>' {
                        return Err(self.cursor.error("expected /> in element"));
                    }
                    self.pending_end = Some(name);
                    break;
                }
                _ => attributes.push(self.attribute()?),
            }
        }
        Ok(Token::Start { name, attributes })
    }

    fn attribute(&mut self) -> Result<Attribute<'page>> {
        let name = self.cursor.local_name()?;
        self.cursor.skip_space();
        if self.cursor.expect_more()? != b'=' {
            return Ok(Attribute { name, value: name.to_owned() });
        }
        self.cursor.advance();
        self.cursor.skip_space();
        let value = match self.cursor.expect_more()? {
            quote @ (b'"' | b'\'') => {
                self.cursor.advance();
                character_data::read(&mut self.cursor, Until::Quote(quote))?
            }
            _ => self.unquoted_value()?,
        };
        Ok(Attribute { name, value })
    }

    fn unquoted_value(&mut self) -> Result<String> {
        let mut value = String::new();
        loop {
            let byte = self.cursor.expect_more()?;
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-')) {
                return Ok(value);
            }
            value.push(char::from(byte));
            self.cursor.advance();
        }
    }

    fn end_tag(&mut self) -> Result<Token<'page>> {
        self.cursor.advance();
        let name = self.cursor.local_name()?;
        self.cursor.skip_space();
        if self.cursor.take()? != b'>' {
            return Err(self.cursor.error("invalid characters in end tag"));
        }
        Ok(Token::End { name })
    }

    fn processing_instruction(&mut self) -> Result<Token<'page>> {
        self.cursor.advance();
        let target = self.cursor.name()?;
        self.cursor.skip_space();
        let content = self.cursor.take_through(b"?>")?;
        if target == "xml" {
            let version = pseudo_attribute(content, b"version=").unwrap_or_default();
            if !matches!(version, b"" | b"1.0") {
                return Err(self.cursor.error("unsupported XML version"));
            }
            let encoding = pseudo_attribute(content, b"encoding=").unwrap_or_default();
            let is_supported = encoding.is_empty()
                || encoding.eq_ignore_ascii_case(b"utf-8")
                || encoding.eq_ignore_ascii_case(b"ascii");
            if !is_supported {
                return Err(self.cursor.error("character set is not UTF-8"));
            }
        }
        Ok(Token::Other)
    }

    /// What starts with `<!`: a comment, character data, or a directive.
    fn declaration(&mut self) -> Result<Token<'page>> {
        self.cursor.advance();
        match self.cursor.take()? {
            b'-' => {
                if self.cursor.take()? != b'-' {
                    return Err(self.cursor.error("<!- does not start a comment"));
                }
                self.cursor.take_through(b"--")?;
                if self.cursor.take()? != b'>' {
                    return Err(self.cursor.error("-- within a comment"));
                }
            }
            b'[' => {
                for expected in *b"CDATA[" {
                    if self.cursor.take()? != expected {
                        return Err(self.cursor.error("<![ does not start character data"));
                    }
                }
                character_data::read(&mut self.cursor, Until::CdataEnd)?;
            }
            _ => self.directive()?,
        }
        Ok(Token::Other)
    }

    /// Skips to the `>` that ends a directive such as `<!DOCTYPE …>`; angle brackets
    /// nest, quoted ones and those in comments do not count.
    fn directive(&mut self) -> Result<()> {
        let mut open_brackets = 0_usize;
        let mut quote = None;
        loop {
            let byte = self.cursor.take()?;
            match (quote, byte) {
                (Some(open), _) => {
                    if byte == open {
                        quote = None;
                    }
                }
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'>') => match open_brackets.checked_sub(1) {
                    Some(fewer) => open_brackets = fewer,
                    None => return Ok(()),
                },
                (None, b'<') => {
                    if self.cursor.take_if(b"!--") {
                        self.cursor.take_through(b"-->")?;
                    } else {
                        open_brackets += 1;
                    }
                }
                (None, _) => {}
            }
        }
    }
}

/// The quoted value that follows the first `name=` that is followed by a quote.
fn pseudo_attribute<'page>(content: &'page [u8], name: &[u8]) -> Option<&'page [u8]> {
    let mut rest = content;
    loop {
        let start = rest.windows(name.len()).position(|window| window == name)?;
        let (quote, value) = rest[start + name.len()..].split_first()?;
        if matches!(quote, b'"' | b'\'') {
            let length = value.iter().position(|byte| byte == quote)?;
            return Some(&value[..length]);
        }
        rest = value;
    }
}
