//! Misses: what their decision depends on, and redirects.

use axum::{body::Body, response::Response};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, LOCATION},
};
use stoa_shared::{
    config::{NetworkMode, PublicUrl},
    module::{ModulePath, Version},
    policy::{Download, PrivateModules},
    protocol::Endpoint,
    stored_versions::visible_versions,
};

use super::Asked;
use crate::{
    decision::{self, Because, Decision, Situation, Upstream, Wanted},
    error::{ApiError, Trouble},
    holdings::Holdings,
    registry::Registry,
    state::Frontend,
    waits::{self, WaitOver},
};

/// What becomes of a request for a module, or a version of it, that the caller may see.
pub(super) fn decide<'a>(
    frontend: &'a Frontend,
    asked: &Asked,
    holdings: &Holdings,
    module: &ModulePath,
    version: Option<&Version>,
    wanted: Wanted,
) -> Decision<'a> {
    let settings = &frontend.settings;
    let download = settings.policy.download.find(module, version);
    let registry = frontend.registry.as_ref();
    let decision = decision::decide(&Situation {
        exclusion: settings.policy.exclude.find(module, version),
        wanted,
        may_ask: asked.may_ask,
        is_offline: settings.network == NetworkMode::Offline,
        is_private: holdings.is_private(),
        role: settings.role,
        download,
        upstream: registry.map_or(Upstream::None, Registry::state),
        client_can_follow: can_follow(asked, download, registry),
        is_filtered: settings.policy.exclude.excludes_some(module),
    });
    if decision == Decision::RegistryDown
        && let Some(registry) = registry
    {
        registry.miss(module);
    }
    decision
}

/// Whether the client can be sent where the mode says: to a server that lets it in, by a
/// scheme to which it goes (go-modules §1.9).
fn can_follow(asked: &Asked, download: Option<&Download>, registry: Option<&Registry>) -> bool {
    let named = match download {
        Some(Download::Redirect(target) | Download::RedirectAndFill(target)) => target.as_ref(),
        _ => None,
    };
    let registry = registry.filter(|registry| registry.has_the_last_word());
    let target = named.or(registry.map(Registry::public));
    let is_secure = |target: &PublicUrl| target.as_str().starts_with("https://");
    target.is_some_and(|target| !asked.caller.is_https || is_secure(target))
}

/// Hosts whose repositories have two elements below them (go-modules §2.1): the go command
/// probes what is shorter, too, at each `go get`.
const HOSTS_OF_REPOSITORIES: [&str; 2] = ["github.com", "bitbucket.org"];

/// Why nobody needs to be asked: no repository can have the path, or it is the bare host
/// of modules that are private, below which they lie.
pub(super) fn hopeless(private: &PrivateModules, module: &ModulePath) -> Option<ApiError> {
    let absent = |message: String| Some(ApiError::new(Trouble::Absent, message));
    let (host, below) = module.as_str().split_once('/').unwrap_or((module.as_str(), ""));
    if HOSTS_OF_REPOSITORIES.contains(&host) && !below.contains('/') {
        return absent(format!("{module}: not a repository path on {host}"));
    }
    if below.is_empty() && private.contains_as_parent(module) {
        return absent(format!("{module}: private modules lie below it, and it is none"));
    }
    None
}

/// What a client hears where a decision leaves it without an answer.
pub(super) fn refusal(subject: &str, decision: &Decision<'_>, is_private: bool) -> ApiError {
    match decision {
        Decision::Refuse(exclusion) => ApiError::excluded(subject, exclusion, is_private),
        Decision::AbsentAndFill => {
            let message = format!("{subject}: not stored here yet, ask again in a while");
            ApiError::new(Trouble::NotStored, message)
        }
        Decision::RegistryDown => {
            let message = format!(
                "{subject}: not stored here, and the registry does not answer; ask again when it is back"
            );
            ApiError::new(Trouble::RegistryDown, message)
        }
        Decision::NotStored(Because::Offline) if is_private => {
            let message = format!("{subject}: private, and this proxy is offline");
            ApiError::new(Trouble::OutOfReach, message)
        }
        Decision::NotStored(Because::Offline) => not_stored(subject, "this proxy is offline"),
        Decision::NotStored(Because::Mode) => {
            not_stored(subject, "nothing is fetched for it: its download mode is none")
        }
        _ => not_stored(subject, "not to be fetched"),
    }
}

/// The same of a private path that may be no module's, because the go command only looks for
/// one: `go get` asks for every prefix of a package's path and stops at the first 503, so
/// that what may be a package of a stored module is 404.
pub(super) async fn refusal_of_path(
    holdings: &Holdings,
    module: &ModulePath,
    subject: &str,
    decision: &Decision<'_>,
) -> ApiError {
    let is_out_of_reach =
        holdings.is_private() && *decision == Decision::NotStored(Because::Offline);
    if is_out_of_reach {
        for prefix in module.prefixes() {
            match visible_versions(&*holdings.storage, &prefix).await {
                Ok(versions) if versions.is_empty() => {}
                Ok(_) => {
                    let message = format!(
                        "{subject}: not stored here, but {prefix} is, and this proxy is offline"
                    );
                    return ApiError::new(Trouble::NotStored, message);
                }
                Err(error) => return ApiError::storage(subject, error),
            }
        }
    }
    refusal(subject, decision, holdings.is_private())
}

/// What a wait for a fill means.
pub(super) fn filled(
    frontend: &Frontend,
    subject: &str,
    outcome: Result<waits::Outcome, WaitOver>,
) -> Result<(), ApiError> {
    match outcome.map_err(|over| ApiError::wait_over(subject, over))? {
        waits::Outcome::Filled | waits::Outcome::Answered(_) => Ok(()),
        waits::Outcome::Failed(failure) => {
            frontend.heard_of(&failure);
            Err(ApiError::failed(subject, &failure))
        }
        waits::Outcome::StorageUnavailable(error) => Err(ApiError::storage(subject, error)),
        waits::Outcome::QueueUnavailable => Err(ApiError::queue_unavailable(subject)),
    }
}

fn not_stored(subject: &str, reason: &str) -> ApiError {
    ApiError::new(Trouble::NotStored, format!("{subject}: not stored here, and {reason}"))
}

/// The same request at another server.
pub(super) fn redirect(to: &PublicUrl, wanted: &Endpoint) -> Response {
    redirect_to(&format!("{to}{wanted}"))
}

/// A place that may be another tomorrow.
pub(super) fn redirect_to(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
    // What is put together here has the characters of a URL only.
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_repository_can_be_called_is_known_without_asking() {
        let private = ["git.corp.example/*", "go.corp.example", "github.com/corp/*"];
        let private = private.iter().map(|pattern| pattern.parse().unwrap()).collect();
        let is_hopeless = |module: &str| hopeless(&private, &module.parse().unwrap()).is_some();
        for module in ["github.com", "github.com/x", "bitbucket.org/x", "git.corp.example"] {
            assert!(is_hopeless(module), "{module}");
        }
        for module in [
            "github.com/x/y",
            "github.com/x/y/z/v2",
            "gitlab.com/x",
            "x.github.com/y",
            "git.corp.example/team",
            "go.corp.example",
            "example.com",
        ] {
            assert!(!is_hopeless(module), "{module}");
        }
    }
}
