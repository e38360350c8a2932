//! Character data and attribute values: entities, line ends, legal characters.

use super::cursor::{Cursor, Result, is_name_byte};

/// What ends a run of character data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The next `<`, which is left there, or the end of the page.
    Markup,
    /// That byte.
    Quote(u8),
    /// `]]>`, and no entity is decoded.
    CdataEnd,
}

/// Character data with entities decoded and line ends made `\n`.
pub(super) fn read(cursor: &mut Cursor<'_>, until: Until) -> Result<String> {
    let mut text = Vec::new();
    // The two bytes before the current one, forgotten at an entity.
    let mut before = [0, 0];
    loop {
        let Some(byte) = cursor.peek() else {
            if until == Until::Markup {
                break;
            }
            return Err(cursor.error("unexpected end of page"));
        };
        if byte == b'<' && until == Until::Markup {
            break;
        }
        cursor.advance();
        if byte == b'>' && before == *b"]]" {
            match until {
                Until::Markup => return Err(cursor.error("]]> outside character data")),
                Until::CdataEnd => {
                    text.truncate(text.len() - 2);
                    break;
                }
                Until::Quote(_) => {}
            }
        }
        match byte {
            b'<' if until != Until::CdataEnd => {
                return Err(cursor.error("< inside a quoted value"));
            }
            _ if until == Until::Quote(byte) => break,
            b'&' if until != Until::CdataEnd => {
                reference(cursor, &mut text)?;
                before = [0, 0];
                continue;
            }
            b'\r' => text.push(b'\n'),
            b'\n' if before[1] == b'\r' => {}
            _ => text.push(byte),
        }
        before = [before[1], byte];
    }
    let text = String::from_utf8(text).map_err(|_| cursor.error("invalid UTF-8"))?;
    if text.chars().all(is_xml_character) {
        Ok(text)
    } else {
        Err(cursor.error("illegal character"))
    }
}

/// Decodes what follows `&`. What is no known reference stays as it is.
fn reference(cursor: &mut Cursor<'_>, text: &mut Vec<u8>) -> Result<()> {
    let start = cursor.position();
    let decoded = if cursor.expect_more()? == b'#' {
        cursor.advance();
        let radix = if cursor.expect_more()? == b'x' { 16 } else { 10 };
        if radix == 16 {
            cursor.advance();
        }
        let digits_start = cursor.position();
        while char::from(cursor.expect_more()?).is_digit(radix) {
            cursor.advance();
        }
        std::str::from_utf8(cursor.since(digits_start))
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .filter(|code| *code <= u32::from(char::MAX))
            // A surrogate is in range but no character.
            .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    } else {
        while is_name_byte(cursor.expect_more()?) {
            cursor.advance();
        }
        match cursor.since(start) {
            b"lt" => Some('<'),
            b"gt" => Some('>'),
            b"amp" => Some('&'),
            b"apos" => Some('\''),
            b"quot" => Some('"'),
            _ => None,
        }
    };
    let is_terminated = cursor.expect_more()? == b';';
    if is_terminated {
        cursor.advance();
    }
    match decoded {
        Some(character) if is_terminated => {
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => text.extend_from_slice(cursor.since(start - 1)),
    }
    Ok(())
}

/// The `Char` production of XML 1.0.
fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
