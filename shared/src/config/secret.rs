//! Secret: a text that cannot be printed by accident.

use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use sha2::{Digest, Sha256};

use super::InvalidValue;

/// What is shown in a secret's place.
pub(super) const REDACTED: &str = "[redacted]";

/// Secrets are a line; whatever is larger is not the file that was meant.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a file holds no secret. Its text is not repeated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error("is too large for a secret")]
    TooLarge,
    #[error("is empty")]
    Empty,
}

/// What the file holds, without the newline that editors leave.
pub(crate) fn read_secret(path: &Path) -> Result<String, SecretFileError> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    if text.len() as u64 == MAX_BYTES {
        return Err(SecretFileError::TooLarge);
    }
    text.truncate(text.trim_end().len());
    if text.is_empty() { Err(SecretFileError::Empty) } else { Ok(text) }
}

/// A token or password. `Debug` and `Display` show `[redacted]`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `candidate` is the secret. Compares digests, so that the time it takes
    /// tells nothing about how much of a guess is right.
    pub fn matches(&self, candidate: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(candidate)
    }
}

impl FromStr for Secret {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.chars().any(char::is_control) {
            return Err(InvalidValue::new("a secret is one line without control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_but_never_shown() {
        let secret: Secret = "hunter2".parse().unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(secret.expose(), "hunter2");
        assert!(secret.matches("hunter2"));
        assert!(!secret.matches("hunter"));
    }

    #[test]
    fn a_secret_of_two_lines_is_refused_without_showing_it() {
        let refusal = "hunter2\nhunter3".parse::<Secret>().unwrap_err().to_string();
        assert!(!refusal.contains("hunter"), "{refusal}");
    }
}
