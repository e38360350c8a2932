//! URLs in settings: our own, and the prefixes of rewrites.

use std::{fmt, str::FromStr};

use url::Url;

use super::InvalidValue;

/// Our base URL as others reach it: `http` or `https`, without credentials, query,
/// fragment and final slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// URLs that start with `from` are fetched from `to` instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlRewrite {
    from: String,
    to: String,
}

impl PublicUrl {
    /// The URL as text, without a final slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL that was found to be one already.
    pub(super) fn of(url: &Url) -> Self {
        Self(url.as_str().trim_end_matches('/').to_owned())
    }
}

impl UrlRewrite {
    /// The prefix to be replaced: `http`, `https`, `ssh` or `git`.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// What stands there instead; `file` is possible, too.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// `url` with the prefix replaced; `None` if it does not start with it.
    pub fn apply(&self, url: &str) -> Option<String> {
        url.strip_prefix(&self.from).map(|rest| format!("{}{rest}", self.to))
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Ok(Self::of(&parse(text, &["http", "https"])?))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UrlRewrite {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (from, to) = text
            .split_once('=')
            .ok_or_else(|| InvalidValue::new("expected from=to, both URL prefixes"))?;
        let from = prefix(from, &["http", "https", "ssh", "git"])?;
        let to = prefix(to, &["http", "https", "ssh", "git", "file"])?;
        if from.ends_with('/') && !to.ends_with('/') {
            return Err(InvalidValue::new("where `from` ends with a slash, `to` has to, too"));
        }
        Ok(Self { from, to })
    }
}

/// A URL prefix in normal form. It must reach into the path: what follows a prefix
/// comes from strangers, and must not be able to complete a host name.
fn prefix(text: &str, schemes: &[&str]) -> Result<String, InvalidValue> {
    let url = parse(text, schemes)?;
    let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
    if !after_scheme.contains('/') {
        return Err(InvalidValue::new("expected a / after the host on both sides"));
    }
    Ok(url.into())
}

/// The refusals never repeat the URL: it may hold a password.
fn parse(text: &str, schemes: &[&str]) -> Result<Url, InvalidValue> {
    let url =
        Url::parse(text).map_err(|error| InvalidValue::new(format!("expected a URL: {error}")))?;
    if !schemes.contains(&url.scheme()) {
        return Err(InvalidValue::new(format!(
            "expected a URL that starts with {}",
            schemes.join(", ")
        )));
    }
    // The user of an ssh URL says who serves, and is no secret.
    let has_user = !url.username().is_empty() && url.scheme() != "ssh";
    if has_user || url.password().is_some() {
        return Err(InvalidValue::new("credentials do not belong in a URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidValue::new("expected a URL without query and fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_plain_base() {
        for (text, base) in [
            ("https://go.example.org/", "https://go.example.org"),
            ("http://a:8080/x/", "http://a:8080/x"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().as_str(), base);
        }
        for bad in
            ["", "go.example.org", "ftp://a", "https://a?b", "https://a#b", "https://u:hunter2@a"]
        {
            let refusal = bad.parse::<PublicUrl>().unwrap_err().to_string();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_rewrite_replaces_a_prefix() {
        let rewrite: UrlRewrite =
            "https://github.com/=http://127.0.0.1:8093/github.com/".parse().unwrap();
        assert_eq!(
            rewrite.apply("https://github.com/a/b").as_deref(),
            Some("http://127.0.0.1:8093/github.com/a/b")
        );
        assert_eq!(rewrite.apply("https://gitlab.com/a/b"), None);
        assert!("https://a.example/=file:///srv/git/".parse::<UrlRewrite>().is_ok());
    }

    #[test]
    fn a_rewrite_that_could_surprise_is_refused() {
        for bad in [
            "",
            "https://a/",
            "a=b",
            "file:///a/=https://b/",
            "https://a/=javascript:x",
            "https://a/=https://b",
            "https://a=https://b/",
            "https://a/=https://u:hunter2@b/",
        ] {
            let refusal = bad.parse::<UrlRewrite>().unwrap_err().to_string();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}
