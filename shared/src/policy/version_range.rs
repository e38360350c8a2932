//! `VersionRange`: which versions of a module a rule is about.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::module::{Version, VersionError, semver};

/// Comparisons that have to hold all at once: `>=v1.2.0 <v1.4.0`. A bare version is that
/// version. Compared by precedence as in go.mod queries, so that `<v1.4.0` holds for
/// `v1.4.0-rc.1`, and `+incompatible` does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange(Vec<Comparison>);

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionRangeError {
    /// No comparison at all.
    #[error("a version range such as <v1.4.0 or >=v1.2.0 <v1.4.0 is expected after @")]
    Empty,
    /// Something is compared with what is no version in full.
    #[error(transparent)]
    Version(#[from] VersionError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Longer spellings first: they start like the shorter ones.
const SPELLINGS: [(&str, Operator); 5] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

impl VersionRange {
    /// Whether every comparison holds for `version`.
    pub fn contains(&self, version: &Version) -> bool {
        self.0.iter().all(|Comparison { operator, version: bound }| {
            operator.holds(semver::compare(version.as_str(), bound.as_str()))
        })
    }

    /// How many bytes of `text` belong to a range that an `=` ends. An `=` that begins a
    /// comparison, or follows `<` or `>`, is an operator.
    pub(super) fn length_before_assignment(text: &str) -> usize {
        let is_assignment = |&(index, _): &(usize, &str)| {
            let before = text[..index].chars().next_back();
            before.is_some_and(|before| !before.is_whitespace() && !"<>".contains(before))
        };
        text.match_indices('=').find(is_assignment).map_or(text.len(), |(index, _)| index)
    }
}

impl Operator {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

impl FromStr for VersionRange {
    type Err = VersionRangeError;

    fn from_str(text: &str) -> Result<Self, VersionRangeError> {
        let comparisons: Vec<Comparison> =
            text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if comparisons.is_empty() {
            return Err(VersionRangeError::Empty);
        }
        Ok(Self(comparisons))
    }
}

impl FromStr for Comparison {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let spelled = SPELLINGS
            .iter()
            .find_map(|(spelling, operator)| Some((*operator, text.strip_prefix(spelling)?)));
        let (operator, version) = spelled.unwrap_or((Operator::Equal, text));
        Ok(Self { operator, version: version.parse()? })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Comparison { operator, version }) in self.0.iter().enumerate() {
            let separator = if index > 0 { " " } else { "" };
            let spelling = match operator {
                Operator::Less => "<",
                Operator::LessOrEqual => "<=",
                Operator::Equal => "",
                Operator::GreaterOrEqual => ">=",
                Operator::Greater => ">",
            };
            write!(f, "{separator}{spelling}{version}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_the_versions_for_which_all_comparisons_hold() {
        for (range, inside, outside) in [
            ("v1.2.3", "v1.2.3", "v1.2.4"),
            ("=v1.2.3", "v1.2.3", "v1.2.3-rc.1"),
            ("<v1.4.0", "v1.4.0-rc.1", "v1.4.0"),
            ("<=v1.4.0", "v1.4.0", "v1.4.1-0.20200102030405-abcdefabcdef"),
            (">v1.9.0", "v1.10.0", "v1.9.0"),
            (">=v1.9.0", "v1.9.0", "v1.9.0-rc.1"),
            (">=v1.2.0 <v1.4.0", "v1.3.9", "v1.4.0"),
            (" >=v1.2.0   <v1.4.0 ", "v1.2.0", "v1.1.0"),
            ("v2.0.0", "v2.0.0+incompatible", "v2.0.1+incompatible"),
            ("<v1.0.0", "v0.0.0-20200102030405-abcdefabcdef", "v1.0.0"),
        ] {
            let range: VersionRange = range.parse().unwrap();
            assert!(range.contains(&inside.parse().unwrap()), "{range} {inside}");
            assert!(!range.contains(&outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn a_range_compares_with_versions_in_full() {
        assert_eq!("".parse::<VersionRange>(), Err(VersionRangeError::Empty));
        assert_eq!(" ".parse::<VersionRange>(), Err(VersionRangeError::Empty));
        for (bad, problem) in [
            ("latest", r#""latest" is not a semantic version"#),
            ("<", r#""" is not a semantic version"#),
            ("< v1.0.0", r#""" is not a semantic version"#),
            ("<1.4.0", r#""1.4.0" is not a semantic version"#),
            ("!=v1.0.0", r#""!=v1.0.0" is not a semantic version"#),
            ("==v1.0.0", r#""=v1.0.0" is not a semantic version"#),
            ("<v1.4", r#"version "v1.4" is not canonical, should be v1.4.0"#),
            (">=v1.0.0 <v2", r#"version "v2" is not canonical, should be v2.0.0"#),
        ] {
            assert_eq!(bad.parse::<VersionRange>().unwrap_err().to_string(), problem, "{bad}");
        }
    }

    #[test]
    fn a_range_displays_as_it_parses() {
        for (text, shown) in [
            (">=v1.2.0  <v1.4.0", ">=v1.2.0 <v1.4.0"),
            ("=v1.0.0", "v1.0.0"),
            (">v1.0.0 <=v2.0.0", ">v1.0.0 <=v2.0.0"),
        ] {
            let range: VersionRange = text.parse().unwrap();
            assert_eq!(range.to_string(), shown);
            assert_eq!(shown.parse(), Ok(range));
        }
    }
}
