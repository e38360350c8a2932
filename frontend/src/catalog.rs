//! `/catalog`: which versions are stored here, page by page, for tools (design §5).

use std::collections::HashMap;

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;
use stoa_shared::{
    module::{ModulePath, Version},
    policy::Anonymous,
    storage::{KeyPrefix, StorageError, StorageKey},
};

use crate::{
    access::Caller,
    error::{ApiError, Trouble},
    state::Frontend,
};

/// Versions on a page when nothing is said, as Athens has it.
const PAGE: usize = 1000;

/// The largest page that can be asked for.
const LARGEST_PAGE: usize = 10_000;

/// One page, as Athens has it.
#[derive(Debug, Serialize)]
struct Page {
    modules: Vec<Stored>,
    /// Asked for as `token`, the next page; missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One stored version.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Stored {
    module: ModulePath,
    version: Version,
}

/// `GET /catalog?token=&pagesize=`: public modules, in the order of their escaped paths.
pub(crate) async fn catalog(
    State(frontend): State<Frontend>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let page = match Caller::of(&headers, &frontend.settings).entitlement {
        Anonymous::Full | Anonymous::Public => page(&frontend, &asked).await,
        Anonymous::Nothing => Err(ApiError::unauthorised("catalog")),
    };
    match page {
        Ok(page) => {
            let headers = HeaderMap::from_iter([
                (CONTENT_TYPE, http::HeaderValue::from_static("application/json")),
                (CACHE_CONTROL, http::HeaderValue::from_static("no-store")),
            ]);
            let body = serde_json::to_string(&page).expect("names always serialise");
            (headers, body).into_response()
        }
        Err(error) => error.respond(false),
    }
}

async fn page(frontend: &Frontend, asked: &HashMap<String, String>) -> Result<Page, ApiError> {
    let asked = |name: &str| asked.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let size = asked("pagesize").map_or(Ok(PAGE), page_size)?;
    let prefix = KeyPrefix::catalog();
    let mut after = asked("token").map(|token| place(&prefix, token)).transpose()?;
    // What became private after it was stored still lies among the public modules.
    let private = &frontend.settings.policy.private;
    let mut modules: Vec<Stored> = Vec::new();
    loop {
        // One more than fits tells whether there is a next page.
        let listed = frontend.storage.list(&prefix, after.as_deref(), size + 1).await;
        let listed = listed.map_err(|error: StorageError| ApiError::storage("catalog", error))?;
        let stored = listed.keys.iter().filter_map(|key| stored(&prefix, key));
        for stored in stored.filter(|stored| !private.contains(&stored.module)) {
            if modules.len() == size {
                let next = modules.last().map(|last| token(&prefix, last));
                return Ok(Page { modules, next });
            }
            modules.push(stored);
        }
        after = listed.next;
        if after.is_none() {
            return Ok(Page { modules, next: None });
        }
    }
}

/// What stands in a URL for the place behind `last`.
fn token(prefix: &KeyPrefix, last: &Stored) -> String {
    let key = StorageKey::catalog_entry(&last.module, &last.version);
    let name = key.as_str().strip_prefix(prefix.as_str()).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(name)
}

/// The key behind which the page begins that `token` stands for.
fn place(prefix: &KeyPrefix, token: &str) -> Result<String, ApiError> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    let key = name.map(|name| format!("{}{name}", prefix.as_str()));
    key.filter(|key| stored(prefix, key).is_some()).ok_or_else(|| {
        ApiError::new(Trouble::BadParameter, "token: expected the `next` of another page")
    })
}

fn page_size(text: &str) -> Result<usize, ApiError> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| {
        let message = format!("pagesize: expected a number from 1 to {LARGEST_PAGE}");
        ApiError::new(Trouble::BadParameter, message)
    })
}

/// What a catalog entry's key names: `<module>/@v/<version>.json` below the prefix.
fn stored(prefix: &KeyPrefix, key: &str) -> Option<Stored> {
    let name = key.strip_prefix(prefix.as_str())?.strip_suffix(".json")?;
    let (module, version) = name.rsplit_once("/@v/")?;
    Some(Stored {
        module: ModulePath::from_escaped(module).ok()?,
        version: Version::from_escaped(version).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_version() {
        let (module, version) = ("example.com/Mod/v2", "v2.0.0-Beta");
        let expected =
            Stored { module: module.parse().unwrap(), version: version.parse().unwrap() };
        let key = StorageKey::catalog_entry(&expected.module, &expected.version);
        assert_eq!(stored(&KeyPrefix::catalog(), key.as_str()), Some(expected));
        for other in ["_stoa/catalog/", "_stoa/catalog/x.json", "_stoa/other/a.b/@v/v1.0.0.json"] {
            assert_eq!(stored(&KeyPrefix::catalog(), other), None, "{other}");
        }
    }

    #[test]
    fn a_token_survives_a_url_and_is_none_of_anybodys_making() {
        let prefix = KeyPrefix::catalog();
        let (module, version) = ("example.com/Mod", "v2.0.0+incompatible");
        let last = Stored { module: module.parse().unwrap(), version: version.parse().unwrap() };
        let token = token(&prefix, &last);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let key = StorageKey::catalog_entry(&last.module, &last.version);
        assert_eq!(place(&prefix, &token).unwrap(), key.as_str());
        let nowhere = URL_SAFE_NO_PAD.encode("../x");
        for bad in ["example.com/!mod/@v/v1.0.0.json", "a", &nowhere] {
            assert!(place(&prefix, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_a_bounded_size() {
        assert_eq!(page_size("1").unwrap(), 1);
        assert_eq!(page_size("10000").unwrap(), 10_000);
        for bad in ["0", "10001", "-1", "x", "1.5"] {
            assert!(page_size(bad).is_err(), "{bad}");
        }
    }
}
