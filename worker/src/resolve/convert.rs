//! From a commit to the version it is called by (go-modules §3.5).

use std::collections::HashMap;

use bytes::Bytes;
use stoa_shared::module::{
    ModulePath, PathMajor, PseudoVersion, Version, is_pseudo_version, semver,
};

use super::{
    Found, Place, Resolved,
    find_dir::{ModuleDir, find_dir, synthetic_go_mod},
    pseudo_check::check_pseudo_version,
    retraction::{Retractions, speaker},
    tag::TagVersion,
    versions,
};
use crate::{
    failure::Failure,
    repository::{Listing, Repository, off_the_runtime, read_file},
};

const INCOMPATIBLE: &str = "+incompatible";

/// The go command refuses a go.mod over 16 MiB in a zip, but serves it as `.mod`. Here
/// it is held in memory, so there has to be an end.
const GO_MOD_READ_LIMIT: u64 = 64 << 20;

/// One conversion, with what it has read of the commit so far.
pub(super) struct Conversion<'a> {
    repository: &'a Repository,
    listing: &'a Listing,
    module: &'a ModulePath,
    place: &'a Place,
    found: Found,
    /// What was asked for; `None` for the conversion of `HEAD`.
    query: Option<&'a str>,
    files: HashMap<String, Option<Bytes>>,
    retractions: Option<Retractions>,
}

