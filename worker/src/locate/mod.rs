//! From a module path to its repository (go-modules §2): first the hosts whose
//! paths have a known shape, then paths that name their version control system, then
//! the `go-import` tags of the page at the path itself.

pub mod declared;
pub mod error;
pub(crate) mod excerpt;
pub mod general_syntax;
pub mod matching;
pub mod meta_tags;
pub mod page;
pub mod static_table;

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use stoa_shared::module::ModulePath;
use url::Url;

use crate::{rewrite::Rewrites, vcs::Remote};

pub use error::LocateError;
pub use page::{Page, PageError, PageSource};

use meta_tags::MetaImport;
use static_table::KnownRepository;

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The import path of the repository's root as discovered: mostly a prefix of the
    /// module path, and mostly without a last slash.
    pub root: String,
    /// What is there.
    pub repository: Repository,
    /// The directory that the page declared as the root's place within the
    /// repository, unchecked but for its first character; mostly empty.
    pub subdir: String,
}

/// What a root's modules are fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repository {
    /// A git repository.
    Git {
        /// As discovered: what `Origin` names.
        url: Url,
        /// Where to connect to.
        remote: Remote,
    },
    /// A server that speaks the GOPROXY protocol (go-modules §1.13).
    Mod {
        /// What the escaped module path is appended to.
        base: Remote,
    },
}

/// Finds repositories.
pub struct Locator {
    pages: Arc<dyn PageSource>,
    rewrites: Rewrites,
    /// By the path that was asked; only pages with a tag for it.
    discovered: Cache<String, Tags>,
}

impl Locator {
    /// Asks `pages` for discovery pages, at the addresses that `rewrites` say.
    pub fn new(pages: Arc<dyn PageSource>, rewrites: Rewrites) -> Self {
        let discovered = Cache::builder()
            .weigher(|path: &String, tags: &Tags| weight(path, tags))
            .max_capacity(REMEMBERED_BYTES)
            .time_to_live(REMEMBERED_FOR)
            .build();
        Self { pages, rewrites, discovered }
    }

    /// The repository of `module`. [`LocateError::meaning`] says which failures are
    /// definite.
    pub async fn locate(&self, module: &ModulePath) -> Result<Located, LocateError> {
        let path = module.as_str();
        let known = match static_table::locate(path)? {
            Some(known) => Some(known),
            None => general_syntax::locate(path)?,
        };
        match known {
            Some(KnownRepository { root, url }) => {
                let unusable = |_| LocateError::UnusableHost { path: path.to_owned() };
                let url = Url::parse(&url).map_err(unusable)?;
                let remote = self.rewrites.apply(&url);
                let repository = Repository::Git { url, remote };
                Ok(Located { root, repository, subdir: String::new() })
            }
            None => self.locate_by_page(path).await,
        }
    }

    async fn locate_by_page(&self, module: &str) -> Result<Located, LocateError> {
        let tags = self.discover(module).await?;
        let tag = matching::select(&tags, module).map_err(|mismatch| LocateError::Ambiguous {
            page: shown(module),
            module: module.to_owned(),
            mismatch,
        })?;
        let repository = declared::repository(tag, &self.rewrites)
            .map_err(|refusal| LocateError::RefusedTag { page: shown(module), refusal })?;
        if tag.prefix != module {
            // Whoever controls one path must not speak for the paths beside it.
            let prefix_tags = self.discover(&tag.prefix).await?;
            if matching::select(&prefix_tags, module) != Ok(tag) {
                return Err(LocateError::Disagreement {
                    page: shown(module),
                    prefix_page: shown(&tag.prefix),
                    prefix: tag.prefix.clone(),
                });
            }
        }
        // The fourth field has no meaning for a proxy (go-modules §1.13).
        let subdir = match &repository {
            Repository::Git { .. } => tag.subdir.clone(),
            Repository::Mod { .. } => String::new(),
        };
        Ok(Located { root: tag.prefix.clone(), repository, subdir })
    }

