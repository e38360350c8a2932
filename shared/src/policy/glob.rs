//! `Glob`: a pattern of module paths as in GOPRIVATE (go-modules §2.3).
//!
//! The syntax is that of Go's `path.Match`, and so is the way to match: a `*` takes the
//! shortest text after which the next part fits, and is not reconsidered. The pattern is
//! compared with as many leading elements of the path as it has itself, as x/mod's
//! `MatchPrefixPatterns` does.

use std::{fmt, str::FromStr};

/// A well-formed pattern. Displays as it was written, without a final slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    chunks: Vec<Chunk>,
}

/// A text that is no pattern. It is not repeated: what was meant as something else may
/// hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing, or a lone slash.
    #[error("the pattern is empty")]
    Empty,
    /// A `[` without its `]`.
    #[error("malformed pattern: [ without ]")]
    UnfinishedClass,
    /// `[]`, or a `-` or `]` where a character is expected.
    #[error(
        "malformed pattern: a class such as [a-z] or [^0-9] holds single characters and ranges, \\ before - and ]"
    )]
    Class,
    /// A `\` at the end.
    #[error("malformed pattern: nothing follows the \\ at its end")]
    TrailingBackslash,
}

/// What can be compared without looking for a place, after an optional `*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Chunk {
    after_star: bool,
    units: Vec<Unit>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Unit {
    Literal(char),
    /// `?`
    AnyButSlash,
    /// `[a-z]`, or `[^a-z]`; the latter fits a slash, too.
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Whether the first elements of `path`, as many as the pattern has, match it.
    pub fn matches_prefix(&self, path: &str) -> bool {
        let elements = 1 + self.text.matches('/').count();
        let mut ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        ends.nth(elements - 1).is_some_and(|end| self.matches(&path[..end]))
    }

    /// Whether all of `name` matches: Go's `path.Match`.
    pub fn matches(&self, name: &str) -> bool {
        let mut rest = name;
        for (index, chunk) in self.chunks.iter().enumerate() {
            let is_last = index + 1 == self.chunks.len();
            if is_last && chunk.after_star && chunk.units.is_empty() {
                return !rest.contains('/');
            }
            match chunk.find(rest, is_last) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// The characters that have to stand in whatever matches.
    pub(super) fn literals(&self) -> impl Iterator<Item = char> {
        self.chunks.iter().flat_map(|chunk| &chunk.units).filter_map(|unit| match unit {
            Unit::Literal(character) => Some(*character),
            _ => None,
        })
    }
}

impl Chunk {
    /// What follows the chunk in `name`; after a `*` at its first place before a slash.
    fn find<'a>(&self, name: &'a str, is_last: bool) -> Option<&'a str> {
        let fits = |from| {
            let after = self.strip_from(from)?;
            (!is_last || after.is_empty()).then_some(after)
        };
        if !self.after_star {
            return fits(name);
        }
        let skipped = name.find('/').unwrap_or(name.len());
        let mut starts = name[..skipped].char_indices().map(|(start, _)| start).chain([skipped]);
        starts.find_map(|start| fits(&name[start..]))
    }

    /// What follows the chunk, if `name` starts with it.
    fn strip_from<'a>(&self, name: &'a str) -> Option<&'a str> {
        let mut characters = name.chars();
        for unit in &self.units {
            let character = characters.next()?;
            let fits = match unit {
                Unit::Literal(literal) => character == *literal,
                Unit::AnyButSlash => character != '/',
                Unit::Class { is_negated, ranges } => {
                    let is_in =
                        ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
                    is_in != *is_negated
                }
            };
            if !fits {
                return None;
            }
        }
        Some(characters.as_str())
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        let mut chunks = vec![Chunk::default()];
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = &rest[first.len_utf8()..];
            let unit = match first {
                '*' => {
                    match chunks.last_mut() {
                        // The first, or a star after a star.
                        Some(chunk) if chunk.units.is_empty() => chunk.after_star = true,
                        _ => chunks.push(Chunk { after_star: true, units: Vec::new() }),
                    }
                    continue;
                }
                '?' => Unit::AnyButSlash,
                '[' => read_class(&mut rest)?,
                '\\' => {
                    let escaped = rest.chars().next().ok_or(GlobError::TrailingBackslash)?;
                    rest = &rest[escaped.len_utf8()..];
                    Unit::Literal(escaped)
                }
                literal => Unit::Literal(literal),
            };
            if let Some(chunk) = chunks.last_mut() {
                chunk.units.push(unit);
            }
        }
        Ok(Self { text: text.to_owned(), chunks })
    }
}

