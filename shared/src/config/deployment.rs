//! DeploymentId and Role: who we are.

use std::{fmt, str::FromStr};

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

impl DeploymentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that a host's name suggests: what does not belong in an id becomes `-`.
    pub(super) fn from_host_name(name: &str) -> Self {
        let id: String = name
            .to_lowercase()
            .chars()
            .map(|letter| if is_allowed(letter) { letter } else { '-' })
            .skip_while(|letter| !letter.is_ascii_alphanumeric())
            .take(MAX_LENGTH)
            .collect();
        Self(if id.is_empty() { "stoa".to_owned() } else { id })
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
    fn any_host_name_makes_an_id() {
        for (name, id) in [
            ("Web-1.example.org", "web-1.example.org"),
            ("_my host", "my-host"),
            ("日本", "stoa"),
            ("", "stoa"),
        ] {
            let derived = DeploymentId::from_host_name(name);
            assert_eq!(derived.as_str(), id);
            assert_eq!(derived.as_str().parse(), Ok(derived));
        }
    }

    #[test]
    fn roles_are_registry_and_proxy() {
        for (text, role) in [("registry", Role::Registry), ("proxy", Role::Proxy)] {
            assert_eq!((text.parse(), role.to_string().as_str()), (Ok(role), text));
        }
        assert!("Registry".parse::<Role>().is_err());
    }
}
