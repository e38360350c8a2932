//! `GoMod`: what this program needs of a go.mod (go-modules §3.6, §3.8, §3.9).
//!
//! Two readers, as in the `go` command: [`declared_module_path`] looks for one line and
//! takes anything, [`GoMod::parse`] reads the whole file as far as a module that others
//! depend on must be readable.

mod declared;
mod directives;
mod go_version;
mod lexer;
mod retraction;
mod unquote;

pub use declared::declared_module_path;
pub use go_version::GoVersion;

use self::{directives::Directives, retraction::Retraction, unquote::argument};
use super::{PathMajor, Version};

/// The largest go.mod that counts as one, in bytes.
pub const MAX_GO_MOD_SIZE: u64 = 16 << 20;

/// A go.mod, read leniently: directives that only matter to the main module are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoMod {
    module_path: Option<String>,
    go_version: Option<GoVersion>,
    retractions: Vec<Retraction>,
}

/// A go.mod that cannot be read even leniently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoModError {
    /// Larger than [`MAX_GO_MOD_SIZE`].
    #[error("go.mod has {size} bytes, more than {MAX_GO_MOD_SIZE}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// One line is at fault.
    #[error("go.mod line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: GoModProblem,
    },
}

/// What is wrong with a line of a go.mod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoModProblem {
    /// A character that may not stand outside strings and comments.
    #[error("unexpected character {0:?}")]
    Character(char),
    /// `/*`
    #[error("comments must start with // and not /*")]
    BlockComment,
    /// A string that its line or the file does not end.
    #[error("unterminated string")]
    UnterminatedString,
    /// A `(` that no `)` answers.
    #[error("unterminated block")]
    UnterminatedBlock,
    /// Something on the line of a block's `)`.
    #[error("expected a new line after the closing parenthesis")]
    AfterBlock,
    /// `module` or `go` for the second time.
    #[error("repeated {0} directive")]
    Repeated(&'static str),
    /// Too few or too many arguments.
    #[error("wrong number of arguments of the {0} directive")]
    ArgumentCount(&'static str),
    /// A string that cannot be unquoted, or quotes inside a word.
    #[error("malformed string {0}")]
    Quoting(String),
    /// The argument of `go` is none.
    #[error("invalid go version {0:?}")]
    GoVersion(String),
    /// The second argument of `require` is none.
    #[error("invalid version {0:?}")]
    Version(String),
    /// The path of `require` has an impossible suffix.
    #[error("invalid module path {0:?}")]
    ModulePath(String),
    /// The path of `require` cannot have that version.
    #[error("module path {path} cannot have version {version}")]
    WrongMajor {
        /// The path.
        path: String,
        /// The version.
        version: Version,
    },
}

impl GoMod {
    /// Reads a go.mod, which need not be UTF-8 throughout.
    pub fn parse(content: &[u8]) -> Result<Self, GoModError> {
        if content.len() as u64 > MAX_GO_MOD_SIZE {
            return Err(GoModError::TooLarge { size: content.len() });
        }
        let text = String::from_utf8_lossy(content);
        let mut go_mod = Self::default();
        let mut directives = Directives::of(&text);
        while let Some(directive) = directives.next()? {
            go_mod
                .apply(directive.verb, directive.arguments)
                .map_err(|problem| GoModError::Line { line: directive.line, problem })?;
        }
        Ok(go_mod)
    }

    /// The path that the module directive declares; it may not be a valid one.
    pub fn module_path(&self) -> Option<&str> {
        self.module_path.as_deref()
    }

    /// What the go directive says.
    pub fn go_version(&self) -> Option<&GoVersion> {
        self.go_version.as_ref()
    }

    /// Whether a retract directive covers the version.
    pub fn retracts(&self, version: &Version) -> bool {
        self.retractions.iter().any(|retraction| retraction.contains(version))
    }

    fn apply(&mut self, verb: &str, arguments: &[&str]) -> Result<(), GoModProblem> {
        match verb {
            "module" => {
                if self.module_path.is_some() {
                    return Err(GoModProblem::Repeated("module"));
                }
                self.module_path = Some(argument(only(arguments, "module")?)?);
            }
            "go" => {
                if self.go_version.is_some() {
                    return Err(GoModProblem::Repeated("go"));
                }
                let text = only(arguments, "go")?;
                let version = GoVersion::parse(text)
                    .ok_or_else(|| GoModProblem::GoVersion(text.to_owned()))?;
                self.go_version = Some(version);
            }
            "require" => check_requirement(arguments)?,
            "ignore" => drop(argument(only(arguments, "ignore")?)?),
            "retract" => self.retractions.extend(Retraction::parse(arguments)),
            _ => {}
        }
        Ok(())
    }
}

fn only<'a>(arguments: &[&'a str], verb: &'static str) -> Result<&'a str, GoModProblem> {
    match *arguments {
        [argument] => Ok(argument),
        _ => Err(GoModProblem::ArgumentCount(verb)),
    }
}

fn check_requirement(arguments: &[&str]) -> Result<(), GoModProblem> {
    let [path, version] = *arguments else {
        return Err(GoModProblem::ArgumentCount("require"));
    };
    let (path, text) = (argument(path)?, argument(version)?);
    let Some(version) = Version::canonicalize(&text) else {
        return Err(GoModProblem::Version(text));
    };
    match PathMajor::split(&path) {
        None => Err(GoModProblem::ModulePath(path)),
        Some((_, major)) if major.fits(&version) => Ok(()),
        Some(_) => Err(GoModProblem::WrongMajor { path, version }),
    }
}

#[cfg(test)]
mod tests;
