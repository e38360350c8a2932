//! Holder: the job on whose behalf claims are taken. It is ended at once when it loses
//! one of them, and a process that ends waits until its jobs' claims are given back.

use tokio::sync::{mpsc, watch};

use super::ClaimError;

tokio::task_local! {
    /// The job that runs on this task.
    static CURRENT: Holder;
}

/// The jobs of a process that take claims.
#[derive(Default)]
pub struct Holders {
    /// Every job, and every claim that is not given back, has a receiver.
    unfinished: watch::Sender<()>,
}

/// One job that takes claims.
#[derive(Clone)]
pub(super) struct Holder {
    losses: mpsc::UnboundedSender<String>,
    _unfinished: watch::Receiver<()>,
}

impl Holders {
    /// Runs a job to its end, or until a claim that it took is lost: another works on it
    /// then. Claims that it takes from other tasks are not seen.
    pub async fn run<T, E: From<ClaimError>>(
        &self,
        job: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (losses, mut lost) = mpsc::unbounded_channel();
        let holder = Holder { losses, _unfinished: self.unfinished.subscribe() };
        tokio::select! {
            biased;
            outcome = CURRENT.scope(holder, job) => outcome,
            Some(subject) = lost.recv() => Err(ClaimError::Lost { subject }.into()),
        }
    }

    /// Waits until no job runs and every claim is given back.
    pub async fn are_finished(&self) {
        self.unfinished.closed().await;
    }
}

impl Holder {
    /// The job that runs on this task, if one does.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Ends the job, unless it has ended.
    pub(super) fn lose(&self, subject: &str) {
        // An error says that nobody is left to be told.
        let _ = self.losses.send(subject.to_owned());
    }
}