impl<'a> Conversion<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        listing: &'a Listing,
        module: &'a ModulePath,
        place: &'a Place,
        found: Found,
        query: Option<&'a str>,
    ) -> Self {
        let (files, retractions) = (HashMap::new(), None);
        Self { repository, listing, module, place, found, query, files, retractions }
    }

    pub(super) async fn convert(mut self) -> Result<Resolved, Failure> {
        if let Some(query) = self.query.filter(|query| is_pseudo_version(query)) {
            return self.convert_pseudo(query).await;
        }
        if let Some(tag) = &self.found.by_tag
            && let Some(TagVersion { version, is_canonical: true }) =
                TagVersion::of(tag, &self.place.tag_prefix)
        {
            match self.check_canonical(&version).await {
                // The go command drops these errors and looks on.
                Err(Failure::Absent(_) | Failure::Invalid(_)) => {}
                outcome => return outcome,
            }
        }
        let mut highest: Option<Version> = None;
        let mut base = None;
        for tag in self.found.tags.clone() {
            let Some(TagVersion { version, is_canonical }) =
                TagVersion::of(&tag, &self.place.tag_prefix)
            else {
                continue;
            };
            if self.query.is_some_and(|query| semver::compare(version.as_str(), query).is_eq()) {
                if is_canonical {
                    return self.check_canonical(&version).await;
                }
                base = Some(version.clone());
            }
            if is_canonical
                && highest.as_ref().is_none_or(|highest| *highest < version)
                && self.is_allowed(&version).await?
                && !self.is_retracted(&version).await?
            {
                highest = Some(version);
            }
        }
        if let Some(highest) = highest {
            return self.check_canonical(&highest).await;
        }
        if base.is_none() {
            base = self.highest_reachable_tag().await?;
        }
        let pseudo = PseudoVersion::name(
            &self.place.path_major,
            base.as_ref(),
            self.found.time,
            &self.found.commit.short(),
        );
        let pseudo = pseudo.map_err(|error| Failure::Internal(error.to_string()))?;
        self.check_canonical(&pseudo).await
    }

    /// Directory and major version are checked before the base, which may need the
    /// whole history. Metadata other than `+incompatible` is dropped.
    async fn convert_pseudo(mut self, query: &str) -> Result<Resolved, Failure> {
        let Some(version) = Version::canonicalize(query) else {
            return Err(self.invalid(query, "not a semantic version"));
        };
        let resolved = self.check_canonical(&version).await?;
        check_pseudo_version(
            self.repository,
            self.listing,
            self.place,
            &self.found,
            version.as_str(),
        )
        .await?;
        Ok(resolved)
    }

    /// Not the nearest tag: the highest of all that the commit descends from.
    async fn highest_reachable_tag(&mut self) -> Result<Option<Version>, Failure> {
        let mut candidates = Vec::new();
        for (name, tag) in &self.listing.refs.tags {
            let Some(TagVersion { version, .. }) = TagVersion::of(name, &self.place.tag_prefix)
            else {
                continue;
            };
            if self.is_allowed(&version).await? && !self.is_retracted(&version).await? {
                candidates.push((version, tag.peeled));
            }
        }
        if candidates.is_empty() {
            return Ok(None);
        }
        let history = self.repository.history_of(self.listing, &self.found.commit).await?;
        let commit = self.found.commit;
        let reachable = off_the_runtime(move || Ok(history.ancestors(&commit))).await?;
        candidates.retain(|(_, commit)| reachable.contains(commit));
        Ok(candidates.into_iter().map(|(version, _)| version).max())
    }

    async fn is_allowed(&mut self, version: &Version) -> Result<bool, Failure> {
        Ok(self.place.path_major.fits(version) || self.can_be_incompatible(version).await?)
    }

    async fn can_be_incompatible(&mut self, version: &Version) -> Result<bool, Failure> {
        if !self.place.code_dir.is_empty() || self.place.path_major != PathMajor::Unsuffixed {
            return Ok(false);
        }
        if self.file("go.mod").await?.is_some() {
            return Ok(false);
        }
        if self.query.is_some_and(|query| query.ends_with(INCOMPATIBLE)) {
            return Ok(true);
        }
        Ok(self.file(&format!("{}/go.mod", version.major())).await?.is_none())
    }

    /// Any failure to learn the retractions means that nothing is retracted.
    async fn is_retracted(&mut self, version: &Version) -> Result<bool, Failure> {
        if self.retractions.is_none() {
            let retractions = match self.load_retractions().await {
                Err(Failure::Absent(_) | Failure::Invalid(_) | Failure::Object(_)) => {
                    Retractions::default()
                }
                outcome => outcome?,
            };
            self.retractions = Some(retractions);
        }
        Ok(self.retractions.as_ref().is_some_and(|retractions| retractions.contains(version)))
    }

    async fn load_retractions(&self) -> Result<Retractions, Failure> {
        let all = versions::versions(self.repository, self.listing, self.place).await?;
        let Some(speaker) = speaker(&all) else { return Ok(Retractions::default()) };
        let Self { repository, listing, module, place, .. } = *self;
        let go_mod = go_mod_of(repository, listing, module, place, speaker, Extent::GoMod).await?;
        Ok(Retractions::of(&go_mod))
    }

    /// go-modules §3.5, `checkCanonical`.
    async fn check_canonical(&mut self, version: &Version) -> Result<Resolved, Failure> {
        let directory = self.find_dir(version).await?;
        let asked = self.query.and_then(|query| query.parse::<Version>().ok());
        let base = version.without_incompatible();
        let mut version = version.clone();
        if let Some(asked) = asked.as_ref().filter(|asked| asked.without_incompatible() == version)
        {
            version = asked.clone();
        }
        let mut misfit = None;
        if !self.place.path_major.fits(&base) {
            if self.can_be_incompatible(&base).await? {
                version = base.with_incompatible();
            } else if self.place.path_major != PathMajor::Unsuffixed {
                misfit = Some(
                    "module path includes a major version suffix, so major version must match"
                        .to_owned(),
                );
            } else {
                misfit = Some(format!(
                    "module contains a go.mod file, so module path must match major version \
                     (\"{}/{}\")",
                    self.module,
                    base.major()
                ));
            }
        } else if version.is_incompatible() {
            let major = base.major();
            misfit = Some(format!(
                "+incompatible suffix not allowed: major version {major} is compatible"
            ));
        }
        if let Some(asked) = asked.map(|asked| asked.without_incompatible())
            && asked != base
        {
            let reason = format!("resolves to version {version} ({asked} is not a tag)");
            return Err(self.invalid(asked.as_str(), &reason));
        }
        if let Some(reason) = misfit {
            return Err(self.invalid(version.as_str(), &reason));
        }
        let tag = (!version.is_pseudo()).then(|| format!("{}{base}", self.place.tag_prefix));
        Ok(Resolved {
            version,
            commit: self.found.commit,
            time: self.found.time,
            directory: directory.path,
            has_go_mod: !directory.is_synthetic,
            go_mod: directory.go_mod,
            tag,
            objects: self.found.objects.clone(),
        })
    }

    async fn find_dir(&mut self, version: &Version) -> Result<FoundDirectory, Failure> {
        let first = self.file(&self.place.go_mod()).await?;
        let second = match self.place.major_go_mod() {
            Some(path) => self.file(&path).await?,
            None => None,
        };
        let ModuleDir { directory, is_synthetic } =
            find_dir(self.place, first.as_deref(), second.as_deref())
                .map_err(|unfit| Failure::Absent(format!("{}@{version}: {unfit}", self.module)))?;
        let own = if directory == self.place.code_dir { first } else { second };
        let go_mod = own.unwrap_or_else(|| synthetic_go_mod(self.module).into());
        Ok(FoundDirectory { path: directory, go_mod, is_synthetic })
    }

    async fn file(&mut self, path: &str) -> Result<Option<Bytes>, Failure> {
        if let Some(known) = self.files.get(path) {
            return Ok(known.clone());
        }
        let (objects, commit) = (self.found.objects.clone(), self.found.commit);
        let read = read_file(objects, commit, path.to_owned(), GO_MOD_READ_LIMIT).await?;
        let read = read.map(Bytes::from);
        self.files.insert(path.to_owned(), read.clone());
        Ok(read)
    }

    fn invalid(&self, version: &str, reason: &str) -> Failure {
        Failure::Invalid(format!("{}@{version}: invalid version: {reason}", self.module))
    }
}

/// Where the module lies at a commit.
struct FoundDirectory {
    path: String,
    go_mod: Bytes,
    is_synthetic: bool,
}

/// How much of a version's tree is fetched for the sake of its go.mod.
pub(super) enum Extent {
    /// Nothing else is wanted of it.
    GoMod,
    /// It may well be what is packed next.
    Whole,
}

/// go.mod of a tagged version, found without any question of retraction.
pub(super) async fn go_mod_of(
    repository: &Repository,
    listing: &Listing,
    module: &ModulePath,
    place: &Place,
    version: &Version,
    extent: Extent,
) -> Result<Bytes, Failure> {
    let query = version.as_str();
    let (commit, tag) = super::find(repository, listing, place, query).await?;
    let objects = match extent {
        Extent::GoMod => repository.top(listing, &commit, place.go_mod_levels()).await?,
        Extent::Whole => repository.snapshot(listing, &commit).await?,
    };
    let found = super::describe(listing, commit, tag, objects).await?;
    let mut conversion = Conversion::new(repository, listing, module, place, found, Some(query));
    Ok(conversion.find_dir(version).await?.go_mod)
}
