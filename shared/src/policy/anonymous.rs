//! `Anonymous`: what callers without a key get.

use std::{fmt, str::FromStr};

/// What callers without a key get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// Everything, the default project's private modules included.
    Full,
    /// Public modules.
    Public,
    /// Nothing: they are asked for a key.
    Nothing,
}

/// A text that is none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not full, public or none")]
pub struct AnonymousError(String);

impl Anonymous {
    /// What holds for one request. Where nothing is set, whoever reaches a loopback
    /// listener directly is on this machine and gets everything; a header that tells of
    /// forwarding means that somebody from elsewhere stands behind it.
    pub fn entitlement(
        setting: Option<Self>,
        listener_is_loopback: bool,
        has_forwarding_headers: bool,
    ) -> Self {
        match setting {
            Some(setting) => setting,
            None if listener_is_loopback && !has_forwarding_headers => Self::Full,
            None => Self::Public,
        }
    }
}

impl FromStr for Anonymous {
    type Err = AnonymousError;

    fn from_str(text: &str) -> Result<Self, AnonymousError> {
        match text {
            "full" => Ok(Self::Full),
            "public" => Ok(Self::Public),
            "none" => Ok(Self::Nothing),
            _ => Err(AnonymousError(text.to_owned())),
        }
    }
}

impl fmt::Display for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Public => "public",
            Self::Nothing => "none",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Anonymous::*, *};

    #[test]
    fn without_a_setting_only_this_machine_gets_everything() {
        let (loopback, open, direct, forwarded) = (true, false, false, true);
        for (setting, listener, headers, expected) in [
            (None, loopback, direct, Full),
            (None, loopback, forwarded, Public),
            (None, open, direct, Public),
            (None, open, forwarded, Public),
            (Some(Full), open, forwarded, Full),
            (Some(Public), loopback, direct, Public),
            (Some(Nothing), loopback, direct, Nothing),
        ] {
            let entitlement = Anonymous::entitlement(setting, listener, headers);
            assert_eq!(entitlement, expected, "{setting:?} {listener} {headers}");
        }
    }

    #[test]
    fn it_displays_as_it_parses() {
        for (text, anonymous) in [("full", Full), ("public", Public), ("none", Nothing)] {
            assert_eq!((text.parse(), anonymous.to_string().as_str()), (Ok(anonymous), text));
        }
        assert!("all".parse::<Anonymous>().is_err());
    }
}
