//! UpstreamSettings: who is asked before version control, in GOPROXY's grammar.

use std::{fmt, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;
use url::Url;

use super::{InvalidValue, PublicUrl, Secret, reader::Reader, settings};

/// Where a deployment asks for what it lacks.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Who is asked, in this order ([`settings::UPSTREAM`]).
    pub chain: UpstreamChain,
    /// The first server of the chain as clients reach it ([`settings::UPSTREAM_PUBLIC`]);
    /// `None` where no server is asked.
    pub public: Option<PublicUrl>,
    /// How long a background fill waits before its first try ([`settings::UPSTREAM_DELAY`]).
    pub delay: Duration,
}

/// Who is asked for a module, in order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamChain(Vec<UpstreamEntry>);

/// One place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamEntry {
    /// Who is asked.
    pub upstream: Upstream,
    /// After which answers the next one is asked.
    pub fallback: Fallback,
}

/// Who can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A server that speaks the GOPROXY protocol.
    Server(UpstreamServer),
    /// The module's own repository.
    Direct,
    /// Nobody.
    Off,
}

/// When the next in the chain is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// After 404 and 410 only: the separator `,`.
    OnAbsence,
    /// After any error: the separator `|`.
    OnAnyError,
}

/// A server and what it is told about us.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    url: Url,
    credentials: Option<UpstreamCredentials>,
}

/// User name and password, sent by Basic authentication to the server's origin only.
#[derive(Clone)]
pub struct UpstreamCredentials {
    /// May be empty.
    pub user: String,
    /// May be empty.
    pub password: Secret,
}

impl UpstreamSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let chain: Option<UpstreamChain> = reader.read(&settings::UPSTREAM);
        let public = reader.read_optional(&settings::UPSTREAM_PUBLIC);
        let delay = reader.read_duration(&settings::UPSTREAM_DELAY);
        let chain = chain?;
        // Where no server is asked there is none to be sent to.
        let first = chain.first_server().map(UpstreamServer::public_url);
        let public = public?.filter(|_| first.is_some()).or(first);
        Some(Self { chain, public, delay: delay? })
    }
}

impl UpstreamChain {
    /// Version control and nobody else.
    pub fn direct() -> Self {
        let fallback = Fallback::OnAbsence;
        Self(vec![UpstreamEntry { upstream: Upstream::Direct, fallback }])
    }

    /// Who is asked, in this order.
    pub fn entries(&self) -> &[UpstreamEntry] {
        &self.0
    }

    /// Whether somebody else is asked for what the first server does not have.
    pub fn has_successor(&self) -> bool {
        let mut entries = self.0.iter();
        let first = entries.find(|entry| matches!(entry.upstream, Upstream::Server(_)));
        first.is_some() && entries.any(|entry| entry.upstream != Upstream::Off)
    }

    /// Whether somebody else is asked when the first server has trouble, too.
    pub fn has_substitute(&self) -> bool {
        let mut servers =
            self.0.iter().filter(|entry| matches!(entry.upstream, Upstream::Server(_)));
        let survives = |first: &UpstreamEntry| first.fallback == Fallback::OnAnyError;
        servers.next().is_some_and(survives) && self.has_successor()
    }

    /// The server that is asked first: a proxy's registry.
    pub fn first_server(&self) -> Option<&UpstreamServer> {
        self.0.iter().find_map(|entry| match &entry.upstream {
            Upstream::Server(server) => Some(server),
            Upstream::Direct | Upstream::Off => None,
        })
    }
}

impl UpstreamServer {
    /// Its base URL, without credentials.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What it asks for.
    pub fn credentials(&self) -> Option<&UpstreamCredentials> {
        self.credentials.as_ref()
    }

    fn public_url(&self) -> PublicUrl {
        PublicUrl::of(&self.url)
    }
}

impl FromStr for UpstreamChain {
    type Err = InvalidValue;

    // The text is never repeated: its URLs may hold passwords.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let mut entries = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find([',', '|']).unwrap_or(rest.len());
            let fallback = match rest[end..].starts_with('|') {
                true => Fallback::OnAnyError,
                false => Fallback::OnAbsence,
            };
            let word = rest[..end].trim();
            rest = rest.get(end + 1..).unwrap_or_default();
            let upstream = match word {
                "" => continue,
                "direct" => Upstream::Direct,
                "off" => Upstream::Off,
                url => Upstream::Server(url.parse().map_err(|problem| {
                    InvalidValue::new(format!("entry {}: {problem}", entries.len() + 1))
                })?),
            };
            let is_end = matches!(upstream, Upstream::Direct | Upstream::Off);
            entries.push(UpstreamEntry { upstream, fallback });
            if is_end {
                break;
            }
        }
        if entries.is_empty() {
            return Err(InvalidValue::new("expected at least one URL, direct or off"));
        }
        Ok(Self(entries))
    }
}

