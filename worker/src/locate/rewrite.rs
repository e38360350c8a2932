//! `STOA_VCS_REWRITE`: which addresses the operator has replaced by others.

use std::str::FromStr;

use url::Url;

use crate::vcs::Remote;

/// URL prefixes and what replaces them, written `from=to,from=to`. The longest
/// `from` wins, like git's `insteadOf`. A replaced address is trusted: only there
/// may it be `http` or `file`, or resolve to a private address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrites {
    /// Longest `from` first.
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    from: String,
    to: String,
}

impl Rewrites {
    /// Where to connect to instead of `url`, and whether the operator said so.
    pub fn apply(&self, url: &Url) -> Remote {
        let replaced = self.rules.iter().find_map(|rule| {
            let rest = url.as_str().strip_prefix(&rule.from)?;
            Url::parse(&format!("{}{rest}", rule.to)).ok()
        });
        match replaced {
            Some(url) => Remote { url, is_trusted: true },
            None => Remote { url: url.clone(), is_trusted: false },
        }
    }
}

impl FromStr for Rewrites {
    type Err = InvalidRewrite;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rules: Vec<Rule> = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid = |problem| InvalidRewrite { entry: without_credentials(entry), problem };
            let (from, to) = entry.split_once('=').ok_or_else(|| invalid("has no ="))?;
            let (from, to) = (prefix(from).map_err(invalid)?, prefix(to).map_err(invalid)?);
            if rules.iter().any(|rule| rule.from == from) {
                return Err(invalid("replaces a prefix that an earlier entry replaces"));
            }
            rules.push(Rule { from, to });
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        Ok(Self { rules })
    }
}

/// A mistake in `STOA_VCS_REWRITE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rewrite {entry:?} {problem}")]
pub struct InvalidRewrite {
    /// The entry, without credentials.
    pub entry: String,
    /// Which rule it breaks.
    pub problem: &'static str,
}

/// A URL prefix in normal form. It must reach into the path: what follows a prefix
/// comes from strangers, and must not be able to complete a host name.
fn prefix(text: &str) -> Result<String, &'static str> {
    let (_, after_scheme) = text.split_once("://").ok_or("has a side without ://")?;
    if !after_scheme.contains('/') {
        return Err("has a side without / after the host");
    }
    let url = Url::parse(text).map_err(|_| "has a side that is no URL")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a side with a query or a fragment");
    }
    if url.password().is_some() {
        return Err("has a side with a password");
    }
    Ok(url.into())
}

fn without_credentials(entry: &str) -> String {
    match entry.split_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => entry.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn apply(rewrites: &str, url: &str) -> (String, bool) {
        let remote = rewrites.parse::<Rewrites>().unwrap().apply(&Url::parse(url).unwrap());
        (remote.url.into(), remote.is_trusted)
    }

    #[test]
    fn the_longest_prefix_wins_and_makes_the_address_trusted() {
        let rewrites = "https://g.example/=http://127.0.0.1:80/g/ , \
            https://g.example/org/=file:///srv/org/,https://g.example/o=https://o.example/x-";
        let table = [
            ("https://g.example/a/b", "http://127.0.0.1/g/a/b", true),
            ("https://g.example/", "http://127.0.0.1/g/", true),
            ("https://g.example/org/b", "file:///srv/org/b", true),
            ("https://g.example/other", "https://o.example/x-ther", true),
            ("https://g.example/a?go-get=1", "http://127.0.0.1/g/a?go-get=1", true),
            ("https://g.example/org/../../a", "http://127.0.0.1/g/a", true),
            ("https://g.example/org/%2e%2e/a", "http://127.0.0.1/g/a", true),
            ("https://g.example.evil.example/a", "https://g.example.evil.example/a", false),
            ("http://g.example/a", "http://g.example/a", false),
            ("https://G.example:443/a", "http://127.0.0.1/g/a", true),
        ];
        for (url, expected, is_trusted) in table {
            assert_eq!(apply(rewrites, url), (expected.to_owned(), is_trusted), "{url}");
        }
    }

    #[test]
    fn other_schemes_can_be_replaced_and_prefixes_can_be_trusted_as_they_are() {
        let rewrites =
            "ssh://git@g.example/=https://g.example/,http://i.example/=http://i.example/";
        assert_eq!(apply(rewrites, "ssh://git@g.example/a"), ("https://g.example/a".into(), true));
        assert_eq!(apply(rewrites, "http://i.example/a"), ("http://i.example/a".into(), true));
    }

    #[test]
    fn nothing_is_replaced_without_entries() {
        for empty in ["", " ", ","] {
            assert_eq!(empty.parse(), Ok(Rewrites::default()));
        }
        assert_eq!(apply("", "https://a.example/b"), ("https://a.example/b".into(), false));
    }

    #[test]
    fn mistakes_are_named() {
        let table = [
            ("https://a.example/", "has no ="),
            ("a.example/=https://b.example/", "has a side without ://"),
            ("https://a.example/=", "has a side without ://"),
            ("https://a.example=https://b.example/", "has a side without / after the host"),
            ("https://a.example/=https://b.example", "has a side without / after the host"),
            ("https:///=https://[b/", "has a side that is no URL"),
            ("https://a.example/?x=https://b.example/", "has a side with a query or a fragment"),
            ("https://a.example/=https://b.example/#x", "has a side with a query or a fragment"),
            ("https://a.example/=https://u:p@b.example/", "has a side with a password"),
            (
                "https://a.example/=https://b.example/,https://A.example/=https://c.example/",
                "replaces a prefix that an earlier entry replaces",
            ),
        ];
        for (text, problem) in table {
            assert_eq!(text.parse::<Rewrites>().unwrap_err().problem, problem, "{text}");
        }
    }

    #[test]
    fn a_mistake_does_not_show_credentials() {
        let error = "https://a.example/=https://user:secret@b.example".parse::<Rewrites>();
        assert!(!error.unwrap_err().to_string().contains("secret"));
    }
}
