//! What one element of a path may be (go-modules §1.1, §4.3): the rules that module
//! paths, version queries and the names of files in a zip have in common.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The rule that an element of a path breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElementRule {
    /// Nothing between two slashes, or nothing at all.
    #[error("empty path element")]
    Empty,
    /// Such as `.` and `..`.
    #[error("path element {0:?} is all dots")]
    AllDots(String),
    /// Module paths only.
    #[error("leading dot in path element {0:?}")]
    LeadingDot(String),
    /// Windows drops it.
    #[error("trailing dot in path element {0:?}")]
    TrailingDot(String),
    /// Not a character that stands in such an element.
    #[error("character {0:?} is not allowed")]
    Character(char),
    /// Windows opens a device instead of a file.
    #[error("{0:?} is a device name on Windows")]
    DeviceName(String),
    /// Module paths only: looks like a Windows short name.
    #[error("path element {0:?} ends in a tilde and digits")]
    ShortName(String),
}

/// Checks one element of a module path.
pub(super) fn check_module_element(element: &str) -> Result<(), ElementRule> {
    if element.starts_with('.') && !is_all_dots(element) {
        return Err(ElementRule::LeadingDot(element.to_owned()));
    }
    check_element(element, is_module_character)?;
    match before_first_dot(element).rsplit_once('~') {
        Some((_, digits)) if is_all_digits(digits) => {
            Err(ElementRule::ShortName(element.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Checks one element of the path of a file in a module zip.
pub(super) fn check_file_element(element: &str) -> Result<(), ElementRule> {
    check_element(element, is_file_character)
}

fn check_element(element: &str, allowed: fn(char) -> bool) -> Result<(), ElementRule> {
    if element.is_empty() {
        return Err(ElementRule::Empty);
    }
    if is_all_dots(element) {
        return Err(ElementRule::AllDots(element.to_owned()));
    }
    if element.ends_with('.') {
        return Err(ElementRule::TrailingDot(element.to_owned()));
    }
    if let Some(character) = element.chars().find(|&character| !allowed(character)) {
        return Err(ElementRule::Character(character));
    }
    let stem = before_first_dot(element);
    if is_device_name(stem) {
        return Err(ElementRule::DeviceName(stem.to_owned()));
    }
    Ok(())
}

fn is_module_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

fn is_file_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || "!#$%&()+,-.=@[]^_{}~ ".contains(character);
    }
    // Each Go release has its own Unicode tables. A letter newer than a client's tables
    // fails there only, and there it would fail without us, too.
    character.general_category_group() == GeneralCategoryGroup::Letter
}

fn is_device_name(stem: &str) -> bool {
    match *stem.to_ascii_lowercase().as_bytes() {
        [b'c', b'o', b'n'] | [b'p', b'r', b'n'] | [b'a', b'u', b'x'] | [b'n', b'u', b'l'] => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => matches!(digit, b'1'..=b'9'),
        _ => false,
    }
}

fn before_first_dot(element: &str) -> &str {
    element.split_once('.').map_or(element, |(stem, _)| stem)
}

fn is_all_dots(element: &str) -> bool {
    !element.is_empty() && element.bytes().all(|byte| byte == b'.')
}

fn is_all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_elements() {
        for good in [
            "a",
            "-a",
            ".a",
            "a..b",
            "x~1",
            "com0",
            "conin$",
            "a b",
            "!#$%&()+,-=@[]^_{}~",
            "\u{e9}",
            "\u{65e5}\u{672c}",
            "\u{2b0}",
            "icon",
            "con~1",
        ] {
            assert_eq!(check_file_element(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "...",
            "a.",
            "con",
            "CON",
            "Com1.txt",
            "lpt9",
            "nul.a.b",
            "a\"",
            "a'",
            "a*",
            "a<",
            "a>",
            "a?",
            "a`",
            "a|",
            "a:",
            "a;",
            "a\\",
            "a\n",
            "a\0",
            "a/b",
            "e\u{301}",
            "\u{1f600}",
            "\u{661}",
            "\u{201c}",
            "\u{fffd}",
        ] {
            assert!(check_file_element(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_broken_rule_is_named() {
        use ElementRule::*;
        assert_eq!(check_module_element(""), Err(Empty));
        assert_eq!(check_module_element(".."), Err(AllDots("..".into())));
        assert_eq!(check_module_element(".a"), Err(LeadingDot(".a".into())));
        assert_eq!(check_module_element("a."), Err(TrailingDot("a.".into())));
        assert_eq!(check_module_element("a+b"), Err(Character('+')));
        assert_eq!(check_module_element("AUX.go"), Err(DeviceName("AUX".into())));
        assert_eq!(check_module_element("a~12.x"), Err(ShortName("a~12.x".into())));
        assert_eq!(check_module_element("a~b1"), Ok(()));
        assert_eq!(check_module_element("a~"), Ok(()));
    }
}
