//! NetworkSettings: what outgoing connections may reach and whom they trust.

use std::path::PathBuf;

use super::{AddressRanges, InvalidValue, reader::Reader, settings};

/// Outgoing connections.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// Private addresses that may be reached nevertheless ([`settings::ALLOW_ADDRESSES`]).
    pub allow_addresses: AddressRanges,
    /// Further roots of trust, PEM ([`settings::CA_FILE`]).
    pub ca_file: Option<PathBuf>,
}

impl NetworkSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let allow_addresses = reader.read_list(&settings::ALLOW_ADDRESSES);
        let ca_file = reader.read_optional_with(&settings::CA_FILE, existing_file);
        Some(Self { allow_addresses: allow_addresses?.into_iter().collect(), ca_file: ca_file? })
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
