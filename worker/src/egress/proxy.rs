//! ProxySettings: the operator's proxies for outgoing requests.

use std::collections::BTreeSet;
use std::fmt;

use reqwest::{NoProxy, Proxy};
use url::Url;

use super::SetupError;

/// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say. The proxy's own
/// host is exempt from the address check, because the operator named it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    https: Option<String>,
    http: Option<String>,
    no_proxy: Option<String>,
}

impl ProxySettings {
    /// From a process's environment; other variables are skipped. A name in lower
    /// case goes before the same in capitals, as curl has it.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Self::default();
        let mut all = None;
        // Capitals sort first, so the lower-case spelling is applied last.
        let variables: BTreeSet<_> = variables.into_iter().collect();
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "HTTPS_PROXY" | "https_proxy" => settings.https = Some(value),
                "HTTP_PROXY" | "http_proxy" => settings.http = Some(value),
                "ALL_PROXY" | "all_proxy" => all = Some(value),
                "NO_PROXY" | "no_proxy" => settings.no_proxy = Some(value),
                _ => {}
            }
        }
        settings.https = settings.https.or_else(|| all.clone());
        settings.http = settings.http.or(all);
        settings
    }

    /// Whether all requests go out directly.
    pub fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    /// For a child process that connects by itself: names as curl reads them. With
    /// `is_forced` no host is exempt from the proxy.
    pub fn to_variables(&self, is_forced: bool) -> Vec<(&'static str, &str)> {
        let no_proxy = self.no_proxy.as_deref().filter(|_| !is_forced);
        let variables =
            [("https_proxy", self.https.as_deref()), ("http_proxy", self.http.as_deref())];
        let variables = variables.into_iter().chain([("no_proxy", no_proxy)]);
        variables.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let proxies = [&self.https, &self.http].into_iter().flatten();
        proxies.filter_map(|text| Some(parse(text)?.host_str()?.to_owned())).collect()
    }

    pub(super) fn proxies(&self) -> Result<Vec<Proxy>, SetupError> {
        let no_proxy = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let mut proxies = Vec::new();
        if let Some(text) = &self.https {
            let invalid = SetupError::Proxy { variable: "HTTPS_PROXY" };
            let proxy = parse(text).and_then(|url| Proxy::https(url).ok()).ok_or(invalid)?;
            proxies.push(proxy.no_proxy(no_proxy.clone()));
        }
        if let Some(text) = &self.http {
            let invalid = SetupError::Proxy { variable: "HTTP_PROXY" };
            let proxy = parse(text).and_then(|url| Proxy::http(url).ok()).ok_or(invalid)?;
            proxies.push(proxy.no_proxy(no_proxy));
        }
        Ok(proxies)
    }
}

/// A proxy may be given as `host:port`.
fn parse(text: &str) -> Option<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Url::parse(&text).ok().filter(Url::has_host)
}

// A proxy URL may hold a password.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings").field("hosts", &self.hosts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> ProxySettings {
        ProxySettings::from_variables(
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn variables_are_read_as_curl_reads_them() {
        let both = settings(&[
            ("https_proxy", "http://lower:1"),
            ("HTTPS_PROXY", "http://upper:1"),
            ("ALL_PROXY", "all.example:3128"),
            ("NO_PROXY", ".corp"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            both.to_variables(false),
            [
                ("https_proxy", "http://lower:1"),
                ("http_proxy", "all.example:3128"),
                ("no_proxy", ".corp")
            ]
        );
        assert_eq!(both.to_variables(true).len(), 2);
        assert_eq!(both.hosts(), ["all.example", "lower"].map(str::to_owned).into());
        assert!(settings(&[("HTTPS_PROXY", "")]).is_empty());
        assert_eq!(both.proxies().unwrap().len(), 2);
    }

    #[test]
    fn a_password_in_a_proxy_url_is_never_shown() {
        let secret = settings(&[("HTTPS_PROXY", "http://user:hunter2@proxy.corp:3128")]);
        assert!(!format!("{secret:?}").contains("hunter2"));
        let broken = settings(&[("HTTPS_PROXY", "http://user:hunter2@:x")]);
        let error = broken.proxies().err().unwrap().to_string();
        assert_eq!(error, "HTTPS_PROXY: not a proxy URL");
    }
}
