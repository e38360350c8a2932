//! ConfigErrors: all mistakes of all layers, one line each.

use std::fmt;

use super::layers::Layer;

/// Everything that is wrong with a configuration; never empty. Displays one mistake
/// a line; no line holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    mistakes: Vec<Mistake>,
}

/// One thing that is wrong, and where: `STOA_WAIT: …` or `/etc/stoa.toml: wait: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    place: String,
    problem: String,
}

/// A text that a setting does not accept; the message says which rule broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(String);

impl ConfigErrors {
    pub(super) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// The mistakes, those of the file first.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl Mistake {
    /// A mistake in the value called `name` in `layer`.
    pub(super) fn new(layer: &Layer, name: &str, problem: impl fmt::Display) -> Self {
        let place = match layer {
            Layer::File(path) => format!("{}: {name}", path.display()),
            Layer::Default | Layer::Environment => name.to_owned(),
        };
        Self { place, problem: one_line(&problem.to_string()) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl InvalidValue {
    /// A rule that broke, in words that do not repeat the value.
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    /// `text` is not what was `expected`. Not for values that may hold credentials.
    pub(super) fn not(text: &str, expected: &str) -> Self {
        Self(format!("{text:?} is not {expected}"))
    }
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}
