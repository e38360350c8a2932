//! The file: a list of hosts, each with its kind of credential and where the secret is.
//! All mistakes are told in one go, by entry and field, and never with a value.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};
use stoa_shared::config::Secret;

use super::reference::Reference;
use super::{Entry, Hosts, Reading, SSH_PORT, SshAccess, WebAccess, host::HostPort, netrc};

/// Everything that is wrong with a file of credentials. Displays one mistake a line; no
/// line holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CredentialErrors {
    file: PathBuf,
    mistakes: Vec<String>,
}

/// Who a token is sent as, where the entry does not say: GitLab wants this name beside
/// OAuth tokens, and it, GitHub and Gitea take any beside all others.
const TOKEN_USER: &str = "oauth2";
/// Who logs in over SSH, where the entry does not say: all forges have this user.
const SSH_USER: &str = "git";
/// In place of a host: all of a netrc file.
const EVERY_MACHINE: &str = "*";

/// Reads the file and all that it refers to.
pub(super) fn read(file: &Path, reading: &mut Reading<'_>) -> Result<Hosts, CredentialErrors> {
    let failed = |mistakes| CredentialErrors { file: file.to_owned(), mistakes };
    reading.note(file);
    let bytes = fs::read(file).map_err(|error| failed(vec![format!("cannot be read: {error}")]))?;
    // Of the text nothing is repeated: where a quote is missing, it may be a secret.
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        failed(vec![format!("{place}: is not valid JSON")])
    })?;
    let Value::Array(entries) = document else {
        return Err(failed(vec!["expected a list of entries".to_owned()]));
    };
    let mut hosts = Hosts::default();
    let mut mistakes = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut fields = Fields::new(index + 1, entry, &mut mistakes);
        fields.add_to(&mut hosts, reading);
    }
    if mistakes.is_empty() { Ok(hosts) } else { Err(failed(mistakes)) }
}

/// One entry being read.
struct Fields<'a> {
    /// How it is called in mistakes.
    name: String,
    fields: Option<&'a Map<String, Value>>,
    mistakes: &'a mut Vec<String>,
}

impl<'a> Fields<'a> {
    fn new(number: usize, entry: &'a Value, mistakes: &'a mut Vec<String>) -> Self {
        let mut fields =
            Self { name: format!("entry {number}"), fields: entry.as_object(), mistakes };
        if fields.fields.is_none() {
            fields.report("expected an object".to_owned());
        }
        fields
    }

    fn add_to(&mut self, hosts: &mut Hosts, reading: &mut Reading<'_>) -> Option<()> {
        self.fields?;
        let host_text = self.required("host");
        let host = host_text.and_then(|text| self.host(text));
        if let (Some(text), Some(_)) = (host_text, &host) {
            self.name = format!("{} ({text})", self.name);
        }
        let kind = self.required("kind");
        match kind {
            Some("token") => self.web(host, Some(TOKEN_USER), hosts, reading),
            Some("basic") => self.web(host, None, hosts, reading),
            Some("netrc") => self.netrc(host, hosts, reading),
            Some("ssh") => self.ssh(host, hosts, reading),
            Some(_) => {
                self.report("kind: expected token, basic, ssh or netrc".to_owned());
                None
            }
            None => None,
        }
    }

    /// The host; `None` within for all that a netrc file names.
    fn host(&mut self, text: &str) -> Option<Option<HostPort>> {
        if text == EVERY_MACHINE {
            return Some(None);
        }
        let host = HostPort::parse(text);
        if host.is_none() {
            self.report(
                "host: expected a host name, with :port where it is not the usual one".to_owned(),
            );
        }
        host.map(Some)
    }

    fn web(
        &mut self,
        host: Option<Option<HostPort>>,
        default_user: Option<&str>,
        hosts: &mut Hosts,
        reading: &mut Reading<'_>,
    ) -> Option<()> {
        self.only(&["host", "kind", "user", "secret"]);
        let host = host.and_then(|host| self.one(host));
        let user = match default_user {
            Some(default) => self.optional("user").map(|user| user.unwrap_or(default)),
            None => self.required("user"),
        };
        let user = user.and_then(|user| self.user(user));
        let secret = self.reference("secret").and_then(|from| self.line("secret", &from, reading));
        let access = WebAccess { host: host?, user: user?, secret: secret? };
        self.add_web(access, hosts);
        Some(())
    }

    fn netrc(
        &mut self,
        host: Option<Option<HostPort>>,
        hosts: &mut Hosts,
        reading: &mut Reading<'_>,
    ) -> Option<()> {
        self.only(&["host", "kind", "secret"]);
        let text = self.reference("secret").and_then(|from| self.text("secret", &from, reading));
        let (host, text) = (host?, text?);
        let is_every = host.is_none();
        let mut found = Vec::new();
        for machine in netrc::parse(&text) {
            let Some(named) = HostPort::parse(&machine.name) else { continue };
            // A netrc file knows no ports: the entry says which one is meant.
            let host = match &host {
                None => named,
                Some(host) if *host == named => named,
                Some(host) if named.port().is_none() && host.name() == named.name() => host.clone(),
                Some(_) => continue,
            };
            // As everywhere, the first of two holds.
            if found.contains(&host) {
                continue;
            }
            found.push(host.clone());
            // What the whole file says of a host is less than an entry of its own.
            if is_every && hosts.web.iter().any(|other| other.host == host) {
                continue;
            }
            let user = self.user(&machine.login);
            let Ok(secret) = machine.password.parse::<Secret>() else {
                self.report("secret: the file has control characters in a password".to_owned());
                return None;
            };
            self.add_web(WebAccess { host, user: user?, secret }, hosts);
        }
        if found.is_empty() {
            self.report("secret: the file has no login and password for this host".to_owned());
        }
        Some(())
    }

