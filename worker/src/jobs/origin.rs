//! Where one module comes from: its repository, or a server that has it ready.

use stoa_shared::module::ModulePath;

use super::Worker;
use crate::{
    failure::Failure,
    goproxy::Server,
    locate::{Located, Repository as Location},
    repository::Repository,
    resolve::Place,
    settings::Origins,
    upstreams::Source,
};

/// Where a module comes from; nothing was asked there yet.
pub(crate) enum Origin {
    /// Its repository.
    Repository(Opened),
    /// An upstream, or the module proxy that its page names.
    Server(Server),
}

/// A module found in its repository; nothing of the repository was asked yet.
pub(crate) struct Opened {
    pub(crate) repository: Repository,
    pub(crate) place: Place,
    /// The repository's URL as discovered, for `.info`'s Origin.
    pub(crate) url: String,
}

impl Worker {
    /// Where a source has the module.
    pub(super) async fn reach(
        &self,
        source: &Source,
        module: &ModulePath,
    ) -> Result<Origin, Failure> {
        match source {
            Source::Server(server) => Ok(Origin::Server(server.clone())),
            Source::Direct => self.open(module).await,
            Source::Off => Err(Failure::Absent(format!("{module}: STOA_UPSTREAM says off"))),
        }
    }

    async fn open(&self, module: &ModulePath) -> Result<Origin, Failure> {
        let Located { root, subdir, repository } = self.locator.locate(module).await?;
        let (url, remote) = match repository {
            Location::Git { url, remote } => (url.to_string(), remote),
            Location::Mod { base } if self.origins == Origins::Public => {
                return Ok(Origin::Server(Server::of_page(&root, &base)));
            }
            Location::Mod { .. } => {
                return Err(Failure::Undecided(format!(
                    "{module}: its page names another module proxy, which is not told of private modules"
                )));
            }
        };
        let place = Place::of(module, &root, &subdir)
            .map_err(|error| Failure::Absent(format!("{module}: {error}")))?;
        let repository = self.repositories.open(url.clone(), remote);
        Ok(Origin::Repository(Opened { repository, place, url }))
    }
}
