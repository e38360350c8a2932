//! What a `go-import` tag may name (go-modules §2.3, §7.4). Tags come from strangers:
//! anything but a plain `https` address needs the operator's word.

use url::Url;

use crate::rewrite::Rewrites;

use super::{Repository, excerpt::excerpt, meta_tags::MetaImport};

/// The repository that a tag names, if we use such.
pub fn repository(tag: &MetaImport, rewrites: &Rewrites) -> Result<Repository, Refusal> {
    if !matches!(tag.vcs.as_str(), "git" | "mod") {
        return Err(Refusal::UnsupportedVcs { vcs: excerpt(&tag.vcs) });
    }
    if tag.url.len() > MAX_FIELD_BYTES || tag.subdir.len() > MAX_FIELD_BYTES {
        return Err(Refusal::TooLong);
    }
    if tag.vcs == "git" && tag.subdir.starts_with(['/', '-']) {
        return Err(Refusal::Subdir { subdir: excerpt(&tag.subdir) });
    }
    let (scheme, _) = tag.url.split_once("://").ok_or(Refusal::NotAUrl)?;
    let url = Url::parse(&tag.url).map_err(|_| Refusal::NotAUrl)?;
    // The parser also takes spellings such as `https:a://b` for what they are not.
    if !scheme.eq_ignore_ascii_case(url.scheme()) {
        return Err(Refusal::NotAUrl);
    }
    let address = rewrites.apply(&url);
    if !address.is_trusted && url.scheme() != "https" {
        return Err(Refusal::Scheme { scheme: excerpt(url.scheme()) });
    }
    // The user of an ssh URL says who serves, and is no secret.
    let has_user = !url.username().is_empty() && url.scheme() != "ssh";
    if has_user || url.password().is_some() {
        return Err(Refusal::Credentials);
    }
    Ok(match tag.vcs.as_str() {
        "mod" => Repository::Mod { base: address },
        _ => Repository::Git { url, remote: address },
    })
}

/// No real address or directory comes near; longer ones would only swell messages.
const MAX_FIELD_BYTES: usize = 2048;

/// Why a tag is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither `git` nor `mod`.
    #[error("version control system {vcs:?} is not supported")]
    UnsupportedVcs {
        /// As declared, an excerpt.
        vcs: String,
    },
    /// The address or the subdirectory has more than 2048 bytes.
    #[error("its go-import tag is too long")]
    TooLong,
    /// The repository's address is no URL.
    #[error("the repository in its go-import tag is not a URL")]
    NotAUrl,
    /// The repository's address is not `https`.
    #[error("the repository in its go-import tag has the scheme {scheme:?}, only https is used")]
    Scheme {
        /// As declared, an excerpt.
        scheme: String,
    },
    /// The repository's address has a user name or a password.
    #[error("the repository in its go-import tag has credentials")]
    Credentials,
    /// The subdirectory starts with a slash or a hyphen.
    #[error("the subdirectory {subdir:?} in its go-import tag starts with a slash or a hyphen")]
    Subdir {
        /// As declared, an excerpt.
        subdir: String,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::vcs::Remote;

    fn declared(vcs: &str, url: &str, subdir: &str) -> Result<Repository, Refusal> {
        let rewrites = "ssh://git@trusted.example/=https://trusted.example/,\
            http://trusted.example/=http://127.0.0.1/"
            .split(',')
            .map(|rule| rule.parse().unwrap())
            .collect();
        let tag = MetaImport {
            prefix: "h.example".into(),
            vcs: vcs.into(),
            url: url.into(),
            subdir: subdir.into(),
        };
        repository(&tag, &rewrites)
    }

    #[test]
    fn https_addresses_are_used_as_they_are() {
        let url = Url::parse("https://h.example/r.git").unwrap();
        let remote = Remote { url: url.clone(), is_trusted: false };
        for subdir in ["", "a/b", "..", "."] {
            let expected = Repository::Git { url: url.clone(), remote: remote.clone() };
            assert_eq!(declared("git", "https://h.example/r.git", subdir), Ok(expected));
        }
        assert!(declared("git", "HTTPS://h.example:8443/r", "").is_ok());
    }

    #[test]
    fn a_proxy_base_has_no_subdirectory_to_refuse() {
        let base = Remote { url: Url::parse("https://p.example/go").unwrap(), is_trusted: false };
        assert_eq!(declared("mod", "https://p.example/go", "/x"), Ok(Repository::Mod { base }));
    }

    #[test]
    fn other_addresses_need_the_operators_word() {
        let url = Url::parse("ssh://git@trusted.example/r").unwrap();
        let to = Url::parse("https://trusted.example/r").unwrap();
        let expected = Repository::Git { url, remote: Remote { url: to, is_trusted: true } };
        assert_eq!(declared("git", "ssh://git@trusted.example/r", ""), Ok(expected));

        let to = Url::parse("http://127.0.0.1/go").unwrap();
        let expected = Repository::Mod { base: Remote { url: to, is_trusted: true } };
        assert_eq!(declared("mod", "http://trusted.example/go", ""), Ok(expected));
    }

    #[test]
    fn what_is_refused_and_why() {
        let scheme = |scheme: &str| Refusal::Scheme { scheme: scheme.into() };
        let vcs = |vcs: &str| Refusal::UnsupportedVcs { vcs: vcs.into() };
        let subdir = |subdir: &str| Refusal::Subdir { subdir: subdir.into() };
        let table = [
            ("hg", "https://h.example/r", "", vcs("hg")),
            ("GIT", "https://h.example/r", "", vcs("GIT")),
            ("git", "https://h.example/r", "/a", subdir("/a")),
            ("git", "https://h.example/r", "-a", subdir("-a")),
            ("git", "http://h.example/r", "", scheme("http")),
            ("mod", "http://h.example/r", "", scheme("http")),
            ("git", "git://h.example/r", "", scheme("git")),
            ("git", "file:///srv/r", "", scheme("file")),
            ("mod", "file:///srv/r", "", scheme("file")),
            ("git", "ssh://git@h.example/r", "", scheme("ssh")),
            ("git", "ext::sh://x", "", Refusal::NotAUrl),
            ("git", "git@h.example:r", "", Refusal::NotAUrl),
            ("git", "h.example/r", "", Refusal::NotAUrl),
            ("git", "://h.example/r", "", Refusal::NotAUrl),
            ("git", "https:h.example/r", "", Refusal::NotAUrl),
            ("git", "https:h.example://r", "", Refusal::NotAUrl),
            ("git", "https://", "", Refusal::NotAUrl),
            ("git", "https://user@h.example/r", "", Refusal::Credentials),
            ("git", "https://user:secret@h.example/r", "", Refusal::Credentials),
            ("mod", "https://:secret@h.example/r", "", Refusal::Credentials),
        ];
        for (vcs, url, subdir, refusal) in table {
            let found = declared(vcs, url, subdir).unwrap_err();
            assert_eq!(found, refusal, "{vcs} {url} {subdir}");
            assert!(!found.to_string().contains("secret"), "{found}");
        }
    }

    #[test]
    fn what_is_too_long_to_be_true() {
        let long = "é".repeat(1025);
        assert_eq!(
            declared("git", &format!("https://h.example/{long}"), ""),
            Err(Refusal::TooLong)
        );
        assert_eq!(declared("git", "https://h.example/r", &long), Err(Refusal::TooLong));
        assert!(declared("git", "https://h.example/r", &long[2..]).is_ok());
        let message = declared(&long, "https://h.example/r", "").unwrap_err().to_string();
        assert!(message.len() < 300, "{message}");
    }
}
