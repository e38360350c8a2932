//! The GOPROXY protocol (go-modules §1): one handler for its whole URL space.

mod answered;
pub(crate) mod conditional;
mod file;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use stoa_shared::{
    answer::Question,
    module::{ModulePath, Version},
    protocol::{self, Endpoint},
};

use crate::{
    error::{ApiError, Trouble},
    metrics::Kind,
    state::Frontend,
    versions::ModuleVersion,
};

/// A client that sends it wants what is stored here and nothing else (design §6).
const DISABLE_MODULE_FETCH: HeaderName = HeaderName::from_static("disable-module-fetch");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const ZIP: HeaderValue = HeaderValue::from_static("application/zip");

/// Answers a request for a path of the protocol, or says that it is none.
pub(crate) async fn answer(State(frontend): State<Frontend>, request: Request<Body>) -> Response {
    if let Some((kind, response)) = frontend.hot.answer(&request) {
        frontend.metrics.count_memory_hit(kind);
        return response.map(Body::new);
    }
    let asked = Asked::read(&request);
    let (kind, result) = dispatch(&frontend, &asked, request.method()).await;
    let response = result.unwrap_or_else(|error| error.respond(asked.is_head));
    frontend.metrics.count_request(kind, response.status());
    response
}

/// What matters of a request beside its endpoint.
struct Asked {
    /// As it arrived, percent-encoded: memory is keyed by it.
    path: String,
    headers: HeaderMap,
    is_head: bool,
    /// Whether a job may be started for it.
    may_ask: bool,
}

impl Asked {
    fn read(request: &Request<Body>) -> Self {
        let is_head = request.method() == Method::HEAD;
        let disabled = request
            .headers()
            .get(DISABLE_MODULE_FETCH)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        Self {
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            is_head,
            may_ask: !is_head && !disabled,
        }
    }
}

/// Whether the module path allows such a version at all (go-modules §3.4).
fn may_exist(module: &ModulePath, version: &Version) -> bool {
    let (_, major) = module.split_major();
    major.fits(version)
}

async fn dispatch(
    frontend: &Frontend,
    asked: &Asked,
    method: &Method,
) -> (Kind, Result<Response, ApiError>) {
    if method != Method::GET && method != Method::HEAD {
        let error = ApiError::new(Trouble::MethodNotAllowed, "use GET or HEAD");
        return (Kind::Unknown, Err(error));
    }
    let Endpoint { module, request } = match asked.path.parse::<Endpoint>() {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let error = ApiError::new(Trouble::Malformed, error.to_string());
            return (Kind::Unknown, Err(error));
        }
    };
    match request {
        protocol::Request::List => {
            (Kind::List, answered::serve(frontend, asked, &module, Question::List).await)
        }
        protocol::Request::Latest => {
            (Kind::Latest, answered::serve(frontend, asked, &module, Question::Latest).await)
        }
        protocol::Request::Info(query) => match query.as_version() {
            Some(version) if may_exist(&module, &version) => {
                let id = ModuleVersion { module, version };
                (Kind::Info, file::serve(frontend, asked, &id, file::File::Info).await)
            }
            // `v2.0.0` of a module without suffix is a tag that `v2.0.0+incompatible`
            // may be made of, and no version itself.
            _ => {
                let question = Question::Query(query);
                (Kind::Query, answered::serve(frontend, asked, &module, question).await)
            }
        },
        protocol::Request::GoMod(version) => {
            let id = ModuleVersion { module, version };
            (Kind::GoMod, file::serve(frontend, asked, &id, file::File::GoMod).await)
        }
        protocol::Request::Zip(version) => {
            let id = ModuleVersion { module, version };
            (Kind::Zip, file::serve(frontend, asked, &id, file::File::Zip).await)
        }
    }
}
