//! `ModulePath`: the name of a module (go-modules §1.1).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    PathMajor,
    escape::{escape, unescape},
    path_element::{ElementRule, check_module_element},
};

/// A valid module path, such as `github.com/Owner/name/v2`. It cannot be an absolute
/// path, hold `..`, or be mistaken for a command-line option.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModulePath(String);

/// A text that is no module path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed module path {path:?}: {rule}")]
pub struct ModulePathError {
    /// The text.
    pub path: String,
    /// What is wrong with it.
    pub rule: ModulePathRule,
}

/// The rule that a text breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModulePathRule {
    /// Of one element.
    #[error(transparent)]
    Element(#[from] ElementRule),
    /// It would read as a command-line option.
    #[error("leading dash")]
    LeadingDash,
    /// The first element has to look like a host name.
    #[error("missing dot in first path element")]
    MissingDot,
    /// Host names are lower case.
    #[error("character {0:?} is not allowed in the first path element")]
    HostCharacter(char),
    /// The last element looks like a major version, but is none that a path may end in.
    #[error("invalid major version suffix")]
    Major,
    /// An escaped path that escaping never writes.
    #[error("wrong use of ! or upper-case letters")]
    Escaping,
}

impl ModulePath {
    /// The path as developers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as URLs and storage keys write it: `!x` for `X`.
    pub fn escaped(&self) -> String {
        escape(&self.0)
    }

    /// Reads what [`escaped`](Self::escaped) wrote.
    pub fn from_escaped(escaped: &str) -> Result<Self, ModulePathError> {
        unescape(escaped)
            .ok_or(ModulePathRule::Escaping)
            .map_err(|rule| ModulePathError { path: escaped.to_owned(), rule })?
            .parse()
    }

    /// The paths of modules in which this may be a package, the longest first. The same
    /// module of another major version is none of them.
    pub fn prefixes(&self) -> impl Iterator<Item = Self> {
        let (other_major, _) = self.split_major();
        let ends = self.0.rmatch_indices('/').map(|(end, _)| &self.0[..end]);
        ends.filter(move |path| *path != other_major).filter_map(|path| path.parse().ok())
    }

    /// The path without its major-version suffix, and the suffix.
    pub fn split_major(&self) -> (&str, PathMajor) {
        PathMajor::split(&self.0).expect("a path with an invalid suffix does not parse")
    }
}

impl FromStr for ModulePath {
    type Err = ModulePathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        check(path).map_err(|rule| ModulePathError { path: path.to_owned(), rule })?;
        Ok(Self(path.to_owned()))
    }
}

fn check(path: &str) -> Result<(), ModulePathRule> {
    if path.starts_with('-') {
        return Err(ModulePathRule::LeadingDash);
    }
    path.split('/').try_for_each(check_module_element)?;
    let host = path.split('/').next().unwrap_or_default();
    if !host.contains('.') {
        return Err(ModulePathRule::MissingDot);
    }
    let is_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if let Some(character) = host.chars().find(|&character| !is_host(character)) {
        return Err(ModulePathRule::HostCharacter(character));
    }
    match PathMajor::split(path) {
        Some(_) => Ok(()),
        None => Err(ModulePathRule::Major),
    }
}

impl fmt::Display for ModulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ModulePath {
    type Error = ModulePathError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        path.parse()
    }
}

impl From<ModulePath> for String {
    fn from(path: ModulePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_paths() {
        for path in [
            "example.com",
            "x.y/z",
            "a-b.c/D_E~f",
            "x.y/z/v2",
            "x.y/z/v10",
            "x.y/z/v2/w",
            "x.y/v",
            "x.y/a1.0",
            "x.y/-z",
            "127.0.0.1/x",
            "gopkg.in/yaml.v2",
            "gopkg.in/u/x.v0",
            "gopkg.in/x.v1-unstable",
            "x.y/com0",
            "x.y/a~b",
            "x.y/v99999999999999999999",
        ] {
            assert_eq!(path.parse::<ModulePath>().map(|p| p.to_string()), Ok(path.to_owned()));
        }
    }

    #[test]
    fn invalid_paths_name_their_rule() {
        use ElementRule::*;
        use ModulePathRule::*;
        for (path, rule) in [
            ("", Element(Empty)),
            ("/x.y", Element(Empty)),
            ("x.y/", Element(Empty)),
            ("x.y//z", Element(Empty)),
            ("x.y/../z", Element(AllDots("..".into()))),
            ("x.y/.z", Element(LeadingDot(".z".into()))),
            ("x.y/z.", Element(TrailingDot("z.".into()))),
            ("x.y/z!", Element(Character('!'))),
            ("x.y/\u{e9}", Element(Character('\u{e9}'))),
            ("x.y/z\n", Element(Character('\n'))),
            ("x.y/Con.z", Element(DeviceName("Con".into()))),
            ("x.y/z~1", Element(ShortName("z~1".into()))),
            ("-x.y/z", LeadingDash),
            ("std", MissingDot),
            ("x/y.z", MissingDot),
            ("X.y/z", HostCharacter('X')),
            ("x_x.y/z", HostCharacter('_')),
            ("x.y/v0", Major),
            ("x.y/v1", Major),
            ("x.y/v02", Major),
            ("x.y/v2.0", Major),
            ("gopkg.in/x", Major),
            ("gopkg.in/x/v2", Major),
            ("gopkg.in/x.v02", Major),
            ("gopkg.in/x.v2-stable", Major),
            ("gopkg.in/x.v", Major),
        ] {
            let expected = ModulePathError { path: path.to_owned(), rule };
            assert_eq!(path.parse::<ModulePath>(), Err(expected));
        }
    }

    #[test]
    fn a_path_may_be_a_package_of_its_prefixes() {
        for (path, expected) in [
            ("corp.example", &[][..]),
            ("corp.example/m/a/b", &["corp.example/m/a", "corp.example/m", "corp.example"]),
            ("corp.example/m/v2", &["corp.example"]),
            ("corp.example/m/v2/a", &["corp.example/m/v2", "corp.example/m", "corp.example"]),
            ("corp.example/m/v1x/a", &["corp.example/m/v1x", "corp.example/m", "corp.example"]),
            // What lies between is no module path there.
            ("gopkg.in/a/m.v1", &["gopkg.in"]),
        ] {
            let path: ModulePath = path.parse().unwrap();
            let prefixes: Vec<String> = path.prefixes().map(String::from).collect();
            assert_eq!(prefixes, expected, "{path}");
        }
    }

    #[test]
    fn escaping_round_trips_and_checks_the_path() {
        let path: ModulePath = "github.com/BurntSushi/toml".parse().unwrap();
        assert_eq!(path.escaped(), "github.com/!burnt!sushi/toml");
        assert_eq!(ModulePath::from_escaped(&path.escaped()), Ok(path));
        for bad in ["github.com/BurntSushi", "github.com/a!", "std", "!x.y/z"] {
            assert!(ModulePath::from_escaped(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn serde_goes_through_the_parser() {
        let path: ModulePath = serde_json::from_str(r#""x.y/Z""#).unwrap();
        assert_eq!(serde_json::to_string(&path).unwrap(), r#""x.y/Z""#);
        let error = serde_json::from_str::<ModulePath>(r#""x.y/\n""#).unwrap_err().to_string();
        assert!(error.starts_with(r#"malformed module path "x.y/\n": "#), "{error}");
    }
}
