//! Where modules are stored and where jobs wait.

use std::{fmt, path::PathBuf, str::FromStr};

use percent_encoding::percent_decode_str;
use url::Url;

use super::{InvalidValue, Secret, reader::Reader, settings};
use crate::queue::RabbitConfig;

/// Where module versions are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageLocation {
    /// An absolute directory.
    Directory(PathBuf),
    /// A bucket of an object store.
    Bucket {
        /// Its name.
        name: String,
        /// What all keys start with, without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// Where jobs wait.
#[derive(Debug, Clone)]
pub enum QueueLocation {
    /// In this process, and beside the stored modules.
    Embedded,
    /// At a broker.
    Broker {
        /// Its URL, which holds its password.
        url: Secret,
        /// Where the URL was read, and can be read again once it has changed.
        file: Option<PathBuf>,
    },
}

impl FromStr for StorageLocation {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue::new("expected file:///directory or s3://bucket/prefix");
        let url = Url::parse(text).map_err(|_| invalid())?;
        match url.scheme() {
            // An empty path would spread modules over the root directory.
            "file" if url.path() == "/" || url.query().is_some() || url.fragment().is_some() => {
                Err(invalid())
            }
            "file" => url.to_file_path().map(Self::Directory).map_err(|()| invalid()),
            "s3" => {
                let name =
                    url.host_str().filter(|name| is_bucket_name(name)).ok_or_else(invalid)?;
                let is_plain = url.port().is_none()
                    && url.username().is_empty()
                    && url.password().is_none()
                    && url.query().is_none()
                    && url.fragment().is_none();
                if !is_plain {
                    return Err(InvalidValue::new("expected s3://bucket/prefix and nothing else"));
                }
                let prefix = percent_decode_str(url.path()).decode_utf8();
                let prefix = prefix.map_err(|_| InvalidValue::new("the prefix is not UTF-8"))?;
                // Stores differ in what they make of either.
                if prefix.contains("//") || prefix.contains(char::is_control) {
                    let problem = "expected a prefix without // and control characters";
                    return Err(InvalidValue::new(problem));
                }
                let prefix = prefix.trim_matches('/').to_owned();
                Ok(Self::Bucket { name: name.to_owned(), prefix })
            }
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for StorageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

impl QueueLocation {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let location = reader.read::<Self>(&settings::QUEUE)?;
        Some(match location {
            Self::Embedded => Self::Embedded,
            Self::Broker { url, .. } => Self::Broker { url, file: reader.file(&settings::QUEUE) },
        })
    }
}

impl FromStr for QueueLocation {
    type Err = InvalidValue;

    // The text is never repeated: a broker's URL holds its password.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        match text.split_once("://") {
            Some(("amqp" | "amqps", rest)) if !rest.is_empty() => {
                RabbitConfig::check_url(text)
                    .map_err(|error| InvalidValue::new(error.to_string()))?;
                Ok(Self::Broker { url: text.parse()?, file: None })
            }
            _ => Err(InvalidValue::new("expected embedded, amqp://… or amqps://…")),
        }
    }
}

/// The rules of S3 on names of buckets, as far as a typing mistake could break them.
fn is_bucket_name(name: &str) -> bool {
    let is_fine =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    (3..=63).contains(&name.len()) && name.bytes().all(is_fine)
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
            "s3://",
            "s3://UPPER",
            "s3://a_b",
            "s3://user:hunter2@bucket",
            "s3://bucket?x",
        ] {
            assert!(bad.parse::<StorageLocation>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broker_is_refused_without_repeating_its_password() {
        assert!(matches!("embedded".parse(), Ok(QueueLocation::Embedded)));
        let broker: QueueLocation = "amqps://user:hunter2@broker/vhost".parse().unwrap();
        assert!(matches!(&broker, QueueLocation::Broker { .. }));
        assert!(!format!("{broker:?}").contains("hunter2"));
        for bad in ["http://user:hunter2@broker", "amqp://", "hunter2"] {
            let refusal = bad.parse::<QueueLocation>().unwrap_err().to_string();
            assert!(refusal.contains("embedded") && !refusal.contains("hunter2"), "{refusal}");
        }
        for bad in ["amqp://user:hunter2@broker?heartbeat=5", "amqps://user:hunter2@broker:port"] {
            let refusal = bad.parse::<QueueLocation>().unwrap_err().to_string();
            assert!(refusal.starts_with("not the URL of a broker: "), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_bucket_may_have_a_prefix() {
        for (text, shown) in [
            ("s3://modules", "s3://modules"),
            ("s3://modules/", "s3://modules"),
            ("s3://my.bucket-1/go/modules/", "s3://my.bucket-1/go/modules"),
            ("s3://bucket/my prefix", "s3://bucket/my prefix"),
            ("s3://bucket/my%20prefix/%c3%a4", "s3://bucket/my prefix/ä"),
            ("s3://bucket/a+b", "s3://bucket/a+b"),
        ] {
            assert_eq!(text.parse::<StorageLocation>().unwrap().to_string(), shown);
        }
        for bad in ["s3://bucket//a", "s3://bucket/a//b", "s3://bucket/a%2f/b", "s3://bucket/%ff"] {
            assert!(bad.parse::<StorageLocation>().is_err(), "{bad}");
        }
    }
}
