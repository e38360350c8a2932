//! NetworkSettings: what outgoing connections may reach and whom they trust.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{AddressRanges, InvalidValue, reader::Reader, settings};

/// Outgoing connections.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// Whether anything is fetched at all ([`settings::NETWORK`]).
    pub mode: NetworkMode,
    /// Private addresses that may be reached nevertheless ([`settings::ALLOW_ADDRESSES`]).
    pub allow_addresses: AddressRanges,
    /// Further roots of trust, PEM ([`settings::CA_FILE`]).
    pub ca_file: Option<PathBuf>,
}

/// Whether anything is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode {
    /// What is missing is fetched.
    Online,
    /// Only what is stored is served.
    Offline,
}

impl NetworkSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let mode = reader.read(&settings::NETWORK);
        let allow_addresses = reader.read_list(&settings::ALLOW_ADDRESSES);
        let ca_file = reader.read_optional_with(&settings::CA_FILE, existing_file);
        Some(Self {
            mode: mode?,
            allow_addresses: allow_addresses?.into_iter().collect(),
            ca_file: ca_file?,
        })
    }
}

impl FromStr for NetworkMode {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "online" => Ok(Self::Online),
            "offline" => Ok(Self::Offline),
            _ => Err(InvalidValue::not(text, "online or offline")),
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Online => "online",
            Self::Offline => "offline",
        })
    }
}

fn existing_file(text: &str) -> Result<PathBuf, InvalidValue> {
    let path = PathBuf::from(text);
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err(InvalidValue::not(text, "a file")),
        Err(error) => Err(InvalidValue::new(format!("{text}: {error}"))),
    }
}
