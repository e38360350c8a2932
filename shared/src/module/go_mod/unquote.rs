//! Strings of a go.mod, which are those of Go.

use super::GoModProblem;

/// The value of a token that is to be a word or a string.
pub(super) fn argument(token: &str) -> Result<String, GoModProblem> {
    let value = if token.starts_with('"') {
        unquote(token)
    } else {
        // Backquotes end tokens, but have never been accepted as arguments.
        (!token.contains(['"', '\'', '`'])).then(|| token.to_owned())
    };
    value.ok_or_else(|| GoModProblem::Quoting(token.escape_debug().to_string()))
}

/// The value of a whole Go string literal, with `"` or backquotes. Bytes that make no
/// UTF-8 are replaced.
pub(super) fn unquote(literal: &str) -> Option<String> {
    if let Some(rest) = literal.strip_prefix('`') {
        let raw = rest.strip_suffix('`')?;
        return (!raw.contains('`')).then(|| raw.replace('\r', ""));
    }
    let mut rest = literal.strip_prefix('"')?;
    let mut value = Vec::new();
    loop {
        let mut characters = rest.chars();
        match characters.next()? {
            '"' => break,
            '\n' => return None,
            '\\' => rest = unescape(characters.as_str(), &mut value)?,
            character => {
                rest = characters.as_str();
                push(character, &mut value);
            }
        }
    }
    (rest == "\"").then(|| String::from_utf8_lossy(&value).into_owned())
}

/// Takes what follows a backslash; the rest comes back.
fn unescape<'a>(text: &'a str, value: &mut Vec<u8>) -> Option<&'a str> {
    let mut characters = text.chars();
    let kind = characters.next()?;
    let rest = characters.as_str();
    let simple = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => {
            let (number, rest) = split_number(rest, 2, 16)?;
            value.push(u8::try_from(number).ok()?);
            return Some(rest);
        }
        'u' | 'U' => {
            let (number, rest) = split_number(rest, if kind == 'u' { 4 } else { 8 }, 16)?;
            push(char::from_u32(number)?, value);
            return Some(rest);
        }
        '0'..='7' => {
            let (number, rest) = split_number(text, 3, 8)?;
            value.push(u8::try_from(number).ok()?);
            return Some(rest);
        }
        _ => return None,
    };
    value.push(simple);
    Some(rest)
}

fn split_number(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let is_number = number.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| Some((u32::from_str_radix(number, radix).ok()?, rest)))?
}

fn push(character: char, value: &mut Vec<u8>) {
    value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        for (literal, value) in [
            (r#""""#, ""),
            (r#""a b""#, "a b"),
            (r#""\a\b\f\n\r\t\v\\\"""#, "\x07\x08\x0c\n\r\t\x0b\\\""),
            (r#""\x41\101\u00e9\U0001F600\xc3\xa9""#, "AA\u{e9}\u{1f600}\u{e9}"),
            (r#""\xff""#, "\u{fffd}"),
            ("`a\\\r\nb\"`", "a\\\nb\""),
        ] {
            assert_eq!(unquote(literal).as_deref(), Some(value), "{literal}");
        }
        for bad in [
            "",
            "\"",
            "`",
            "a",
            "'a'",
            r#""a"b"#,
            r#""a"b""#,
            "`a`b`",
            "\"a\nb\"",
            r#""\'""#,
            r#""\q""#,
            r#""\x4""#,
            r#""\x+4""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\U00110000""#,
            r#""\400""#,
            r#""\18""#,
            r#""\""#,
            "\"\\\n\"",
            r#""\x4é""#,
        ] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }

    #[test]
    fn arguments() {
        assert_eq!(argument("a\\b"), Ok("a\\b".to_owned()));
        assert_eq!(argument("\"a\\\\b\""), Ok("a\\b".to_owned()));
        for bad in ["`a`", "'a'", "a\"b", "\"a", "a`", "\"\\\n\""] {
            assert!(argument(bad).is_err(), "{bad}");
        }
        let problem = argument("\"\\\n\"").unwrap_err();
        assert!(!problem.to_string().contains('\n'));
    }
}
