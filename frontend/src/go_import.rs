//! `/<module>?go-get=1`: the page that says where a module can be had by the GOPROXY
//! protocol (go-modules §1.13).

use axum::response::{IntoResponse, Response};
use http::{
    HeaderMap, HeaderValue, Request,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use stoa_shared::module::ModulePath;

use crate::{
    error::PRIVATE,
    operations::{base_url, escaped},
};

/// The module that the request wants to know the home of, if it is such a request.
pub(crate) fn asked<B>(request: &Request<B>) -> Option<ModulePath> {
    let query = request.uri().query()?;
    let is_asked = query.split('&').any(|parameter| parameter == "go-get=1");
    let path = request.uri().path().strip_prefix('/').filter(|_| is_asked)?;
    path.parse().ok()
}

/// The page for `module`, whose home is this deployment.
pub(crate) fn page(
    public_url: Option<&str>,
    headers: &HeaderMap,
    module: &ModulePath,
    is_private: bool,
) -> Response {
    let base = escaped(&base_url(public_url, headers));
    // A module path has no character that HTML would need escaped.
    let body = format!(
        "<!doctype html>\n<html><head>\n\
         <meta name=\"go-import\" content=\"{module} mod {base}\">\n\
         </head><body>{module}</body></html>\n"
    );
    let cache_control =
        if is_private { PRIVATE } else { HeaderValue::from_static("public, max-age=60") };
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, cache_control)];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_module_path_with_the_parameter_asks() {
        let asked = |uri: &str| {
            asked(&Request::get(uri).body(()).unwrap()).map(|module| module.to_string())
        };
        assert_eq!(asked("/example.com/Mod?go-get=1"), Some("example.com/Mod".to_owned()));
        assert_eq!(asked("/example.com/m?a=b&go-get=1"), Some("example.com/m".to_owned()));
        for other in ["/example.com/m", "/example.com/m?go-get=0", "/?go-get=1", "/m?go-get=1"] {
            assert_eq!(asked(other), None, "{other}");
        }
    }
}