    /// The tags of the page at `path`, at least one of which fits `path`. Whoever asks
    /// at the same time waits for the same page.
    async fn discover(&self, path: &str) -> Result<Tags, LocateError> {
        let tags = self.discovered.try_get_with_by_ref(path, self.fetch(path)).await;
        tags.map_err(|error: Arc<LocateError>| LocateError::clone(&error))
    }

    async fn fetch(&self, path: &str) -> Result<Tags, LocateError> {
        let address = self.rewrites.apply_to_page(&page_url(path)?);
        let page =
            self.pages.page(&address).await.map_err(|error| page_error(shown(path), error))?;
        let fits = |tag: &MetaImport| matching::fits(&tag.prefix, path);
        match meta_tags::parse(&page.body) {
            Ok(tags) if tags.iter().any(fits) => Ok(tags.into()),
            unusable => Err(no_usable_tag(shown(path), &page, unusable)),
        }
    }
}

/// The tags of one page.
type Tags = Arc<[MetaImport]>;

/// How long a page's tags are remembered: one command asks for the list, the latest
/// and the files of a module within seconds, and prefixes are shared by many modules.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// How much memory all remembered tags may take, in bytes.
const REMEMBERED_BYTES: u64 = 16 << 20;

/// About how much memory a remembered page takes, in bytes.
fn weight(path: &str, tags: &[MetaImport]) -> u32 {
    let tag_weight = |tag: &MetaImport| {
        let text = tag.prefix.len() + tag.vcs.len() + tag.url.len() + tag.subdir.len();
        size_of::<MetaImport>() + text
    };
    let tags: usize = tags.iter().map(tag_weight).sum();
    u32::try_from(path.len() + tags).unwrap_or(u32::MAX)
}

/// Where the page of a path is: the path itself as a URL.
fn page_url(path: &str) -> Result<Url, LocateError> {
    let (host, folder) = path.split_once('/').unwrap_or((path, ""));
    Url::parse(&format!("https://{host}/{folder}?go-get=1"))
        .map_err(|_| LocateError::UnusableHost { path: path.to_owned() })
}

fn page_error(page: String, error: PageError) -> LocateError {
    match error {
        PageError::HostNotFound => LocateError::HostNotFound { page },
        PageError::Refused { reason } => LocateError::RefusedPage { page, reason },
        PageError::NotNamed => LocateError::HostNotNamed { page },
        PageError::TooLarge { .. } => LocateError::NoUsableTag { page, reason: error.to_string() },
        PageError::Timeout { seconds } => LocateError::Timeout { page, seconds },
        PageError::Busy => LocateError::Busy { page },
        PageError::Unreachable { .. } | PageError::Tls { .. } => {
            LocateError::Unavailable { page, reason: error.to_string() }
        }
    }
}

/// The host has answered, but not with what we look for: that is definite unless it
/// says itself that it is in trouble.
fn no_usable_tag(
    page: String,
    &Page { status, is_elsewhere, .. }: &Page,
    tags: Result<Vec<MetaImport>, meta_tags::SyntaxError>,
) -> LocateError {
    if status >= 500 || status == 429 {
        let reason = format!("HTTP status {status} without a usable go-import tag");
        return LocateError::Unavailable { page, reason };
    }
    // Who is to log in is sent to a page for that.
    if matches!(status, 401 | 403) || (is_elsewhere && status == 200) {
        return LocateError::PageDenied { page, status };
    }
    let reason = match tags {
        Ok(_) => format!("no go-import tag for this path (HTTP status {status})"),
        Err(error) => format!("no go-import tag before {error} (HTTP status {status})"),
    };
    LocateError::NoUsableTag { page, reason }
}

/// The page of a path in messages: never where a rewrite or a redirect leads, which may
/// be internal or carry credentials.
fn shown(path: &str) -> String {
    format!("https://{path}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
