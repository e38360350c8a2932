//! The hot path: ready responses in memory, by raw URL path, found before anything is parsed.
//!
//! What never changes stays until memory is needed; an answer that may change stays
//! until its freshness ends.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RANGE},
};
use http_body_util::Full;
use moka::sync::Cache;
use stoa_shared::{
    metrics::{Endpoint, Metrics, Outcome},
    module::ModulePath,
    protocol,
};

use crate::proxy::conditional;

/// Larger documents are streamed from storage each time, so that few of them cannot
/// push out many small ones, and no request holds more than this of an object.
pub(crate) const LARGEST_DOCUMENT: u64 = 64 << 10;

/// What one entry costs beside its body and its path: headers, map and policy, measured in bytes.
const ENTRY_OVERHEAD: usize = 512;

/// Bounded memory of ready responses.
pub(crate) struct HotCache {
    entries: Cache<String, Arc<Document>>,
    metrics: Arc<Metrics>,
}

/// A whole small response body and what is said about it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) endpoint: Endpoint,
    /// How requests that are answered with it end: hit or stale.
    pub(crate) outcome: Outcome,
    pub(crate) content_type: HeaderValue,
    pub(crate) cache_control: HeaderValue,
    /// Quoted, strong.
    pub(crate) etag: Option<HeaderValue>,
    /// Whether parts of it may be asked for: then a request with `Range` is not answered here.
    pub(crate) accepts_ranges: bool,
    /// Not to be used from then on; `None` for what never changes.
    pub(crate) fresh_until: Option<Instant>,
    pub(crate) body: Bytes,
}

impl HotCache {
    /// At most `bytes` of memory, counted roughly.
    pub(crate) fn new(bytes: u64, metrics: Arc<Metrics>) -> Self {
        let weigh = |path: &String, document: &Arc<Document>| {
            let size = path.len() + document.body.len() + ENTRY_OVERHEAD;
            u32::try_from(size).unwrap_or(u32::MAX)
        };
        Self { entries: Cache::builder().max_capacity(bytes).weigher(weigh).build(), metrics }
    }

    /// The ready response to the request, if there is one. Counting it is one atomic
    /// addition; a clock and a histogram would cost several times that.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        let is_head = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => return None,
        };
        let document = self.entries.get(request.uri().path())?;
        if document.fresh_until.is_some_and(|end| Instant::now() >= end)
            || (document.accepts_ranges && request.headers().contains_key(RANGE))
        {
            return None;
        }
        self.metrics.requests(document.endpoint, document.outcome).inc();
        Some(document.respond(is_head, request.headers()))
    }

    /// Sets the gauges of what is held, exact once nothing is being added.
    pub(crate) fn measure(&self) {
        self.entries.run_pending_tasks();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.memory_cache_bytes().set(gauge(self.entries.weighted_size()));
        self.metrics.memory_cache_entries().set(gauge(self.entries.entry_count()));
    }

    /// Forgets the module's list and latest version, by the paths that clients use.
    pub(crate) fn forget_answers(&self, module: &ModulePath) {
        for request in [protocol::Request::List, protocol::Request::Latest] {
            let endpoint = protocol::Endpoint { module: module.clone(), request };
            let encoded = endpoint.to_string();
            self.entries.invalidate(&encoded.replace("%21", "!"));
            self.entries.invalidate(&encoded);
        }
    }

    /// Remembers the response to GET `path`.
    pub(crate) fn remember(&self, path: &str, document: Arc<Document>) {
        self.entries.insert(path.to_owned(), document);
    }
}

impl Document {
    /// The response to a GET, or to a HEAD, with these request headers.
    pub(crate) fn respond(&self, is_head: bool, asked: &HeaderMap) -> Response<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        if let Some(etag) = &self.etag {
            headers.insert(ETAG, etag.clone());
            if conditional::is_known(asked, etag) {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                *response.headers_mut() = headers;
                return response;
            }
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        if self.accepts_ranges {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        let body = if is_head {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            Full::default()
        } else {
            // The server writes Content-Length from the body's exact size.
            Full::new(self.body.clone())
        };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::IF_NONE_MATCH;

    use super::*;

    fn cache(bytes: u64) -> HotCache {
        HotCache::new(bytes, Arc::default())
    }

    fn document(fresh_until: Option<Instant>) -> Arc<Document> {
        Arc::new(Document {
            endpoint: Endpoint::Info,
            outcome: Outcome::Hit,
            content_type: HeaderValue::from_static("application/json"),
            cache_control: HeaderValue::from_static("public"),
            etag: Some(HeaderValue::from_static("\"e\"")),
            accepts_ranges: false,
            fresh_until,
            body: Bytes::from_static(b"{}"),
        })
    }

    fn get(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    #[test]
    fn what_is_no_longer_fresh_is_not_used() {
        let hot = cache(1 << 20);
        hot.remember("/never-changes", document(None));
        hot.remember("/fresh", document(Some(Instant::now() + Duration::from_secs(60))));
        hot.remember("/stale", document(Some(Instant::now())));
        assert!(hot.answer(&get("/never-changes")).is_some());
        assert!(hot.answer(&get("/fresh?query=ignored")).is_some());
        assert!(hot.answer(&get("/stale")).is_none());
        assert!(hot.answer(&get("/unknown")).is_none());
        assert_eq!(hot.metrics.requests(Endpoint::Info, Outcome::Hit).get(), 2);
    }

    #[test]
    fn a_refreshed_module_is_looked_up_again() {
        let hot = cache(1 << 20);
        let until = Some(Instant::now() + Duration::from_secs(60));
        let answers = [
            "/a.b/%21mod/@v/list",
            "/a.b/!mod/@v/list",
            "/a.b/%21mod/@latest",
            "/a.b/!mod/@latest",
        ];
        for path in answers.into_iter().chain(["/a.b/%21mod/@v/v1.0.0.info"]) {
            hot.remember(path, document(until));
        }
        hot.forget_answers(&"a.b/Mod".parse().unwrap());
        for path in answers {
            assert!(hot.answer(&get(path)).is_none(), "{path}");
        }
        assert!(hot.answer(&get("/a.b/%21mod/@v/v1.0.0.info")).is_some());
    }

    #[test]
    fn only_reading_is_answered_from_memory() {
        let hot = cache(1 << 20);
        hot.remember("/x", document(None));
        assert!(hot.answer(&Request::post("/x").body(()).unwrap()).is_none());
        let response = hot.answer(&Request::head("/x").body(()).unwrap()).unwrap();
        assert_eq!(response.headers()[CONTENT_LENGTH], "2");
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let conditional = Request::get("/x").header(IF_NONE_MATCH, "\"e\"").body(()).unwrap();
        let response = document(None).respond(false, conditional.headers());
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert!(!response.headers().contains_key(CONTENT_TYPE));
    }

    #[test]
    fn memory_is_bounded() {
        let hot = cache(20 * ENTRY_OVERHEAD as u64);
        for number in 0..1000 {
            hot.remember(&format!("/{number}"), document(None));
        }
        hot.measure();
        let (entries, bytes) =
            (hot.metrics.memory_cache_entries().get(), hot.metrics.memory_cache_bytes().get());
        assert!((1..=20).contains(&entries), "{entries}");
        assert!(bytes > entries * ENTRY_OVERHEAD as i64, "{bytes}");
        assert!(bytes <= 20 * ENTRY_OVERHEAD as i64, "{bytes}");
    }
}
