//! `.info`, `.mod` and `.zip` of a canonical version: immutable, from storage, or after a fill.
//!
//! What a reader gets belongs together. A version's files are final once its `.info`
//! is visible, so `.info` is always seen first; from then on the entity tags in the
//! catalog entry are read conditions, so that a damaged or exchanged object is told
//! apart from the recorded one before its first byte is sent.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        IF_NONE_MATCH, IF_RANGE, RANGE,
    },
};
use jiff::Timestamp;
use stoa_shared::{
    config::{PublicUrl, ZipDelivery},
    metrics::{self, Outcome},
    module::VersionInfo,
    protocol::{Endpoint, Request},
    queue::Job,
    storage::{
        GetOptions, Object, ObjectMeta, StorageError, StorageKey, head_if_present, read_whole,
        unavailable,
    },
};

use super::{
    Answered, Asked, JSON, TEXT, ZIP, answered,
    conditional::{self, Wanted, wanted},
    head::{IMMUTABLE, content_range, entity_tag, header, respond},
    miss,
    source::{Lasts, Source},
};
use crate::{
    decision::{self, Decision},
    error::{ApiError, PRIVATE, Trouble},
    freshness::{Standing, standing},
    holdings::Holdings,
    hot::{Document, LARGEST_DOCUMENT},
    registry::Registry,
    state::Frontend,
    versions::{ModuleVersion, Space, Visible, read_answer},
    waits::{self, WaitOver},
};

/// How long a signed URL holds: a client follows it at once, and begins to read it then.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(300);

/// The same for a private zip, whose URL is as good as a key while it holds.
const PRIVATE_SIGNATURE_LIFETIME: Duration = Duration::from_secs(60);

/// For how long a file is remembered that was copied in and is not recorded yet: it may be
/// half there, and whole a moment later.
const UNRECORDED: Duration = Duration::from_secs(1);

/// Which of a version's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Info,
    GoMod,
    Zip,
}

/// Serves the file from storage, or has the version filled and waits.
pub(super) async fn serve(
    frontend: &Frontend,
    asked: &Asked,
    holdings: &Holdings,
    id: &ModuleVersion,
    file: File,
) -> Answered {
    let serving = Serving { frontend, asked, holdings, id, file, subject: subject(id) };
    let decide = |is_stored| {
        let (module, version) = (&id.module, Some(&id.version));
        let wanted = decision::Wanted::File { is_stored };
        miss::decide(frontend, asked, holdings, module, version, wanted)
    };
    if let refusal @ Decision::Refuse(_) = decide(true) {
        return Err(serving.refusal(&refusal));
    }
    if let Some(response) = serving.stored().await? {
        return Ok((Outcome::Hit, response));
    }
    if let Some(error) = miss::hopeless(&frontend.settings.policy.private, &id.module) {
        return Err(error);
    }
    match decide(false) {
        Decision::Redirect { to, fill } => serving.redirect(to, fill).await,
        Decision::Wait { .. } => {
            let (waits, cause) = (&holdings.waits, &asked.cause);
            let (module, question) = (&id.module, id.question());
            serving.filled(waits.outcome(module, &question, cause, None).await)?;
            // The fill was for the version; what it made of this file is seen now.
            let mut response = serving.stored().await?;
            if response.is_none() && file == File::Zip {
                serving.filled(waits.zip_outcome(module, &question, cause).await)?;
                response = serving.stored().await?;
            }
            match response {
                Some(response) => Ok((Outcome::Miss, response)),
                None => Err(ApiError::damaged(&serving.subject, None)),
            }
        }
        decision => {
            if decision == Decision::AbsentAndFill {
                serving.not_known_to_be_absent().await?;
                frontend.background.fill_missing(serving.job());
            }
            // The other files are asked for of modules only.
            Err(match file {
                File::Info => {
                    let (module, subject) = (&id.module, &serving.subject);
                    miss::refusal_of_path(holdings, module, subject, &decision).await
                }
                File::GoMod | File::Zip => serving.refusal(&decision),
            })
        }
    }
}

/// One request for one file.
struct Serving<'a> {
    frontend: &'a Frontend,
    asked: &'a Asked,
    holdings: &'a Holdings,
    id: &'a ModuleVersion,
    file: File,
    subject: String,
}