    fn ssh(
        &mut self,
        host: Option<Option<HostPort>>,
        hosts: &mut Hosts,
        reading: &mut Reading<'_>,
    ) -> Option<()> {
        self.only(&["host", "kind", "user", "secret", "knownHosts"]);
        let host = host.and_then(|host| self.one(host));
        let user = self.optional("user").map(|user| user.unwrap_or(SSH_USER));
        let user = user.and_then(|user| self.user(user));
        let key = self.reference("secret").and_then(|from| self.bytes("secret", &from, reading));
        let known_hosts = self.reference("knownHosts").and_then(|from| match &from {
            Reference::File(path) => {
                self.bytes("knownHosts", &from, reading).map(|bytes| (bytes, path.clone()))
            }
            Reference::Environment(_) => {
                self.report("knownHosts: expected file:/absolute/path".to_owned());
                None
            }
        });
        let (host, (known_hosts, known_hosts_file)) = (host?, known_hosts?);
        if hosts.ssh.iter().any(|entry| entry.host == host) {
            self.report("host: another entry has a key for it".to_owned());
        }
        let access = SshAccess {
            host: host.name().to_owned(),
            port: host.port().unwrap_or(SSH_PORT),
            user: user?,
            key: Arc::from(key?),
            known_hosts: Arc::from(known_hosts),
            known_hosts_file,
        };
        hosts.ssh.push(Entry { host, access });
        Some(())
    }

    fn add_web(&mut self, access: WebAccess, hosts: &mut Hosts) {
        if hosts.web.iter().any(|other| other.host == access.host) {
            self.report("host: another entry has a secret for it".to_owned());
        }
        hosts.web.push(access);
    }

    fn one(&mut self, host: Option<HostPort>) -> Option<HostPort> {
        if host.is_none() {
            self.report("host: * is for netrc alone".to_owned());
        }
        host
    }

    /// Neither an option of ssh nor a piece of a header.
    fn user(&mut self, user: &str) -> Option<String> {
        let is_plain = !user.is_empty()
            && !user.starts_with('-')
            && !user.chars().any(|c| c.is_control() || c.is_whitespace() || c == ':');
        if !is_plain {
            self.report("user: expected a name without colons and spaces".to_owned());
        }
        is_plain.then(|| user.to_owned())
    }

    /// A secret of one line.
    fn line(&mut self, field: &str, from: &Reference, reading: &mut Reading<'_>) -> Option<Secret> {
        let text = self.text(field, from, reading)?;
        let secret = text.trim_ascii().parse::<Secret>();
        if secret.is_err() {
            self.report(format!("{field}: is more than one line"));
        }
        secret.ok()
    }

    fn text(&mut self, field: &str, from: &Reference, reading: &mut Reading<'_>) -> Option<String> {
        let text = String::from_utf8(self.bytes(field, from, reading)?);
        if text.is_err() {
            self.report(format!("{field}: is not valid UTF-8"));
        }
        text.ok()
    }

    fn bytes(
        &mut self,
        field: &str,
        from: &Reference,
        reading: &mut Reading<'_>,
    ) -> Option<Vec<u8>> {
        from.resolve(reading).map_err(|problem| self.report(format!("{field}: {problem}"))).ok()
    }

    fn reference(&mut self, field: &str) -> Option<Reference> {
        let text = self.required(field)?;
        Reference::parse(text).map_err(|problem| self.report(format!("{field}: {problem}"))).ok()
    }

    fn required(&mut self, field: &str) -> Option<&'a str> {
        let text = self.optional(field)?;
        if text.is_none() {
            self.report(format!("{field}: is missing"));
        }
        text
    }

    fn optional(&mut self, field: &str) -> Option<Option<&'a str>> {
        match self.fields?.get(field) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(_) => {
                self.report(format!("{field}: expected a text"));
                None
            }
        }
    }

    /// Reports fields that this kind of entry does not have.
    fn only(&mut self, known: &[&str]) {
        let names = self.fields.into_iter().flat_map(Map::keys);
        for name in names.filter(|name| !known.contains(&name.as_str())) {
            self.report(format!("{name:?}: no such field here, expected {}", known.join(", ")));
        }
    }

    fn report(&mut self, problem: String) {
        self.mistakes.push(format!("{}: {problem}", self.name));
    }
}

impl fmt::Display for CredentialErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let end = if index > 0 { "\n" } else { "" };
            write!(f, "{end}STOA_VCS_CREDENTIALS: {}: {mistake}", self.file.display())?;
        }
        Ok(())
    }
}
