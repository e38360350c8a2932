//! From keys to paths: nothing may lead out of the directory.

use std::io;

use super::{super::StorageError, unavailable};

/// The lock file of the directory's owner.
pub(super) const LOCK: &str = "_stoa/lock";

/// Where half-written files lie.
pub(super) const SCRATCH: &str = "_stoa/tmp";

/// Refuses a key that is not a plain relative path.
pub(super) fn check(key: &str) -> Result<(), StorageError> {
    let plain = key
        .split('/')
        .all(|element| !matches!(element, "" | "." | "..") && !element.contains('\0'));
    if plain {
        Ok(())
    } else {
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "not a plain relative path");
        Err(unavailable(key, reason))
    }
}

/// Refuses a prefix that no plain relative path starts with.
pub(super) fn check_prefix(prefix: &str) -> Result<(), StorageError> {
    match prefix.rsplit_once('/') {
        Some((directory, _)) => check(directory),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_keys() {
        for good in ["a", "example.com/m/@v/v1.0.0.info", "_stoa/a..b/.c"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/..", "./a", "a\0b"] {
            assert!(matches!(check(bad), Err(StorageError::Unavailable { .. })), "{bad}");
        }
    }

    #[test]
    fn a_prefix_ends_anywhere_but_leads_nowhere_else() {
        for good in ["", "a", "a/", "a/b", "a/.."] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["/", "/etc", "../", "a/../b", "a//"] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
