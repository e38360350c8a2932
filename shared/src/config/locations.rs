//! Where modules are stored and where jobs wait.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

use super::InvalidValue;

/// Where module versions are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageLocation {
    /// An absolute directory.
    Directory(PathBuf),
}

/// Where jobs wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLocation {
    /// In this process, and beside the stored modules.
    Embedded,
}

impl FromStr for StorageLocation {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue::new("expected file:///directory");
        let url = Url::parse(text).map_err(|_| invalid())?;
        match url.scheme() {
            // An empty path would spread modules over the root directory.
            "file" if url.path() == "/" || url.query().is_some() || url.fragment().is_some() => {
                Err(invalid())
            }
            "file" => url.to_file_path().map(Self::Directory).map_err(|()| invalid()),
            "s3" => Err(InvalidValue::new(
                "this build has no s3:// storage; expected file:///directory",
            )),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for StorageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for QueueLocation {
    type Err = InvalidValue;

    // The text is never repeated: a broker's URL holds its password.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        Err(InvalidValue::new("this build has the queue \"embedded\" only"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_an_absolute_directory() {
        for (text, path) in [
            ("file:///var/lib/stoa", "/var/lib/stoa"),
            ("file:///with%20space", "/with space"),
            ("file:///a/../b", "/b"),
        ] {
            assert_eq!(text.parse(), Ok(StorageLocation::Directory(path.into())), "{text}");
        }
        for bad in [
            "",
            "/var/lib/stoa",
            "file://",
            "file:///",
            "file://host/a",
            "file:///a?b",
            "file:///a#b",
            "https://a/b",
            "s3://bucket",
        ] {
            assert!(bad.parse::<StorageLocation>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broker_is_refused_without_repeating_its_password() {
        assert_eq!("embedded".parse(), Ok(QueueLocation::Embedded));
        let refusal =
            "amqp://user:hunter2@broker".parse::<QueueLocation>().unwrap_err().to_string();
        assert!(refusal.contains("embedded") && !refusal.contains("hunter2"), "{refusal}");
    }
}