impl Serving<'_> {
    /// The response if the file is there.
    async fn stored(&self) -> Result<Option<Response>, ApiError> {
        if self.file == File::Info {
            return self.stored_info().await;
        }
        // A second look, because what is remembered may be from before a repair, and a
        // third after a repair of our own: objects that were moved to another disk have
        // other entity tags.
        for look in 0..3 {
            if look == 2 {
                if !self.asked.may_ask {
                    break;
                }
                let (waits, question) = (&self.holdings.waits, self.id.question());
                let mended = waits.mended(&self.id.module, &question, &self.asked.cause).await;
                if mended.is_err() {
                    break;
                }
            }
            let versions = &self.holdings.versions;
            let Some(visible) = self.storage(versions.find_recorded(self.id).await)? else {
                return Ok(None);
            };
            let Some(source) = self.source(&visible)? else {
                // It may be there, under another name, as soon as somebody has asked for it.
                versions.forget(self.id);
                return Ok(None);
            };
            match self.read(&source).await {
                Ok(response) => {
                    // What is not there is nobody's to fetch who is not asked to.
                    self.have_recorded(&visible);
                    return Ok(Some(response));
                }
                Err(StorageError::NotFound { .. }) => {
                    versions.forget(self.id);
                    return Ok(None);
                }
                Err(StorageError::PreconditionFailed { .. }) => versions.forget(self.id),
                Err(error) => return Err(ApiError::storage(&self.subject, error)),
            }
        }
        // Not even the entry in storage fits: never the wrong bytes.
        Err(ApiError::damaged(&self.subject, None))
    }

    async fn stored_info(&self) -> Result<Option<Response>, ApiError> {
        let opened = self.storage(self.holdings.versions.open_info(self.id).await)?;
        let Some((object, visible)) = opened else { return Ok(None) };
        self.have_recorded(&visible);
        let key = self.id.info_key(visible.space);
        // Whether it is whole it says itself.
        let source = Source { key, recorded: None, lasts: Lasts::of(&visible) };
        self.whole(&source, object).await.map(Some).map_err(|error| self.unreadable(error))
    }

    /// Where the file lies, and the entity tag that it must carry; `None` for a zip that was
    /// not to be had when the other files were.
    fn source(&self, visible: &Visible) -> Result<Option<Source>, ApiError> {
        match self.file {
            File::Info | File::GoMod => {
                let key = self.id.go_mod_key(visible.space);
                Ok(Some(Source::of_record(key, visible.recorded_go_mod(), visible)))
            }
            File::Zip => {
                let entry = visible.entry.as_deref();
                // Also where `.info` and go.mod were copied in beside no zip.
                let refusal = entry.and_then(|entry| entry.zip_refusal.as_deref());
                if let Some(reason) = refusal {
                    let message = format!("{}: {reason}", self.subject);
                    return Err(ApiError::new(Trouble::Invalid, message));
                }
                if visible.space == Space::ModOnly {
                    return Ok(None);
                }
                let recorded = entry.and_then(|entry| entry.zip.as_ref());
                Ok(Some(Source::of_record(self.id.zip_key(), recorded, visible)))
            }
        }
    }

    /// Reads the file under its recorded entity tag, or says where clients read it.
    async fn read(&self, source: &Source) -> Result<Response, StorageError> {
        let storage = &self.holdings.storage;
        if self.file == File::Zip
            && !self.asked.is_head
            && let Some(location) = self.elsewhere(&source.key).await?
        {
            let meta = storage.head(&source.key).await?;
            source.check(&meta)?;
            return Ok(miss::redirect_to(&location));
        }
        let headers = &self.asked.headers;
        let conditional = headers.contains_key(RANGE) || headers.contains_key(IF_NONE_MATCH);
        if self.asked.is_head || (self.file == File::Zip && conditional) {
            let meta = storage.head(&source.key).await?;
            source.check(&meta)?;
            return self.conditional(source, meta).await;
        }
        let if_match = source.recorded.as_ref().map(|file| file.etag.clone());
        let object = storage.get(&source.key, GetOptions { range: None, if_match }).await?;
        source.check(&object.meta)?;
        self.whole(source, object).await
    }

    /// Where clients find the zip, if they are to read it elsewhere. HEAD is answered
    /// here: a signature is for one method.
    async fn elsewhere(&self, key: &StorageKey) -> Result<Option<String>, StorageError> {
        match &self.frontend.settings.zip_delivery {
            ZipDelivery::Stream => Ok(None),
            // Private zips are never handed to others. A plus sign in a path is a space to
            // some object stores.
            ZipDelivery::Redirect(Some(base)) if !self.holdings.is_private() => {
                Ok(Some(format!("{base}/{}", key.as_str().replace('+', "%2B"))))
            }
            ZipDelivery::Redirect(_) => {
                let lifetime = match self.holdings.is_private() {
                    true => PRIVATE_SIGNATURE_LIFETIME,
                    false => SIGNATURE_LIFETIME,
                };
                self.holdings.storage.signed_url(key, lifetime).await
            }
        }
    }

    /// The response to HEAD, and to a GET that may want less than the whole.
    async fn conditional(
        &self,
        source: &Source,
        meta: ObjectMeta,
    ) -> Result<Response, StorageError> {
        let asked = &self.asked.headers;
        let mut headers = self.headers(source, &meta);
        let etag = headers.get(ETAG).cloned();
        if etag.as_ref().is_some_and(|etag| conditional::is_known(asked, etag)) {
            headers.remove(CONTENT_TYPE);
            return Ok(respond(StatusCode::NOT_MODIFIED, headers, Body::empty()));
        }
        // Range is defined for GET alone.
        let range = asked.get(RANGE).filter(|_| !self.asked.is_head && self.file == File::Zip);
        let (status, part) = match wanted(range, asked.get(IF_RANGE), etag.as_ref(), meta.size) {
            Wanted::Whole => (StatusCode::OK, 0..meta.size),
            Wanted::Part(part) => {
                headers.insert(CONTENT_RANGE, content_range(&part, meta.size));
                (StatusCode::PARTIAL_CONTENT, part)
            }
            Wanted::Unsatisfiable => {
                headers.insert(CONTENT_RANGE, header(format!("bytes */{}", meta.size)));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
                headers.remove(CONTENT_TYPE);
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                return Ok(respond(StatusCode::RANGE_NOT_SATISFIABLE, headers, Body::empty()));
            }
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
        let body = if self.asked.is_head || part.is_empty() {
            Body::empty()
        } else {
            let options = GetOptions { range: Some(part), if_match: Some(meta.etag) };
            Body::from_stream(self.holdings.storage.get(&source.key, options).await?.body)
        };
        Ok(respond(status, headers, body))
    }

    /// The response with the whole object, which is remembered if it is small and final; what
    /// is not recorded yet, for a moment.
    async fn whole(&self, source: &Source, object: Object) -> Result<Response, StorageError> {
        let meta = &object.meta;
        if meta.size > LARGEST_DOCUMENT {
            let mut headers = self.headers(source, meta);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(meta.size));
            let body =
                if self.asked.is_head { Body::empty() } else { Body::from_stream(object.body) };
            return Ok(respond(StatusCode::OK, headers, body));
        }
        let etag = entity_tag(meta);
        let body = read_whole(&source.key, object).await?;
        if self.file == File::Info && serde_json::from_slice::<VersionInfo>(&body).is_err() {
            return Err(unavailable(&source.key, io::ErrorKind::InvalidData.into()));
        }
        let document = Arc::new(Document {
            endpoint: match self.file {
                File::Info => metrics::Endpoint::Info,
                File::GoMod => metrics::Endpoint::Mod,
                File::Zip => metrics::Endpoint::Zip,
            },
            outcome: Outcome::Hit,
            content_type: self.content_type(),
            cache_control: self.cache_control(source),
            etag,
            accepts_ranges: self.file == File::Zip,
            fresh_until: (source.lasts == Lasts::Unrecorded).then(|| Instant::now() + UNRECORDED),
            body,
        });
        if source.lasts != Lasts::UntilFilled && !self.holdings.is_private() {
            self.frontend.hot.remember(&self.asked.path, Arc::clone(&document));
        }
        let response = document.respond(self.asked.is_head, &self.asked.headers);
        Ok(response.map(Body::new))
    }

    /// What a wait for a fill means for this request.
    fn filled(&self, outcome: Result<waits::Outcome, WaitOver>) -> Result<(), ApiError> {
        miss::filled(self.frontend, &self.subject, outcome)
    }

    /// An error if it was found out a moment ago that there is none: that needs not be found
    /// out again.
    async fn not_known_to_be_absent(&self) -> Result<(), ApiError> {
        let storage = &*self.holdings.storage;
        let answer = read_answer(storage, &self.id.module, &self.id.question()).await;
        let settings = &self.frontend.settings;
        let (now, negative) = (Timestamp::now(), settings.negative);
        match standing(self.storage(answer)?, now, settings.freshness, negative) {
            Standing::Remembered(failure) => Err(ApiError::failed(&self.subject, &failure)),
            _ => Ok(()),
        }
    }

    fn refusal(&self, decision: &Decision<'_>) -> ApiError {
        miss::refusal(&self.subject, decision, self.holdings.is_private())
    }

    /// Sees to it that a version which was copied in gets its catalog entry. For small
    /// files the entry is looked up aside, and only while nobody else does: a first
    /// read costs one read.
    fn have_recorded(&self, visible: &Visible) {
        if visible.entry.is_some() || !self.asked.may_ask {
            return;
        }
        if self.file == File::Zip {
            self.frontend.background.publish(self.job());
            return;
        }
        let Some(turn) = self.holdings.versions.lookup_turn() else { return };
        let frontend = self.frontend.clone();
        let id = self.id.clone();
        let visible = visible.clone();
        let (job, is_private) = (self.job(), self.holdings.is_private());
        tokio::spawn(async move {
            let _turn = turn;
            let holdings = frontend.holdings(is_private);
            let is_unrecorded = async {
                let visible = holdings.versions.with_entry(&id, visible).await?;
                // Without its zip there is nothing to record: a module cache holds many
                // a go.mod whose zip nobody ever wanted.
                Ok::<_, StorageError>(
                    visible.entry.is_none()
                        && head_if_present(&*holdings.storage, &id.zip_key()).await?.is_some(),
                )
            };
            match is_unrecorded.await {
                Ok(true) => frontend.background.publish(job),
                Ok(false) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(error, "catalog entry not looked up");
                }
            }
        });
    }

    /// Sends the client on, and has the version filled behind its back.
    async fn redirect(&self, to: Option<&PublicUrl>, fill: bool) -> Answered {
        let registry = self.frontend.registry.as_ref().map(Registry::public);
        let Some(to) = to.or(registry) else {
            return Err(self.refusal(&Decision::RegistryDown));
        };
        if fill {
            self.not_known_to_be_absent().await?;
            let delay = self.frontend.settings.redirected_fill_delay;
            self.frontend.background.fill_behind_redirect(self.job(), delay);
        }
        let (module, version) = (self.id.module.clone(), self.id.version.clone());
        let request = match self.file {
            File::Info => Request::Info(version.into()),
            File::GoMod => Request::GoMod(version),
            File::Zip => Request::Zip(version),
        };
        Ok((Outcome::Redirect, miss::redirect(to, &Endpoint { module, request })))
    }

    /// The job that fills the version.
    fn job(&self) -> Job {
        let task = self.id.question().task(&self.id.module);
        self.holdings.job(task, &self.asked.cause)
    }

    fn cache_control(&self, source: &Source) -> HeaderValue {
        match (self.holdings.is_private(), source.lasts) {
            (true, _) => PRIVATE,
            (false, Lasts::Forever) => IMMUTABLE,
            (false, Lasts::UntilFilled | Lasts::Unrecorded) => {
                answered::cache_control(self.frontend.settings.freshness)
            }
        }
    }

    fn headers(&self, source: &Source, meta: &ObjectMeta) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.insert(CACHE_CONTROL, self.cache_control(source));
        if let Some(etag) = entity_tag(meta) {
            headers.insert(ETAG, etag);
        }
        if self.file == File::Zip {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        headers
    }

    fn content_type(&self) -> HeaderValue {
        match self.file {
            File::Info => JSON,
            File::GoMod => TEXT,
            File::Zip => ZIP,
        }
    }

    fn storage<T>(&self, result: Result<T, StorageError>) -> Result<T, ApiError> {
        result.map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: StorageError) -> ApiError {
        ApiError::storage(&self.subject, error)
    }
}

fn subject(id: &ModuleVersion) -> String {
    format!("{}@{}", id.module, id.version)
}
