//! Workers: one for the public space, and one for each project's private modules.
//!
//! They share nothing but the process: each has a storage, claims, memory of repositories
//! and connections of its own. The public one has no credentials, so that what it fetches
//! is what everybody could fetch; a private one asks nobody but a module's own host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use stoa_shared::{
    metrics::Metrics,
    space::{ProjectId, Space},
    storage::Storage,
};

use crate::{
    claim::Claims,
    jobs::Worker,
    settings::{Origins, WorkerSettings, WorkerSetupError},
};

/// All workers of a process.
pub struct Workers {
    settings: WorkerSettings,
    storage: Arc<dyn Storage>,
    sharing: Sharing,
    metrics: Arc<Metrics>,
    public: Arc<Worker>,
    /// Made when the first job of its project comes.
    private: Mutex<HashMap<ProjectId, Arc<Worker>>>,
}

/// Whether other processes work on the same storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// This process is alone.
    Alone,
    /// It is one of a fleet.
    Fleet,
}

impl Workers {
    /// Workers over the parts of `storage`; they count in the process's `metrics`.
    pub fn new(
        settings: WorkerSettings,
        storage: Arc<dyn Storage>,
        sharing: Sharing,
        metrics: Arc<Metrics>,
    ) -> Result<Self, WorkerSetupError> {
        let public = worker(&settings, &Space::Public, &storage, sharing, &metrics)?;
        let private = Mutex::default();
        Ok(Self { settings, storage, sharing, metrics, public: Arc::new(public), private })
    }

    /// The worker of a space.
    pub fn of(&self, space: &Space) -> Result<Arc<Worker>, WorkerSetupError> {
        let Space::Private(project) = space else { return Ok(self.public.clone()) };
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = private.get(project) {
            return Ok(worker.clone());
        }
        let Self { settings, storage, sharing, metrics, .. } = self;
        let worker = Arc::new(worker(settings, space, storage, *sharing, metrics)?);
        private.insert(project.clone(), worker.clone());
        Ok(worker)
    }
}

fn worker(
    settings: &WorkerSettings,
    space: &Space,
    whole: &Arc<dyn Storage>,
    sharing: Sharing,
    metrics: &Arc<Metrics>,
) -> Result<Worker, WorkerSetupError> {
    let origins = match space {
        Space::Public => Origins::Public,
        Space::Private(_) => Origins::Private,
    };
    let storage = space.storage(whole);
    let claims = match sharing {
        Sharing::Alone => Claims::alone(),
        Sharing::Fleet => Claims::fleet(storage.clone()),
    };
    Worker::new(settings.clone(), origins, storage, claims, metrics.clone())
}
