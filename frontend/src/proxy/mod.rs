//! The GOPROXY protocol (go-modules §1): one handler for its whole URL space.

mod answered;
mod asking;
pub(crate) mod conditional;
mod file;
mod head;
mod miss;
mod source;
mod tally;

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use stoa_shared::{
    answer::Question,
    metrics::{Endpoint, Outcome},
    module::{ModulePath, Version},
    policy::Anonymous,
    protocol::{self, Request as Wanted},
    queue::Cause,
};

use self::{file::File, tally::Tally};
use crate::{
    access::{Caller, via},
    error::{ApiError, Trouble},
    go_import,
    holdings::Holdings,
    settings::FrontendSettings,
    state::Frontend,
    versions::ModuleVersion,
};

/// A client that sends it wants what is stored here and nothing else (design §6).
const DISABLE_MODULE_FETCH: HeaderName = HeaderName::from_static("disable-module-fetch");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const ZIP: HeaderValue = HeaderValue::from_static("application/zip");

/// What became of a request that was not refused.
type Answered = Result<(Outcome, Response), ApiError>;

/// Answers a request for a path of the protocol, or says that it is none.
pub(crate) async fn answer(State(frontend): State<Frontend>, request: Request<Body>) -> Response {
    if let Some(response) = frontend.ready_answer(&request) {
        return response.map(Body::new);
    }
    let asked = Asked::read(&request, &frontend.settings);
    if let Some(module) = go_import::asked(&request) {
        return home_page(&frontend, &asked, &module);
    }
    let wanted = wanted(request.method(), &asked.path);
    let tally = Tally::begin(Arc::clone(&frontend.metrics), endpoint(&wanted));
    let answered = match wanted {
        Ok(wanted) => serve(&frontend, &asked, wanted).await,
        Err(error) => Err(error),
    };
    let (outcome, response) = match answered {
        // A range that the file does not have.
        Ok((_, response)) if response.status().is_client_error() => (Outcome::Refused, response),
        Ok(answered) => answered,
        Err(error) => (error.outcome(), error.respond(asked.is_head)),
    };
    tally.answered(outcome, response)
}

/// What matters of a request beside its endpoint.
struct Asked {
    /// As it arrived, percent-encoded: memory is keyed by it.
    path: String,
    headers: HeaderMap,
    cause: Cause,
    is_head: bool,
    /// Whether a job may be started for it.
    may_ask: bool,
    caller: Caller,
}

impl Asked {
    fn read(request: &Request<Body>, settings: &FrontendSettings) -> Self {
        let is_head = request.method() == Method::HEAD;
        let disabled = request
            .headers()
            .get(DISABLE_MODULE_FETCH)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        Self {
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            cause: Cause {
                request: request.extensions().get().cloned(),
                via: via(request.headers()),
            },
            is_head,
            may_ask: !is_head && !disabled,
            caller: Caller::of(request.headers(), settings),
        }
    }
}

/// Whether the module path allows such a version at all (go-modules §3.4).
fn may_exist(module: &ModulePath, version: &Version) -> bool {
    let (_, major) = module.split_major();
    major.fits(version)
}

/// What the method and the path ask for, if they are the protocol's.
fn wanted(method: &Method, path: &str) -> Result<protocol::Endpoint, ApiError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(ApiError::new(Trouble::MethodNotAllowed, "use GET or HEAD"));
    }
    path.parse().map_err(|error: protocol::EndpointError| {
        ApiError::new(Trouble::Malformed, error.to_string())
    })
}

/// What the request counts as.
fn endpoint(wanted: &Result<protocol::Endpoint, ApiError>) -> Endpoint {
    match wanted.as_ref().map(|wanted| &wanted.request) {
        Ok(Wanted::List) => Endpoint::List,
        Ok(Wanted::Latest) => Endpoint::Latest,
        Ok(Wanted::Info(_)) => Endpoint::Info,
        Ok(Wanted::GoMod(_)) => Endpoint::Mod,
        Ok(Wanted::Zip(_)) => Endpoint::Zip,
        Err(_) => Endpoint::Other,
    }
}

async fn serve(frontend: &Frontend, asked: &Asked, wanted: protocol::Endpoint) -> Answered {
    let holdings = admit(frontend, asked, &wanted.module)?;
    let is_private = holdings.is_private();
    let answered = answer_from(frontend, asked, holdings, wanted).await;
    answered.map_err(|error| error.about_private(is_private))
}

async fn answer_from(
    frontend: &Frontend,
    asked: &Asked,
    holdings: &Holdings,
    wanted: protocol::Endpoint,
) -> Answered {
    let protocol::Endpoint { module, request } = wanted.clone();
    let question = match request {
        Wanted::List => Question::List,
        Wanted::Latest => Question::Latest,
        Wanted::Info(query) => match query.as_version() {
            Some(version) if may_exist(&module, &version) => {
                let id = ModuleVersion { module, version };
                return file::serve(frontend, asked, holdings, &id, File::Info).await;
            }
            // `v2.0.0` of a module without suffix is a tag that `v2.0.0+incompatible`
            // may be made of, and no version itself.
            _ => Question::Query(query),
        },
        Wanted::GoMod(version) => {
            let id = ModuleVersion { module, version };
            return file::serve(frontend, asked, holdings, &id, File::GoMod).await;
        }
        Wanted::Zip(version) => {
            let id = ModuleVersion { module, version };
            return file::serve(frontend, asked, holdings, &id, File::Zip).await;
        }
    };
    answered::serve(frontend, asked, holdings, &wanted, question).await
}

/// The space in which the module lies, for callers who may see it.
fn admit<'a>(
    frontend: &'a Frontend,
    asked: &Asked,
    module: &ModulePath,
) -> Result<&'a Holdings, ApiError> {
    let settings = &frontend.settings;
    if asked.cause.via.contains(&settings.deployment) {
        let message = format!("{module}: the request has been at {} before", settings.deployment);
        return Err(ApiError::new(Trouble::Loop, message));
    }
    let is_private = settings.policy.private.contains(module);
    match (asked.caller.entitlement, is_private) {
        (Anonymous::Full, _) | (Anonymous::Public, false) => {}
        (Anonymous::Public, true) => {
            let message = format!(
                "{module}: private here, and callers without a key get public modules only (STOA_ANONYMOUS)"
            );
            return Err(ApiError::new(Trouble::Refused, message).about_private(true));
        }
        (Anonymous::Nothing, _) => {
            return Err(ApiError::unauthorised(module.as_str()));
        }
    }
    Ok(frontend.holdings(is_private))
}

/// The page that says where the module can be had.
fn home_page(frontend: &Frontend, asked: &Asked, module: &ModulePath) -> Response {
    let settings = &frontend.settings;
    let is_private = settings.policy.private.contains(module);
    let admitted = admit(frontend, asked, module).and_then(|_| {
        let excluded = settings.policy.exclude.find(module, None);
        excluded.map_or(Ok(()), |it| Err(ApiError::excluded(module.as_str(), it, is_private)))
    });
    match admitted {
        Err(error) => error.about_private(is_private).respond(asked.is_head),
        Ok(()) => {
            let public_url = settings.public_url.as_deref();
            go_import::page(public_url, &asked.headers, module, is_private)
        }
    }
}
