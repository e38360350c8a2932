//! Access: who asks, as far as a request without a key tells, and what that entitles to.

use http::{
    HeaderMap, HeaderName,
    header::{FORWARDED, VIA},
};
use stoa_shared::{policy::Anonymous, via::Via};

use crate::settings::FrontendSettings;

/// Headers that tell of somebody else behind the one who connects.
const FORWARDING: [HeaderName; 5] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    VIA,
];

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// What it gets.
    pub(crate) entitlement: Anonymous,
    /// Whether it came by https, and so can be sent on by https only (go-modules §1.9).
    pub(crate) is_https: bool,
}

impl Caller {
    /// What the headers tell.
    pub(crate) fn of(headers: &HeaderMap, settings: &FrontendSettings) -> Self {
        let is_forwarded = FORWARDING.iter().any(|name| headers.contains_key(name))
            || headers.contains_key(FORWARDED_PROTO);
        let entitlement =
            Anonymous::entitlement(settings.anonymous, settings.listens_on_loopback, is_forwarded);
        Self { entitlement, is_https: is_https(headers, settings.public_url.as_deref()) }
    }
}

/// By which scheme the client came: as the one who ended its TLS says, else as we are
/// known to clients.
fn is_https(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    match forwarded_scheme(headers) {
        Some(scheme) => scheme.eq_ignore_ascii_case("https"),
        None => public_url.is_some_and(|url| url.starts_with("https://")),
    }
}

/// The scheme by which the client came, as whoever ended its TLS says. Each further proxy
/// may have added its own behind a comma. (RFC 7239 §5.4; the other header is older.)
pub(crate) fn forwarded_scheme(headers: &HeaderMap) -> Option<&str> {
    let first = |name| Some(headers.get(name)?.to_str().ok()?.split(',').next()?.trim());
    let of_standard = || {
        let mut pairs = first(FORWARDED)?.split(';').filter_map(|pair| pair.split_once('='));
        let (_, scheme) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("proto"))?;
        Some(scheme.trim().trim_matches('"'))
    };
    first(FORWARDED_PROTO).or_else(of_standard)
}

/// The deployments that the request came by.
pub(crate) fn via(headers: &HeaderMap) -> Via {
    Via::of_headers(headers.get_all(VIA).into_iter().filter_map(|value| value.to_str().ok()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn whoever_is_forwarded_is_not_on_this_machine() {
        let settings = FrontendSettings { listens_on_loopback: true, ..Default::default() };
        let entitlement = |pairs: &[(&'static str, &'static str)]| {
            Caller::of(&headers(pairs), &settings).entitlement
        };
        assert_eq!(entitlement(&[("host", "a"), ("user-agent", "b")]), Anonymous::Full);
        for forwarded in [
            ("forwarded", "for=a"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "a"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "10.0.0.1"),
            ("via", "1.1 om"),
        ] {
            assert_eq!(entitlement(&[forwarded]), Anonymous::Public, "{forwarded:?}");
        }
    }

    #[test]
    fn the_scheme_is_the_clients() {
        let https = |pairs: &[(&'static str, &'static str)], url| is_https(&headers(pairs), url);
        assert!(https(&[("x-forwarded-proto", "https")], None));
        assert!(https(&[("x-forwarded-proto", "https, http")], None));
        assert!(!https(&[("x-forwarded-proto", "http,https")], None));
        assert!(!https(&[("x-forwarded-proto", "http")], Some("https://go.example")));
        assert!(https(&[("forwarded", "for=10.0.0.1;Proto=https;by=a, proto=http")], None));
        assert!(https(&[("forwarded", "proto=\"https\"")], None));
        assert!(!https(&[("forwarded", "for=10.0.0.1")], None));
        assert!(https(&[], Some("https://go.example")));
        assert!(!https(&[], Some("http://go.example")));
        assert!(!https(&[], None));
    }
}
