//! What every request handler holds.

use std::{ops::Deref, sync::Arc};

use stoa_shared::{metrics::Metrics, queue::Queue, storage::Storage};

use crate::{
    background::Background, health::Health, hot::HotCache, settings::FrontendSettings,
    versions::Versions, waits::Waits,
};

/// One frontend: storage, queue, settings, and memory of what never changes. Cheap to clone.
#[derive(Clone)]
pub struct Frontend(Arc<State>);

/// The parts, for this crate's handlers.
pub struct State {
    pub(crate) settings: FrontendSettings,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) hot: HotCache,
    pub(crate) versions: Versions,
    pub(crate) waits: Waits,
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
        let background =
            Background::new(Arc::clone(&queue), Arc::clone(&health), Arc::clone(&metrics));
        Self(Arc::new(State {
            hot: HotCache::new(settings.memory_bytes, Arc::clone(&metrics)),
            versions: Versions::new(Arc::clone(&storage)),
            waits: Waits::new(
                Arc::clone(&storage),
                Arc::clone(&queue),
                &settings,
                Arc::clone(&health),
                Arc::clone(&metrics),
            ),
            background,
            health,
            metrics,
            storage,
            queue,
            settings,
        }))
    }
}

impl Deref for Frontend {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}
