//! `STOA_VCS_REWRITE`: which addresses the operator has replaced by others.

use stoa_shared::config::UrlRewrite;
use url::Url;

use crate::{credentials::Credentials, vcs::Remote};

/// URL prefixes and what replaces them. The longest `from` wins, like git's
/// `insteadOf`. A replaced address is trusted: only there may it be `http` or `file`,
/// or resolve to a private address.
#[derive(Debug, Clone, Default)]
pub struct Rewrites {
    /// Longest `from` first.
    rules: Vec<UrlRewrite>,
    /// Hosts that are trusted as they are, over HTTPS and SSH.
    named: Credentials,
}

impl Rewrites {
    /// The same, with trust in the hosts that the operator has named by credentials: they
    /// may resolve to private addresses.
    #[must_use]
    pub fn with_named(self, named: Credentials) -> Self {
        Self { named, ..self }
    }

    /// Where to connect to instead of `url`, and whether the operator said so. A path
    /// that would leave the target once somebody decodes it is not replaced: what follows
    /// a prefix comes from strangers.
    pub fn apply(&self, url: &Url) -> Remote {
        self.apply_where(url, |_| true)
    }

    /// The same for a page: no page is behind SSH, where repositories may be.
    pub fn apply_to_page(&self, url: &Url) -> Remote {
        self.apply_where(url, |rule| !rule.to().starts_with("ssh:"))
    }

    fn apply_where(&self, url: &Url, counts: impl Fn(&UrlRewrite) -> bool) -> Remote {
        let mut rules = self.rules.iter().filter(|rule| counts(rule));
        let replaced = match hides_separators(url) {
            true => None,
            false => rules.find_map(|rule| Url::parse(&rule.apply(url.as_str())?).ok()),
        };
        match replaced {
            Some(url) => Remote { url, is_trusted: true },
            None => Remote { url: url.clone(), is_trusted: self.named.name(url) },
        }
    }
}

/// Whether the path has a separator, or an end of text, that parsing did not see.
fn hides_separators(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    ["%2f", "%5c", "%00"].iter().any(|hidden| path.contains(hidden))
}

impl FromIterator<UrlRewrite> for Rewrites {
    fn from_iter<I: IntoIterator<Item = UrlRewrite>>(rules: I) -> Self {
        let mut rules: Vec<_> = rules.into_iter().collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.from().len()));
        Self { rules, named: Credentials::default() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn apply(rewrites: &str, url: &str) -> (String, bool) {
        let rules = rewrites.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        let rewrites: Rewrites = rules.map(|rule| rule.parse().unwrap()).collect();
        let remote = rewrites.apply(&Url::parse(url).unwrap());
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
            ("https://g.example/org/..%2f..%2Fetc", "https://g.example/org/..%2f..%2Fetc", false),
            ("https://g.example/org/..%5ca", "https://g.example/org/..%5ca", false),
            ("https://g.example/org/a%00", "https://g.example/org/a%00", false),
            ("https://g.example/org/a%20b", "file:///srv/org/a%20b", true),
        ];
        for (url, expected, is_trusted) in table {
            assert_eq!(apply(rewrites, url), (expected.to_owned(), is_trusted), "{url}");
        }
    }

    #[test]
    fn other_schemes_can_be_replaced_and_prefixes_can_be_trusted_as_they_are() {
        let rewrites = "ssh://g.example/=https://g.example/,http://i.example/=http://i.example/";
        assert_eq!(apply(rewrites, "ssh://g.example/a"), ("https://g.example/a".into(), true));
        assert_eq!(apply(rewrites, "http://i.example/a"), ("http://i.example/a".into(), true));
    }

    #[test]
    fn a_page_is_never_asked_over_ssh() {
        let rules = [
            "https://g.example/team/=ssh://git@g.example/team/",
            "https://g.example/=http://i.example/g/",
        ];
        let rewrites: Rewrites = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let url = Url::parse("https://g.example/team/a?go-get=1").unwrap();
        assert_eq!(rewrites.apply(&url).url.scheme(), "ssh");
        let page = rewrites.apply_to_page(&url);
        assert_eq!(page.url.as_str(), "http://i.example/g/team/a?go-get=1");
    }

    #[test]
    fn nothing_is_replaced_without_entries() {
        assert_eq!(apply("", "https://a.example/b"), ("https://a.example/b".into(), false));
    }
}
