//! Talking to a smart server: which version, with what it can do, and once more with
//! fresh knowledge if what was remembered proves wrong.

use bytes::Bytes;
use stoa_shared::metrics::{Metrics, VcsOperation};

use super::advertisement::{self, Advertisement};
use super::error::{Failure, counted_as};
use super::local::LocalRepository;
use super::smart_http::{Base, InfoRefs, SmartHttp};
use super::ssh::SshRepository;
use super::stream::{self, Body};
use super::{protocol_v0, protocol_v2};
use crate::vcs::pack::{Limits, ObjectStore};
use crate::vcs::{Capabilities, FetchRequest, Protocol, RefListing, VcsError};

/// A way to a server.
#[derive(Debug)]
pub(super) enum Connection<'a> {
    Http(SmartHttp<'a>),
    Local(LocalRepository<'a>),
    Ssh(SshRepository<'a>),
}

/// Questions to one repository.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) connection: Connection<'a>,
    /// How the repository is shown.
    pub(super) url: String,
    pub(super) ref_limit: usize,
    pub(super) pack_limits: Limits,
    pub(super) metrics: &'a Metrics,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Answer(T),
    /// The server is a dumb one and lies here.
    Dumb(Base),
}

impl Session<'_> {
    /// Lists the refs, in one request if a version 2 server is remembered.
    pub(super) async fn list_refs(
        &self,
        remembered: Option<&Capabilities>,
    ) -> Result<Outcome<RefListing>, VcsError> {
        if let Some(known) = remembered.filter(|known| known.protocol == Protocol::V2) {
            match self.ls_refs(known.clone()).await {
                Ok(listing) => return Ok(Outcome::Answer(listing)),
                Err(failure) if failure.may_be_outdated => {}
                Err(failure) => return Err(failure.error),
            }
        }
        match self.advertisement().await? {
            Outcome::Dumb(base) => Ok(Outcome::Dumb(base)),
            Outcome::Answer(Advertisement::V0(listing)) => Ok(Outcome::Answer(listing)),
            Outcome::Answer(Advertisement::V2(capabilities)) => {
                let listing = self.ls_refs(capabilities).await;
                listing.map(Outcome::Answer).map_err(|failure| failure.error)
            }
        }
    }

    /// Fetches, in one request if what is known of the server still holds.
    pub(super) async fn fetch(
        &self,
        known: &Capabilities,
        request: &FetchRequest,
    ) -> Result<Outcome<ObjectStore>, VcsError> {
        let mut failed = None;
        if known.protocol != Protocol::Dumb {
            match self.fetch_with(known, request).await {
                Ok(objects) => return Ok(Outcome::Answer(objects)),
                Err(failure) if failure.may_be_outdated => failed = Some(failure.error),
                Err(failure) => return Err(failure.error),
            }
        }
        let current = match self.advertisement().await? {
            Outcome::Dumb(base) => return Ok(Outcome::Dumb(base)),
            Outcome::Answer(Advertisement::V0(listing)) => listing.capabilities,
            Outcome::Answer(Advertisement::V2(capabilities)) => capabilities,
        };
        if let Some(error) = failed.filter(|_| current == *known) {
            return Err(error);
        }
        let fetched = self.fetch_with(&current, request).await;
        fetched.map(Outcome::Answer).map_err(|failure| failure.error)
    }

    async fn advertisement(&self) -> Result<Outcome<Advertisement>, VcsError> {
        let asked = self.ask_advertisement().await;
        self.count(VcsOperation::Advertisement, asked.as_ref().err());
        asked
    }

    async fn ls_refs(&self, capabilities: Capabilities) -> Result<RefListing, Failure> {
        let asked = self.ask_refs(capabilities).await;
        self.count(VcsOperation::Refs, asked.as_ref().err().map(|failure| &failure.error));
        asked
    }

    async fn fetch_with(
        &self,
        capabilities: &Capabilities,
        request: &FetchRequest,
    ) -> Result<ObjectStore, Failure> {
        let asked = self.ask_objects(capabilities, request).await;
        self.count(VcsOperation::Fetch, asked.as_ref().err().map(|failure| &failure.error));
        asked
    }

    /// Counts a request that is over.
    fn count(&self, operation: VcsOperation, error: Option<&VcsError>) {
        self.metrics.vcs_requests(operation, counted_as(error)).inc();
    }

    fn received(&self, bytes: u64) {
        self.metrics.vcs_received_bytes().inc_by(bytes);
    }

    async fn ask_advertisement(&self) -> Result<Outcome<Advertisement>, VcsError> {
        let body = match &self.connection {
            Connection::Local(repository) => repository.info_refs()?,
            Connection::Ssh(repository) => repository.advertisement()?,
            Connection::Http(server) => match server.info_refs().await? {
                InfoRefs::Smart(body) => body,
                InfoRefs::Dumb(base) => return Ok(Outcome::Dumb(base)),
            },
        };
        let limit = self.ref_limit;
        let received = |bytes| self.received(bytes);
        let parsed = stream::parse(body, &self.url, received, move |reader| {
            advertisement::parse(reader, limit)
        });
        parsed.await.map(Outcome::Answer).map_err(|failure| failure.error)
    }

    async fn ask_refs(&self, capabilities: Capabilities) -> Result<RefListing, Failure> {
        let request = protocol_v2::ls_refs_request(capabilities.object_format);
        let body = self.upload_pack(request.into(), true).await?;
        let (limit, greets) = (self.ref_limit, self.greets());
        stream::parse(
            body,
            &self.url,
            |bytes| self.received(bytes),
            move |mut reader| {
                if greets {
                    advertisement::skip(&mut reader, true)?;
                }
                protocol_v2::parse_ls_refs(reader, capabilities, limit)
            },
        )
        .await
    }

    async fn ask_objects(
        &self,
        capabilities: &Capabilities,
        request: &FetchRequest,
    ) -> Result<ObjectStore, Failure> {
        let is_v2 = capabilities.protocol == Protocol::V2;
        let bytes = if is_v2 {
            protocol_v2::fetch_request(request, capabilities)
        } else {
            protocol_v0::fetch_request(request, capabilities)
        };
        let body = self.upload_pack(bytes.into(), is_v2).await?;
        let limits = self.pack_limits.clone();
        let (format, keep) = (capabilities.object_format, request.contents);
        let greets = self.greets();
        stream::parse(
            body,
            &self.url,
            |bytes| self.received(bytes),
            move |mut reader| {
                if greets {
                    advertisement::skip(&mut reader, is_v2)?;
                }
                let pack = if is_v2 {
                    protocol_v2::parse_fetch(reader)?
                } else {
                    protocol_v0::parse_fetch(reader)?
                };
                let fault = pack.fault();
                ObjectStore::read(pack, format, &limits, keep)
                    .map_err(|error| fault.take().unwrap_or_else(|| error.into()))
            },
        )
        .await
    }

    async fn upload_pack(&self, request: Bytes, is_v2: bool) -> Result<Body, VcsError> {
        match &self.connection {
            Connection::Http(server) => server.upload_pack(request, is_v2).await,
            Connection::Local(repository) => repository.upload_pack(request, is_v2),
            Connection::Ssh(repository) => repository.upload_pack(request, is_v2),
        }
    }

    /// Whether an answer follows an advertisement: a server that keeps a connection
    /// begins each one so.
    fn greets(&self) -> bool {
        matches!(self.connection, Connection::Ssh(_))
    }
}
