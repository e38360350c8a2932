//! Case escaping (go-modules §1.1): object stores and file systems that fold case
//! must not mix up `Foo` and `foo`, so `F` is written `!f`.

/// Writes each ASCII upper-case letter `X` as `!x` and nothing else differently.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(character.to_ascii_lowercase());
    }
    escaped
}

/// Undoes [`escape`]. `None` for what it never writes: an upper-case letter, a `!`
/// that no lower-case letter follows, anything outside ASCII.
pub(super) fn unescape(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        match character {
            '!' => {
                let letter = characters.next().filter(char::is_ascii_lowercase)?;
                text.push(letter.to_ascii_uppercase());
            }
            'A'..='Z' => return None,
            _ if !character.is_ascii() => return None,
            _ => text.push(character),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn upper_case_letters_are_marked() {
        assert_eq!(escape("github.com/Azure/azure-SDK"), "github.com/!azure/azure-!s!d!k");
        assert_eq!(unescape("v1.0.0-!beta").as_deref(), Some("v1.0.0-Beta"));
    }

    #[test]
    fn what_escaping_never_writes_is_refused() {
        for bad in ["Upper", "a!", "a!!b", "a!1", "a!B", "a!/b", "\u{e9}", "!\u{e9}"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(text in "[ -~&&[^!]]{0,40}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(|c: char| c.is_ascii_uppercase()));
            prop_assert_eq!(unescape(&escaped), Some(text));
        }

        #[test]
        fn whatever_unescapes_escapes_back(escaped in "[a-zA-Z!/.]{0,12}") {
            if let Some(text) = unescape(&escaped) {
                prop_assert_eq!(escape(&text), escaped);
            }
        }
    }
}
