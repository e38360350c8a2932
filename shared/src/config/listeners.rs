//! Listeners: where we listen, and what the admin listener asks for.

use std::net::SocketAddr;

use super::{InvalidValue, Secret, reader::Reader, settings};

/// Addresses that a process listens on.
#[derive(Debug, Clone)]
pub struct Listeners {
    /// For the go command; port 0 is any free port ([`settings::LISTEN`]).
    pub public: SocketAddr,
    /// For operators ([`settings::ADMIN_LISTEN`]). Loopback, if there is no token.
    pub admin: SocketAddr,
    /// What `/admin` asks for ([`settings::ADMIN_TOKEN`]).
    pub admin_token: Option<Secret>,
}

impl Listeners {
    /// Whether only this machine reaches the public listener.
    pub fn public_is_loopback(&self) -> bool {
        is_loopback(self.public)
    }

    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let public = reader.read_with(&settings::LISTEN, parse_address);
        let admin = reader.read_with(&settings::ADMIN_LISTEN, parse_address);
        let admin_token = reader.read_optional::<Secret>(&settings::ADMIN_TOKEN);
        if let (Some(admin), Some(None)) = (admin, &admin_token)
            && !is_loopback(admin)
        {
            let problem = format!("{admin} is not loopback: set STOA_ADMIN_TOKEN as well");
            reader.report(&settings::ADMIN_LISTEN, problem);
        }
        Some(Self { public: public?, admin: admin?, admin_token: admin_token? })
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn parse_address(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| {
        InvalidValue::not(text, "an address and port such as 127.0.0.1:3000 or [::1]:3000")
    })
}
