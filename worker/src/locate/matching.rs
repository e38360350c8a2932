//! Which tag of a page speaks for a module (go-modules §2.3).

use super::meta_tags::MetaImport;

/// Why no single tag speaks for the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// None of the tags has a fitting prefix.
    #[error("no go-import tag whose prefix fits")]
    None,
    /// Even identical tags contradict each other.
    #[error("more than one go-import tag fits")]
    Several,
}

/// The tag that speaks for `module`: the only one whose prefix fits. Tags of type
/// `mod` hide all others (go-modules §1.13).
pub fn select<'tags>(
    tags: &'tags [MetaImport],
    module: &str,
) -> Result<&'tags MetaImport, Mismatch> {
    let mut fitting: Vec<_> = tags.iter().filter(|tag| fits(&tag.prefix, module)).collect();
    if fitting.iter().any(|tag| tag.vcs == "mod") {
        fitting.retain(|tag| tag.vcs == "mod");
    }
    match fitting[..] {
        [] => Err(Mismatch::None),
        [tag] => Ok(tag),
        _ => Err(Mismatch::Several),
    }
}

/// Whether `prefix` is the module path itself or a part of it that ends at a slash. The
/// slash may be the prefix's own last character: a page that says `h.example/` speaks for
/// `h.example/m`, as for the go command, but none speaks for `h.example/m` as `h.example/m/`.
pub fn fits(prefix: &str, module: &str) -> bool {
    match module.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(fields: &[&str]) -> Vec<MetaImport> {
        let tag = |fields: &&str| {
            let mut fields = fields.split(' ').map(str::to_owned);
            let mut next = || fields.next().unwrap_or_default();
            MetaImport { prefix: next(), vcs: next(), url: next(), subdir: next() }
        };
        fields.iter().map(tag).collect()
    }

    #[test]
    fn exactly_one_fitting_tag_is_wanted() {
        #[rustfmt::skip]
        let table: &[(&str, &[&str], Result<&str, Mismatch>)] = &[
            ("the path itself", &["h.example/m git U"], Ok("U")),
            ("a prefix", &["h.example git U"], Ok("U")),
            ("no tag", &[], Err(Mismatch::None)),
            ("another path", &["h.example/n git U"], Err(Mismatch::None)),
            ("not at a slash", &["h.example/m/sub git U"], Err(Mismatch::None)),
            ("within an element", &["h.ex git U"], Err(Mismatch::None)),
            ("case counts", &["h.example/M git U"], Err(Mismatch::None)),
            ("a slash after the prefix", &["h.example/ git U"], Ok("U")),
            ("a slash after the path", &["h.example/m/ git U"], Err(Mismatch::None)),
            ("others are ignored", &["h.example/n git U", "h.example/m git V"], Ok("V")),
            ("two", &["h.example/m git U", "h.example git V"], Err(Mismatch::Several)),
            ("two identical", &["h.example/m git U", "h.example/m git U"], Err(Mismatch::Several)),
            ("a prefix and itself with a slash", &["h.example git U", "h.example/ git U"], Err(Mismatch::Several)),
            ("the path and itself with a slash", &["h.example/m git U", "h.example/m/ git V"], Ok("U")),
            ("mod after git", &["h.example/m git U", "h.example/m mod P"], Ok("P")),
            ("mod before git", &["h.example/m mod P", "h.example/m git U"], Ok("P")),
            ("mod of another prefix", &["h.example/m git U", "h.example mod P"], Ok("P")),
            ("mod among several", &["h.example git U", "h.example/m mod P", "h.example/m git V"], Ok("P")),
            ("two mod", &["h.example/m mod P", "h.example mod P"], Err(Mismatch::Several)),
            ("mod that does not fit", &["h.example/n mod P", "h.example/m git U"], Ok("U")),
        ];
        for (name, fields, expected) in table {
            let tags = tags(fields);
            let found = select(&tags, "h.example/m").map(|tag| tag.url.as_str());
            assert_eq!(found, *expected, "{name}");
        }
    }
}
