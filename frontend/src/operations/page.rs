//! The start page: how to use this proxy.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, VARY},
};

use crate::{access::forwarded_scheme, state::Frontend};

/// HTML for browsers, text for everyone else.
pub(crate) async fn start_page(State(frontend): State<Frontend>, headers: HeaderMap) -> Response {
    let base = base_url(frontend.settings.public_url.as_deref(), &headers);
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (content_type, body) = if accept.contains("text/html") {
        ("text/html; charset=utf-8", html(&base))
    } else {
        ("text/plain; charset=utf-8", text(&base))
    };
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (VARY, "Accept")];
    (headers, body).into_response()
}

/// Where clients reach us: the setting, else the host that the client itself named.
pub(crate) fn base_url(public_url: Option<&str>, headers: &HeaderMap) -> String {
    if let Some(url) = public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST.as_str()).filter(|host| is_authority(host)).unwrap_or("localhost");
    let is_https =
        forwarded_scheme(headers).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let scheme = if is_https { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Host and port, nothing that could end a shell word or a tag.
fn is_authority(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    !host.is_empty() && host.bytes().all(allowed)
}

fn text(base: &str) -> String {
    format!(
        "Stoa, a Go module proxy.\n\n\
         Use it:\n\n    go env -w GOPROXY={base},direct\n\n\
         Look at what it has:\n\n    \
         curl {base}/<module>/@v/list\n    \
         curl {base}/<module>/@v/<version>.info\n\n\
         An upper-case letter in a module path is written as ! and the lower-case letter.\n"
    )
}

fn html(base: &str) -> String {
    let base = escaped(base);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stoa</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }}
pre {{ background: #f3f3f0; padding: .75rem 1rem; overflow-x: auto; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #191919; color: #e6e6e6; }} pre {{ background: #2a2a2a; }} }}
</style>
</head>
<body>
<h1>Stoa</h1>
<p>A Go module proxy. To use it:</p>
<pre>go env -w GOPROXY={base},direct</pre>
<p>To look at what it has:</p>
<pre>curl {base}/&lt;module&gt;/@v/list
curl {base}/&lt;module&gt;/@v/&lt;version&gt;.info</pre>
<p>An upper-case letter in a module path is written as <code>!</code> and the lower-case letter.</p>
</body>
</html>
"#
    )
}

/// The text between tags, or quotes within one.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_base_url_is_where_the_client_came_or_what_was_set() {
        let table = [
            (None, "proxy.example:3000", "http://proxy.example:3000"),
            (None, "[::1]:3000", "http://[::1]:3000"),
            (None, "\"><script>", "http://localhost"),
            (None, "", "http://localhost"),
            (Some("https://go.example/base/"), "other", "https://go.example/base"),
        ];
        for (public_url, host, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::try_from(host).unwrap());
            assert_eq!(base_url(public_url, &headers), expected);
        }
    }

    #[test]
    fn behind_a_tls_terminator_the_base_url_is_https() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("go.example"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert_eq!(base_url(None, &headers), "https://go.example");
    }

    #[test]
    fn what_is_set_cannot_end_a_tag() {
        assert!(html("https://x/?a&b<script>").contains("https://x/?a&amp;b&lt;script&gt;,direct"));
    }
}