impl FromStr for UpstreamServer {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        const EXPECTED: &str = "expected an http or https URL, direct or off";
        // As in GOPROXY a word is reserved, and a host name alone means https.
        if !text.contains(['.', ':', '/']) {
            return Err(InvalidValue::new(EXPECTED));
        }
        let text = match text.contains(":/") {
            true => text.to_owned(),
            false => format!("https://{text}"),
        };
        let mut url = Url::parse(&text).map_err(|_| InvalidValue::new(EXPECTED))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidValue::new(EXPECTED));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidValue::new("expected a URL without query and fragment"));
        }
        let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(InvalidValue::new("credentials are not UTF-8")),
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let user = decoded(user)?;
                if user.contains(|letter: char| letter == ':' || letter.is_control()) {
                    return Err(InvalidValue::new("the user name has a colon or is no line"));
                }
                let password = decoded(password.unwrap_or_default())?.parse()?;
                Some(UpstreamCredentials { user, password })
            }
        };
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err(InvalidValue::new(EXPECTED));
        }
        Ok(Self { url, credentials })
    }
}

impl fmt::Debug for UpstreamServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = self.credentials.as_ref().map(|_| super::secret::REDACTED);
        f.debug_struct("UpstreamServer")
            .field("url", &self.url.as_str())
            .field("credentials", &credentials)
            .finish()
    }
}

impl fmt::Debug for UpstreamCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::secret::REDACTED)
    }
}

impl PartialEq for UpstreamCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.password.matches(other.password.expose())
    }
}

impl Eq for UpstreamCredentials {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chain in words: URLs without credentials, each followed by what ends it.
    fn described(text: &str) -> String {
        let chain: UpstreamChain = text.parse().unwrap();
        let entries = chain.entries().iter().map(|UpstreamEntry { upstream, fallback }| {
            let upstream = match upstream {
                Upstream::Server(server) => server.url().as_str(),
                Upstream::Direct => "direct",
                Upstream::Off => "off",
            };
            let separator = match fallback {
                Fallback::OnAbsence => ",",
                Fallback::OnAnyError => "|",
            };
            format!("{upstream}{separator}")
        });
        entries.collect()
    }

    #[test]
    fn the_grammar_is_that_of_goproxy() {
        for (text, expected) in [
            ("direct", "direct,"),
            ("off", "off,"),
            ("https://go.example.org", "https://go.example.org/,"),
            ("https://a.example/go/,direct", "https://a.example/go/,direct,"),
            ("http://a.example:3000|direct", "http://a.example:3000/|direct,"),
            ("http://a|http://b,http://c|off", "http://a/|http://b/,http://c/|off,"),
            (" http://a , direct ", "http://a/,direct,"),
            (",http://a,,|direct,", "http://a/,direct,"),
            ("proxy.example.org,direct", "https://proxy.example.org/,direct,"),
            ("localhost:3000/go", "https://localhost:3000/go,"),
            ("direct,nonsense", "direct,"),
            ("off|http://a", "off|"),
        ] {
            assert_eq!(described(text), expected, "{text}");
        }
    }

    #[test]
    fn other_words_are_mistakes_that_repeat_no_password() {
        for bad in [
            "",
            ",",
            " | ",
            "hunter2",
            "Direct",
            "http://a,hunter2",
            "ftp://u:hunter2@a",
            "file:///srv/hunter2",
            "https://u:hunter2@",
            "https://u:hunter2@a/?x",
            "https://u:hunter2@a/#x",
            "https://u:%ff@a/hunter2",
            "https://u:hunter2%0a@a/",
            "https://u%0a:hunter2@a/",
            "https://u%3av:hunter2@a/",
        ] {
            let refusal = bad.parse::<UpstreamChain>().unwrap_err().to_string();
            assert!(!refusal.contains("hunter2"), "{bad}: {refusal}");
        }
        let refusal = "http://a,b".parse::<UpstreamChain>().unwrap_err().to_string();
        assert_eq!(refusal, "entry 2: expected an http or https URL, direct or off");
    }

    #[test]
    fn credentials_are_taken_out_of_the_url_and_never_shown() {
        let chain: UpstreamChain =
            "https://us%40er:hunt%3aer2@a.example/go|direct".parse().unwrap();
        let server = chain.first_server().unwrap();
        assert_eq!(server.url().as_str(), "https://a.example/go");
        let credentials = server.credentials().unwrap();
        assert_eq!(credentials.user, "us@er");
        assert_eq!(credentials.password.expose(), "hunt:er2");
        let shown = format!("{chain:?} {credentials:?}");
        assert!(!shown.contains("hunt") && !shown.contains("us@er"), "{shown}");
        assert!(shown.contains("[redacted]"), "{shown}");
        let token: UpstreamChain = "https://token@a.example".parse().unwrap();
        let token = token.first_server().unwrap().credentials().unwrap().clone();
        assert_eq!((token.user.as_str(), token.password.expose()), ("token", ""));
        assert_eq!(UpstreamChain::direct(), "direct".parse().unwrap());
    }
}
