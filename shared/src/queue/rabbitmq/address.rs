//! BrokerAddress: the parts of a broker's URL, shown without its credentials.

use std::{fmt, time::Duration};

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::config::RabbitConfigError;

/// Our largest frame, in bytes: messages are identifiers, and the client sets 64 frames
/// of buffer aside for a connection. RabbitMQ 4 refuses less than 8192.
const FRAME_MAX: u32 = 16 * 1024;

/// The parts of a broker's URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct BrokerAddress {
    pub(super) is_encrypted: bool,
    pub(super) host: String,
    pub(super) port: u16,
    user: String,
    password: String,
    vhost: String,
}

impl BrokerAddress {
    pub(super) fn parse(url: &str) -> Result<Self, RabbitConfigError> {
        let invalid = |reason: &str| RabbitConfigError::InvalidUrl { reason: reason.to_owned() };
        let url = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
        let is_encrypted = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(invalid("the scheme is neither amqp nor amqps")),
        };
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(|text| text.into_owned()).map_err(|_| invalid("escaped bytes, not UTF-8"))
        };
        let host = match url.host() {
            Some(Host::Domain("")) | None => return Err(invalid("it names no host")),
            Some(Host::Domain(name)) => decode(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
        };
        let vhost = match url.path() {
            "" | "/" => "/".to_owned(),
            path => decode(path.trim_start_matches('/'))?,
        };
        if vhost.len() > 255 {
            return Err(invalid("the vhost's name is too long"));
        }
        if url.query().is_some() {
            return Err(invalid("parameters after ? are not understood"));
        }
        let user = match url.username() {
            "" => "guest".to_owned(),
            user => decode(user)?,
        };
        let password = url.password().map_or(Ok("guest".to_owned()), decode)?;
        let port = url.port().unwrap_or(if is_encrypted { 5671 } else { 5672 });
        Ok(Self { is_encrypted, host, port, user, password, vhost })
    }

    /// What the client library is told.
    pub(super) fn uri(&self, heartbeat: Duration) -> AMQPUri {
        let userinfo =
            AMQPUserInfo { username: self.user.clone(), password: self.password.clone() };
        AMQPUri {
            scheme: if self.is_encrypted { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority { userinfo, host: self.host.clone(), port: self.port },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                frame_max: Some(FRAME_MAX),
                heartbeat: Some(u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX).max(1)),
                ..AMQPQueryString::default()
            },
        }
    }
}

impl fmt::Display for BrokerAddress {
    /// Host, port and vhost: what a log may show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, vhost, .. } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port} (vhost {vhost})"),
            false => write!(f, "{host}:{port} (vhost {vhost})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> String {
        match BrokerAddress::parse(url) {
            Ok(address) => format!(
                "{address}{} as {}, {}",
                if address.is_encrypted { " encrypted" } else { "" },
                address.user,
                address.password
            ),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_url_names_broker_vhost_and_credentials() {
        let table = [
            ("amqp://localhost", "localhost:5672 (vhost /) as guest, guest"),
            ("amqp://localhost/", "localhost:5672 (vhost /) as guest, guest"),
            ("amqp://u:p%40ss@h:1/%2f", "h:1 (vhost /) as u, p@ss"),
            ("amqps://u:p@10.0.0.1/stoa", "10.0.0.1:5671 (vhost stoa) encrypted as u, p"),
            ("amqp://[::1]/a%2fb", "[::1]:5672 (vhost a/b) as guest, guest"),
        ];
        for (url, expected) in table {
            assert_eq!(parsed(url), expected, "{url}");
        }
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        for url in [
            "http://user:secret@host/",
            "amqp://",
            "user:secret@host",
            "amqp:secret",
            "amqp://user:secret@host:port",
            "amqp://user:secret@host/?secret=1",
            "amqp://user:%ffsecret@host",
        ] {
            let refusal = parsed(url);
            assert!(refusal.starts_with("not the URL of a broker: "), "{url}: {refusal}");
            assert!(!refusal.contains("secret"), "{url}: {refusal}");
        }
    }
}
