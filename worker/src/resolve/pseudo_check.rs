//! Whether a pseudo-version that somebody names is one of its commit's
//! (go-modules §3.7).

use stoa_shared::module::{PathMajor, PseudoVersion, semver};

use super::{Found, Place};
use crate::{
    failure::Failure,
    repository::{Listing, Repository, off_the_runtime},
};

/// Refuses a pseudo-version whose hash, time or base does not belong to the commit.
pub(super) async fn check_pseudo_version(
    repository: &Repository,
    listing: &Listing,
    place: &Place,
    found: &Found,
    version: &str,
) -> Result<(), Failure> {
    let invalid =
        |reason: String| Failure::Invalid(format!("{version}: invalid pseudo-version: {reason}"));
    let parsed =
        PseudoVersion::parse(version).map_err(|error| Failure::Invalid(error.to_string()))?;
    let short = found.commit.short();
    if parsed.revision() != short {
        let relation = if parsed.revision().starts_with(&short) {
            "is longer than canonical"
        } else if short.starts_with(parsed.revision()) {
            "is shorter than canonical"
        } else {
            "does not match short name of revision"
        };
        return Err(invalid(format!("revision {relation} (expected {short})")));
    }
    if parsed.time() != found.time {
        let expected = found.time.strftime("%Y%m%d%H%M%S");
        return Err(invalid(format!(
            "does not match version-control timestamp (expected {expected})"
        )));
    }
    let Some(base) = parsed.base() else {
        if place.path_major == PathMajor::Unsuffixed && semver::major(version) == "v1" {
            return Err(invalid(
                "major version without preceding tag must be v0, not v1".to_owned(),
            ));
        }
        return Ok(());
    };
    let version_of = |tag: &str| tag.strip_prefix(&place.tag_prefix).unwrap_or(tag).to_owned();
    if let Some(tag) = found.tags.iter().find(|tag| version_of(tag) == base) {
        return Err(invalid(format!(
            "tag ({tag}) found on revision {short} is already canonical, so should not be \
             replaced with a pseudo-version derived from that tag"
        )));
    }
    let is_base = |name: &str| {
        let rest = name.strip_prefix(&place.tag_prefix);
        rest.is_some_and(|rest| rest.starts_with(base) && semver::compare(rest, base).is_eq())
    };
    let bases: Vec<_> = listing.refs.tags.iter().filter(|(name, _)| is_base(name)).collect();
    let Some((last, _)) = bases.last() else {
        return Err(invalid(format!("preceding tag ({base}) not found")));
    };
    let history = repository.history_of(listing, &found.commit).await?;
    let commit = found.commit;
    let reachable = off_the_runtime(move || Ok(history.ancestors(&commit))).await?;
    if bases.iter().any(|(_, tag)| reachable.contains(&tag.peeled)) {
        return Ok(());
    }
    Err(invalid(format!("revision {short} is not a descendent of preceding tag ({last})")))
}
