//! What a step returns, and how a failure names the thing it was about.

use std::fmt::{self, Display};

pub(crate) type Outcome<T> = Result<T, Failure>;

/// One line for the person at the terminal; nothing branches on it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Puts the name of the thing in front of what went wrong.
pub(crate) trait Naming<T> {
    fn naming(self, what: impl Display) -> Outcome<T>;
}

impl<T, E: Display> Naming<T> for Result<T, E> {
    fn naming(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}
