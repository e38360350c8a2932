//! Bringing one module version into storage.

use stoa_shared::module::{ModulePath, Version, VersionQuery};

use super::Worker;
use crate::{failure::Failure, resolve};

impl Worker {
    /// Fills one version, unless it is there already.
    pub(super) async fn fill(&self, module: &ModulePath, version: &Version) -> Result<(), Failure> {
        let claim = self.claim(module, version).await?;
        if self.is_complete(module, version).await? {
            return Ok(());
        }
        let query = VersionQuery::from(version.clone());
        let opened = self.open(module).await?;
        let resolved = resolve::resolve(&opened.repository, module, &opened.place, &query).await?;
        if resolved.version != *version {
            return Err(Failure::Invalid(format!(
                "{module}@{version}: invalid version: resolves to version {}",
                resolved.version
            )));
        }
        self.record_claimed(&claim, module, &opened, &resolved).await?;
        Ok(())
    }
}
