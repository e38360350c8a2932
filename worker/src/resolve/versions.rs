//! The version list of a module (go-modules §3.4).

use std::collections::BTreeMap;

use stoa_shared::module::{PathMajor, Version, is_pseudo_version, semver};

use super::place::Place;
use crate::{
    failure::Failure,
    repository::{Listing, Repository},
    vcs::{ObjectId, RefListing},
};

/// What the tags alone say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Candidates {
    /// Versions that fit the module path's major version, in semver order.
    compatible: Vec<Version>,
    /// Versions of higher majors by major number, in semver order: they may be
    /// listed as `+incompatible`.
    incompatible: Vec<Vec<Version>>,
}

/// All versions of the module at `place`: retracted ones included, pseudo-versions
/// not, in semver order with `+incompatible` ones last.
pub async fn versions(
    repository: &Repository,
    listing: &Listing,
    place: &Place,
) -> Result<Vec<Version>, Failure> {
    let Candidates { mut compatible, incompatible } = candidates(&listing.refs, place);
    if incompatible.is_empty() {
        return Ok(compatible);
    }
    if let Some(highest) = compatible.last() {
        let commit = tagged(&listing.refs, highest)?;
        if repository.has_root_go_mod(listing, &commit).await? {
            return Ok(compatible);
        }
    }
    for major in incompatible {
        let Some(highest) = major.last() else { continue };
        let commit = tagged(&listing.refs, highest)?;
        let is_module = match repository.has_root_go_mod(listing, &commit).await {
            // The highest tag of the major is no commit. The go command gives up the
            // whole list here, although its other versions work: we skip the major.
            Err(Failure::Object(_)) => true,
            outcome => outcome?,
        };
        if !is_module {
            compatible.extend(major.iter().map(Version::with_incompatible));
        }
    }
    Ok(compatible)
}

/// The object that a root version's tag peels to.
fn tagged(refs: &RefListing, version: &Version) -> Result<ObjectId, Failure> {
    match refs.tags.get(version.as_str()) {
        Some(tag) => Ok(tag.peeled),
        None => Err(Failure::Internal(format!("tag {version} vanished from its own listing"))),
    }
}

fn candidates(refs: &RefListing, place: &Place) -> Candidates {
    // A gopkg.in path of an unstable branch does not use the tags of the stable one.
    if matches!(place.path_major, PathMajor::GopkgIn { unstable: true, .. }) {
        return Candidates::default();
    }
    let may_be_incompatible =
        place.code_dir.is_empty() && place.path_major == PathMajor::Unsuffixed;
    let mut compatible = Vec::new();
    let mut incompatible: BTreeMap<(usize, String), Vec<Version>> = BTreeMap::new();
    for tag in refs.tags.keys() {
        let Some(rest) = tag.strip_prefix(&place.tag_prefix) else { continue };
        if semver::canonical(rest).as_deref() != Some(rest) || is_pseudo_version(rest) {
            continue;
        }
        let Ok(version) = rest.parse::<Version>() else { continue };
        if place.path_major.fits(&version) {
            compatible.push(version);
        } else if may_be_incompatible {
            let major = version.major().to_owned();
            if !matches!(major.as_str(), "v0" | "v1") {
                // Majors are digit strings of any length: by length, then as text.
                incompatible.entry((major.len(), major)).or_default().push(version);
            }
        }
    }
    compatible.sort_unstable();
    let mut incompatible: Vec<_> = incompatible.into_values().collect();
    incompatible.iter_mut().for_each(|versions| versions.sort_unstable());
    Candidates { compatible, incompatible }
}
