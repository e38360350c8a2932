//! DeploymentId and Role: who we are.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use super::InvalidValue;

/// A deployment's id: 1 to 63 of `a-z`, `0-9`, `-`, `.`, `_`, the first a letter or
/// digit. It stands in HTTP headers, so it is a token there, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeploymentId(String);

/// A preset of policy (design §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The source of truth: for what it lacks it asks version control.
    Registry,
    /// In front of a fleet: for what it lacks it asks a registry.
    Proxy,
}

/// Longest id, that of a DNS label.
const MAX_LENGTH: usize = 63;

/// What a hash and its dash leave of that.
const LONGEST_READABLE: usize = MAX_LENGTH - 7;

impl DeploymentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a deployment that was given none: a readable part, which is the bucket's
    /// name or, for a directory, the host's, and a hash of where the modules lie. What
    /// does not belong in an id becomes `-`.
    pub(super) fn of_storage(storage: &str, endpoint: &str, host: &str) -> Self {
        let bucket = storage.strip_prefix("s3://");
        let place = match bucket {
            Some(_) => format!("{endpoint} {storage}"),
            None => format!("{host} {storage}"),
        };
        let hash = Sha256::digest(place);
        let readable: String = bucket
            .unwrap_or(host)
            .to_lowercase()
            .chars()
            .map(|letter| if is_allowed(letter) { letter } else { '-' })
            .skip_while(|letter| !letter.is_ascii_alphanumeric())
            .take(LONGEST_READABLE)
            .collect();
        let readable = if readable.is_empty() { "stoa" } else { &readable };
        Self(format!("{readable}-{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2]))
    }
}

impl FromStr for DeploymentId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if starts_well && text.len() <= MAX_LENGTH && text.chars().all(is_allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidValue::not(
            text,
            "a deployment id: at most 63 of a-z, 0-9, '-', '.', '_', a letter or digit first",
        ))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Role {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "registry" => Ok(Self::Registry),
            "proxy" => Ok(Self::Proxy),
            _ => Err(InvalidValue::not(text, "a role: expected registry or proxy")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry => f.write_str("registry"),
            Self::Proxy => f.write_str("proxy"),
        }
    }
}

fn is_allowed(letter: char) -> bool {
    matches!(letter, 'a'..='z' | '0'..='9' | '-' | '.' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_tokens() {
        for good in ["om", "om-b.eu_1", "1", &"a".repeat(63)] {
            assert_eq!(good.parse::<DeploymentId>().unwrap().as_str(), good);
        }
        for bad in ["", "Om", "-om", "a b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<DeploymentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn where_modules_lie_makes_an_id() {
        for (storage, host, readable) in [
            ("file:///srv", "Web-1.example.org", "web-1.example.org-"),
            ("file:///srv", "_my host", "my-host-"),
            ("file:///srv", "日本", "stoa-"),
            ("", "", "stoa-"),
            ("file:///srv", &"a".repeat(300), &format!("{}-", "a".repeat(56))),
            ("s3://go-modules/Proxy", "pod-1", "go-modules-proxy-"),
        ] {
            let derived = DeploymentId::of_storage(storage, "", host);
            assert!(derived.as_str().starts_with(readable), "{derived}");
            assert_eq!(derived.as_str().parse(), Ok(derived));
        }
    }

    #[test]
    fn processes_of_one_deployment_agree_and_two_deployments_differ() {
        let id = DeploymentId::of_storage;
        assert_eq!(id("s3://b", "https://e", "pod-1"), id("s3://b", "https://e", "pod-2"));
        assert_ne!(id("s3://b", "https://e", "pod-1"), id("s3://b", "https://f", "pod-1"));
        assert_ne!(id("s3://b/one", "", "pod-1"), id("s3://b/two", "", "pod-1"));
        assert_ne!(id("file:///a", "", "host"), id("file:///b", "", "host"));
        assert_ne!(id("file:///a", "", "host-1"), id("file:///a", "", "host-2"));
    }

    #[test]
    fn roles_are_registry_and_proxy() {
        for (text, role) in [("registry", Role::Registry), ("proxy", Role::Proxy)] {
            assert_eq!((text.parse(), role.to_string().as_str()), (Ok(role), text));
        }
        assert!("Registry".parse::<Role>().is_err());
    }
}
