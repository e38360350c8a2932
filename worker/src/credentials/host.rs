//! HostPort: the host that a credential belongs to, and to no other.

use url::Url;

/// A host by name or address, with a port where it is not the protocol's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    /// As a URL has it: lower case, ASCII.
    name: String,
    port: Option<u16>,
}

impl HostPort {
    /// Reads `host`, `host:port` or `[address]:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parse = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{text}/")).ok()?;
            let is_host = url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none();
            // What ssh is given must not look like an option.
            is_host
                .then_some(url)
                .filter(|url| !url.host_str().is_some_and(|host| host.starts_with('-')))
        };
        // A URL forgets the port that is its scheme's own.
        let (secure, plain) = (parse("https")?, parse("http")?);
        let name = secure.host_str()?.to_owned();
        Some(Self { name, port: secure.port().or(plain.port()) })
    }

    /// Whether it is the host of `url`, whose port is `port`.
    pub(super) fn is(&self, url: &Url, port: u16) -> bool {
        let own = match url.scheme() {
            "https" => 443,
            "http" => 80,
            "ssh" => 22,
            _ => return false,
        };
        self.is_named(url) && self.port.unwrap_or(own) == port
    }

    /// Whether the URL's host has the same name, whatever the ports.
    pub(super) fn is_named(&self, url: &Url) -> bool {
        // URLs of schemes that browsers do not know keep their host as it is written.
        url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&self.name))
    }

    /// The name or address, as a URL has it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The port, where one was named.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_a_port_and_nothing_else() {
        for (text, name, port) in [
            ("git.corp.example", "git.corp.example", None),
            ("Git.Corp.example", "git.corp.example", None),
            ("git.corp.example:8443", "git.corp.example", Some(8443)),
            ("git.corp.example:443", "git.corp.example", Some(443)),
            ("git.corp.example:80", "git.corp.example", Some(80)),
            ("127.0.0.1:22", "127.0.0.1", Some(22)),
            ("[::1]:2222", "[::1]", Some(2222)),
        ] {
            let host = HostPort::parse(text).unwrap();
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
        }
        for bad in
            ["", "a b", "https://a", "a/b", "user@a", "u:p@a", "a?b", "a#b", "-oProxy", "a:x"]
        {
            assert_eq!(HostPort::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_port_that_is_not_named_is_the_protocols_own() {
        let is = |host: &str, url: &str, port| {
            HostPort::parse(host).unwrap().is(&Url::parse(url).unwrap(), port)
        };
        assert!(is("h.example", "https://h.example/x", 443));
        assert!(is("h.example", "ssh://git@H.example/x", 22));
        assert!(is("h.example:8443", "https://h.example:8443/x", 8443));
        assert!(!is("h.example", "https://h.example:8443/x", 8443));
        assert!(!is("h.example:8443", "https://h.example/x", 443));
        assert!(!is("h.example", "https://sub.h.example/x", 443));
        assert!(!is("h.example", "https://h.example.evil/x", 443));
        assert!(!is("h.example", "ftp://h.example/x", 21));
    }
}
