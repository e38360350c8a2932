//! Bringing one module version into storage.

use bytes::Bytes;
use stoa_shared::module::{ModulePath, Version, VersionInfo, VersionQuery};

use super::{Worker, origin::Origin};
use crate::{
    claim::Claim,
    failure::Failure,
    foreign_zip,
    goproxy::{GoProxyError, Server},
    record::Documents,
    resolve,
    upstreams::Source,
};

/// What a source had of a version.
enum Filled {
    /// All of it, which is in storage now.
    Whole,
    /// All but the zip, of which it says why: a module cache that is served as it lies has
    /// many such versions. Nothing was stored yet.
    WithoutZip(Box<(Documents, Failure)>),
}

impl Worker {
    /// Fills one version, unless it is there already. A version without its zip is served
    /// as far as it goes, but is no success: a later job asks for the zip again.
    pub(super) async fn fill(&self, module: &ModulePath, version: &Version) -> Result<(), Failure> {
        let claim = self.claim(module, version).await?;
        if self.is_complete(module, version).await? {
            return Ok(());
        }
        self.may_fetch(format_args!("{module}@{version}"))?;
        let mut without_zip = None;
        let mut walk = self.upstreams.walk();
        while let Some(source) = walk.next() {
            match self.fill_from(source, &claim, module, version).await {
                Ok(Filled::Whole) => return Ok(()),
                Ok(Filled::WithoutZip(part)) => {
                    let (documents, failure) = *part;
                    without_zip.get_or_insert(documents);
                    walk.note(failure);
                }
                Err(failure) => walk.note(failure),
            }
        }
        if let Some(documents) = without_zip {
            self.record_without_zip(&claim, module, documents).await?;
        }
        Err(walk.into_failure())
    }

    async fn fill_from(
        &self,
        source: &Source,
        claim: &Claim,
        module: &ModulePath,
        version: &Version,
    ) -> Result<Filled, Failure> {
        let opened = match self.reach(source, module).await? {
            Origin::Repository(opened) => opened,
            Origin::Server(server) => {
                return self.fill_from_server(&server, claim, module, version).await;
            }
        };
        let query = VersionQuery::from(version.clone());
        let resolved = resolve::resolve(&opened.repository, module, &opened.place, &query).await?;
        if resolved.version != *version {
            return Err(Failure::Invalid(format!(
                "{module}@{version}: invalid version: resolves to version {}",
                resolved.version
            )));
        }
        self.record_claimed(claim, module, &opened, &resolved).await.map(|_| Filled::Whole)
    }

    /// Fills a claimed version from a server.
    async fn fill_from_server(
        &self,
        server: &Server,
        claim: &Claim,
        module: &ModulePath,
        version: &Version,
    ) -> Result<Filled, Failure> {
        if !module.split_major().1.fits(version) {
            let reason = "the module path cannot have this major version";
            return Err(Failure::Absent(format!("{module}@{version}: invalid version: {reason}")));
        }
        // Of a version that there is, nothing but go.mod has to be there.
        let go_mod = self.proxies.go_mod(server, module, version).await?;
        let info = self.info_from_server(server, module, version);
        let zip = self.zip_from_server(server, module, version, &go_mod);
        let (info, zip, ()) = tokio::join!(info, zip, self.expect(module, version));
        let documents = Documents { info: info?, go_mod };
        match zip {
            Ok(zip) => {
                self.record_foreign(claim, module, documents, zip).await.map(|_| Filled::Whole)
            }
            Err(failure @ Failure::Upstream(GoProxyError::Absent { .. })) => {
                Ok(Filled::WithoutZip(Box::new((documents, failure))))
            }
            Err(failure) => Err(failure),
        }
    }

    /// A version whose `.info` is missing while its go.mod is there has no known time.
    pub(super) async fn info_from_server(
        &self,
        server: &Server,
        module: &ModulePath,
        version: &Version,
    ) -> Result<VersionInfo, Failure> {
        match self.proxies.info(server, module, &version.clone().into()).await {
            Ok(info) => Ok(info),
            Err(GoProxyError::Absent { .. }) => {
                Ok(VersionInfo { version: version.clone(), time: None, origin: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn zip_from_server(
        &self,
        server: &Server,
        module: &ModulePath,
        version: &Version,
        go_mod: &Bytes,
    ) -> Result<foreign_zip::ForeignZip, Failure> {
        let download = self.proxies.zip(server, module, version).await?;
        let (storage, go_mod) = (self.storage.clone(), go_mod.clone());
        let received =
            foreign_zip::receive(download, storage, module, version, go_mod, self.max_files);
        let checked = received.await?;
        Ok(checked.map_err(|broken| GoProxyError::InvalidData {
            server: server.name().to_owned(),
            reason: format!("zip: {broken}"),
        })?)
    }
}
