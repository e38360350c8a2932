//! The `go-import` tags of a discovery page (go-modules §2.3).

mod character_data;
mod cursor;
mod tokenizer;

pub use cursor::SyntaxError;
use tokenizer::{Attribute, Token, Tokenizer};

/// One tag: `<meta name="go-import" content="prefix vcs url [subdir]">`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaImport {
    /// The import path of the repository's root.
    pub prefix: String,
    /// `git`, `mod`, or another version control system.
    pub vcs: String,
    /// The repository, or the proxy's base; unchecked.
    pub url: String,
    /// The module root's directory within the repository, unchecked; empty if the
    /// tag has three fields.
    pub subdir: String,
}

/// Reads the tags of a page, in page order, up to its body. Pages that cannot be
/// read further are an error only if no tag was seen before.
pub fn parse(page: &[u8]) -> Result<Vec<MetaImport>, SyntaxError> {
    let mut tokenizer = Tokenizer::new(page);
    let mut tags = Vec::new();
    loop {
        match tokenizer.next() {
            Ok(Some(Token::Start { name, .. })) if name.eq_ignore_ascii_case("body") => break,
            Ok(Some(Token::End { name })) if name.eq_ignore_ascii_case("head") => break,
            Ok(Some(Token::Start { name, attributes })) if name.eq_ignore_ascii_case("meta") => {
                tags.extend(meta_import(&attributes));
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if tags.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(tags)
}

fn meta_import(attributes: &[Attribute<'_>]) -> Option<MetaImport> {
    if value(attributes, "name")? != "go-import" {
        return None;
    }
    let mut fields = value(attributes, "content")?.split_whitespace();
    let tag = MetaImport {
        prefix: fields.next()?.to_owned(),
        vcs: fields.next()?.to_owned(),
        url: fields.next()?.to_owned(),
        subdir: fields.next().unwrap_or_default().to_owned(),
    };
    fields.next().is_none().then_some(tag)
}

/// The first attribute of that name counts, whatever its namespace.
fn value<'a>(attributes: &'a [Attribute<'_>], name: &str) -> Option<&'a str> {
    let attribute =
        attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))?;
    Some(&attribute.value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