/// Reads what follows a `[`, up to its `]`.
fn read_class(rest: &mut &str) -> Result<Unit, GlobError> {
    let is_negated = rest.starts_with('^');
    if is_negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']')
            && !ranges.is_empty()
        {
            *rest = after;
            return Ok(Unit::Class { is_negated, ranges });
        }
        let low = read_class_character(rest)?;
        let high = match rest.strip_prefix('-') {
            Some(after) => {
                *rest = after;
                read_class_character(rest)?
            }
            None => low,
        };
        ranges.push((low, high));
    }
}

fn read_class_character(rest: &mut &str) -> Result<char, GlobError> {
    let mut characters = rest.chars();
    let character = match characters.next() {
        Some('-' | ']') => return Err(GlobError::Class),
        Some('\\') => characters.next(),
        character => character,
    };
    *rest = characters.as_str();
    character.ok_or(GlobError::UnfinishedClass)
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go's own table for `path.Match`, and some more.
    #[test]
    fn a_name_matches_as_in_go() {
        let table = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("a[^a][^a][^a]b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            (r"[\]a]", "]", true),
            (r"[\-]", "-", true),
            (r"[x\-]", "x", true),
            (r"[x\-]", "-", true),
            (r"[x\-]", "z", false),
            (r"[\-x]", "x", true),
            (r"[\-x]", "-", true),
            (r"[\-x]", "a", false),
            ("*x", "xxx", true),
            ("a?", "a", false),
            ("a**x", "abx", true),
            ("**", "a/b", false),
            ("[z-a]", "m", false),
            ("[*]a", "*a", true),
            ("Abc", "abc", false),
            // A negated class fits a slash, and a star is not reconsidered.
            ("a[^b]c", "a/c", true),
            ("*[^x]*b", "a/b", false),
        ];
        for (pattern, name, expected) in table {
            let glob: Glob = pattern.parse().unwrap();
            assert_eq!(glob.matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_malformed_pattern_is_refused() {
        use GlobError::*;
        let table = [
            ("", Empty),
            ("/", Empty),
            ("[]a]", Class),
            ("[-]", Class),
            ("[x-]", Class),
            ("[-x]", Class),
            ("[a-b-c]", Class),
            ("[^]", Class),
            (r"\", TrailingBackslash),
            (r"a\", TrailingBackslash),
            ("[", UnfinishedClass),
            ("[^", UnfinishedClass),
            ("[^bc", UnfinishedClass),
            ("a[", UnfinishedClass),
            ("a/b[", UnfinishedClass),
            (r"[\", UnfinishedClass),
            ("[a-", UnfinishedClass),
        ];
        for (pattern, expected) in table {
            assert_eq!(pattern.parse::<Glob>(), Err(expected), "{pattern}");
        }
    }

    /// As x/mod's `MatchPrefixPatterns` does.
    #[test]
    fn a_glob_is_compared_with_as_many_elements_as_it_has() {
        let table = [
            ("*", "rsc.io/quote", true),
            ("*/quote", "rsc.io/quote", true),
            ("*/quote", "rsc.io/quote/v3", true),
            ("*/*", "rsc.io/quote", true),
            ("*/*/*", "rsc.io/quote", false),
            ("rsc.io", "rsc.io/quote", true),
            ("rsc.io/", "rsc.io/quote", true),
            ("rsc.io/quote/", "rsc.io/quote/v3", true),
            ("rsc.io/quote//", "rsc.io/quote/v3", false),
            ("rsc", "rsc.io/quote", false),
            ("corp.example/*", "corp.example/a/b", true),
            ("corp.example/*", "corp.example", false),
            ("*.corp.example", "git.corp.example/a", true),
            ("*.corp.example", "corp.example/a", false),
            ("github.com/our", "github.com/our-friends/a", false),
            ("github.com/our*", "github.com/our-friends/a", true),
            ("github.com/Our", "github.com/our/a", false),
            // A slash in a class counts, too.
            ("a.b[/]c", "a.b/c/d", true),
        ];
        for (pattern, path, expected) in table {
            let glob: Glob = pattern.parse().unwrap();
            assert_eq!(glob.matches_prefix(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_glob_displays_as_written() {
        for (text, shown) in [("a.b/*", "a.b/*"), (r"a.b/[^\-]?\*/", r"a.b/[^\-]?\*")] {
            assert_eq!(text.parse::<Glob>().unwrap().to_string(), shown);
        }
    }
}
