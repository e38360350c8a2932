//! The version that `latest` means (go-modules §1.7).

use stoa_shared::module::{ModulePath, Version, VersionQuery, preferred};

use super::{
    Place, Resolved,
    convert::{Extent, go_mod_of},
    resolve_head, resolve_in,
    retraction::Retractions,
    versions,
};
use crate::{
    failure::Failure,
    repository::{Listing, Repository},
};

/// Resolves `latest`: the highest release that is not retracted, else the highest
/// such pre-release, else `HEAD`.
pub async fn latest(
    repository: &Repository,
    module: &ModulePath,
    place: &Place,
) -> Result<Resolved, Failure> {
    let listing = repository.refs().await?;
    let all = versions::versions(repository, &listing, place).await?;
    let everything = Acceptable::new(repository, &listing, all.clone()).await?;
    let retractions = match everything.preferred() {
        None => Retractions::default(),
        Some(speaker) => {
            let extent = Extent::Whole;
            match go_mod_of(repository, &listing, module, place, speaker, extent).await {
                Ok(go_mod) => Retractions::of(&go_mod),
                Err(Failure::Absent(_) | Failure::Invalid(_) | Failure::Object(_)) => {
                    Retractions::default()
                }
                Err(failure) => return Err(failure),
            }
        }
    };
    let kept = all.into_iter().filter(|version| !retractions.contains(version)).collect();
    let acceptable = Acceptable::new(repository, &listing, kept).await?;
    if let Some(version) = acceptable.preferred() {
        let query = VersionQuery::from(version.clone());
        return resolve_in(repository, &listing, module, place, &query).await;
    }
    let head = resolve_head(repository, &listing, module, place).await?;
    if retractions.contains(&head.version) {
        return Err(Failure::Absent(format!(
            "{module}: no matching versions for query \"latest\": all are retracted"
        )));
    }
    Ok(head)
}

/// Versions that may answer, in list order.
struct Acceptable {
    versions: Vec<Version>,
    /// Whether the highest compatible one has a go.mod: then none that is
    /// `+incompatible` is preferred to it.
    highest_compatible_is_module: bool,
}

impl Acceptable {
    async fn new(
        repository: &Repository,
        listing: &Listing,
        versions: Vec<Version>,
    ) -> Result<Self, Failure> {
        let has_incompatible = versions.last().is_some_and(Version::is_incompatible);
        let highest_compatible = versions.iter().rev().find(|version| !version.is_incompatible());
        let highest_compatible_is_module = match highest_compatible {
            // Only a root module has `+incompatible` versions, so that its tags are
            // its versions' texts.
            Some(version) if has_incompatible => match listing.refs.tags.get(version.as_str()) {
                Some(tag) => repository.has_root_go_mod(listing, &tag.peeled).await?,
                None => false,
            },
            _ => false,
        };
        Ok(Self { versions, highest_compatible_is_module })
    }

    fn preferred(&self) -> Option<&Version> {
        preferred(&self.versions, self.highest_compatible_is_module)
    }
}
