//! Holdings: what is stored in one space, and the waits for more of it.

use std::sync::Arc;

use stoa_shared::{
    metrics::Metrics,
    queue::{Cause, Job, Queue, Task},
    space::Space,
    storage::Storage,
};

use crate::{health::Health, settings::FrontendSettings, versions::Versions, waits::Waits};

/// One space as its requests see it. Nothing of it, memory included, is shared with
/// another space.
pub(crate) struct Holdings {
    pub(crate) space: Space,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) versions: Versions,
    pub(crate) waits: Waits,
}

impl Holdings {
    /// The part of the `whole` storage that is the space's.
    pub(crate) fn new(
        space: Space,
        whole: &Arc<dyn Storage>,
        queue: &Arc<dyn Queue>,
        settings: &FrontendSettings,
        health: &Arc<Health>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let storage = space.storage(whole);
        Self {
            versions: Versions::new(Arc::clone(&storage)),
            waits: Waits::new(
                space.clone(),
                Arc::clone(&storage),
                Arc::clone(queue),
                settings,
                Arc::clone(health),
                Arc::clone(metrics),
            ),
            storage,
            space,
        }
    }

    /// A job about a module of the space.
    pub(crate) fn job(&self, task: Task, cause: &Cause) -> Job {
        Job::caused_by(cause.clone(), task).in_space(self.space.clone())
    }

    /// Whether only those may see an answer who were entitled to ask.
    pub(crate) fn is_private(&self) -> bool {
        self.space != Space::Public
    }
}
