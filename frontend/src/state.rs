//! What every request handler holds.

use std::{ops::Deref, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use stoa_shared::{
    answer::{Failure, Meaning},
    metrics::Metrics,
    policy::Anonymous,
    queue::{Completion, Queue},
    space::{ProjectId, Space},
    storage::Storage,
};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    background::Background, health::Health, holdings::Holdings, hot::HotCache, registry::Registry,
    settings::FrontendSettings,
};

/// One frontend: storage, queue, settings, and memory of what never changes. Cheap to clone.
#[derive(Clone)]
pub struct Frontend(Arc<State>);

/// The parts, for this crate's handlers.
pub struct State {
    pub(crate) settings: FrontendSettings,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) queue: Arc<dyn Queue>,
    /// Ready answers about public modules.
    pub(crate) hot: HotCache,
    public: Holdings,
    private: Holdings,
    /// Where misses are redirected, if anywhere.
    pub(crate) registry: Option<Registry>,
    pub(crate) background: Background,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Frontend {
    /// A frontend over `storage` and `queue` that counts in the process's `metrics`.
    pub fn new(
        storage: Arc<dyn Storage>,
        queue: Arc<dyn Queue>,
        settings: FrontendSettings,
        metrics: Arc<Metrics>,
    ) -> Self {
        let health = Arc::new(Health::default());
        let holdings = |space| Holdings::new(space, &storage, &queue, &settings, &health, &metrics);
        let registry = settings.registry.clone();
        let background =
            Background::new(Arc::clone(&queue), Arc::clone(&health), Arc::clone(&metrics));
        Self(Arc::new(State {
            hot: HotCache::new(settings.memory_bytes, Arc::clone(&metrics)),
            public: holdings(Space::Public),
            private: holdings(Space::Private(ProjectId::default())),
            registry: registry.map(|settings| Registry::new(settings, Arc::clone(&metrics))),
            background,
            health,
            metrics,
            storage,
            queue,
            settings,
        }))
    }

    /// The space of public modules, or that of the caller's project.
    pub(crate) fn holdings(&self, is_private: bool) -> &Holdings {
        if is_private { &self.private } else { &self.public }
    }

    /// The answer to a request about a public module, if it is ready in memory and
    /// nobody has to be asked for a key first.
    pub(crate) fn ready_answer<B>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        if self.settings.anonymous == Some(Anonymous::Nothing) {
            return None;
        }
        self.hot.answer(request)
    }

    /// A worker's failure may be the registry's: then it is looked at.
    pub(crate) fn heard_of(&self, failure: &Failure) {
        let is_origins =
            matches!(failure.meaning, Meaning::OriginUnavailable | Meaning::OriginTimeout);
        if let Some(registry) = self.registry.as_ref().filter(|_| is_origins) {
            registry.suspect();
        }
    }

    /// Drops from memory what a worker has refreshed, whoever asked it to, forever.
    pub(crate) async fn forget_what_was_refreshed(&self) {
        let mut completions = self.queue.completions();
        loop {
            match completions.recv().await {
                Ok(Completion::Of(key)) => {
                    if let Some(module) = key.refreshed_module() {
                        self.hot.forget_answers(&module);
                    }
                }
                // What is missed stays until it is no longer fresh.
                Ok(Completion::MaybeMissed) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Deref for Frontend {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}
