//! One flight: subscribe, look, publish, then look whenever something may have come of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use stoa_shared::{
    answer::{Answer, Question},
    module::{ModulePath, Version},
    queue::{Completion, Job, Lane},
    storage::{StorageError, head_if_present},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

use super::{Outcome, Parts};
use crate::{
    background::publish,
    freshness::{Ending, Marks, Standing, ending, ending_of_finished, standing},
    versions::{ModuleVersion, Space, has_no_zip, read_answer},
};

/// Storage is looked at this often while waiting: a completion may get lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Longest wait for a repair: reading the largest zip takes some seconds.
const MEND_PATIENCE: Duration = Duration::from_secs(20);

/// After storage failed, it is looked at again this soon.
const RECOVERY_INTERVAL: Duration = Duration::from_millis(200);

/// What a flight is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Something that is not in storage.
    Find,
    /// The zip of a version whose other files are in storage: it was not to be had with
    /// them, but may be now.
    FindZip,
    /// Something in storage whose parts do not fit together: only the end of a job counts.
    Mend,
}

/// One flight: the question, and the job that answers it.
pub(super) struct Asking {
    pub(super) parts: Arc<Parts>,
    pub(super) module: ModulePath,
    pub(super) question: Question,
    pub(super) purpose: Purpose,
    pub(super) job: Job,
}

/// What a look in storage showed.
enum Look {
    Ended(Outcome),
    /// Nothing new; the stored answer carries these marks.
    Nothing(Marks),
}

impl Asking {
    pub(super) async fn outcome(self) -> Outcome {
        // Subscribed before looking, so that no completion falls in between.
        let mut completions = self.parts.queue.completions();
        if self.purpose == Purpose::Mend {
            return self.mended(&mut completions).await;
        }
        let before = match self.look(|answer| self.known(answer)).await {
            Ok(Look::Ended(outcome)) => return outcome,
            Ok(Look::Nothing(marks)) => marks,
            Err(error) => return Outcome::StorageUnavailable(Arc::new(error)),
        };
        if !self.publish().await {
            return Outcome::QueueUnavailable;
        }
        let mut published = Instant::now();
        let mut pause = LOOK_INTERVAL;
        let mut is_announced = false;
        loop {
            let completed = self.completed(&mut completions);
            is_announced |= tokio::time::timeout(pause, completed).await.is_ok();
            // Announced or not: look.
            let negative = self.parts.negative;
            let judge = |answer: Answer| match is_announced {
                true => ending_of_finished(answer, before, Timestamp::now(), negative),
                false => ending(answer, before),
            };
            pause = match self.look(judge).await {
                Ok(Look::Ended(outcome)) => return outcome,
                Ok(Look::Nothing(_)) => LOOK_INTERVAL,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(job.key = %self.job.key(), error, "waiting on although storage failed");
                    RECOVERY_INTERVAL
                }
            };
            // Joined again and again, a flight outlives any one wait: its job may have
            // been given up meanwhile. A refusal is no reason to stop looking.
            if published.elapsed() > self.parts.wait {
                self.publish().await;
                published = Instant::now();
            }
        }
    }

    async fn mended(&self, completions: &mut broadcast::Receiver<Completion>) -> Outcome {
        if !self.publish().await {
            return Outcome::QueueUnavailable;
        }
        // Whoever reads then sees whether it was mended, and that the completion may be
        // lost costs no more than this.
        let _ = tokio::time::timeout(MEND_PATIENCE, self.completed(completions)).await;
        Outcome::Filled
    }

    async fn publish(&self) -> bool {
        let Parts { queue, health, metrics, .. } = &*self.parts;
        publish(&**queue, &self.job, Lane::Interactive, health, metrics).await
    }

    /// Returns when our job is announced as completed, or may have been.
    async fn completed(&self, completions: &mut broadcast::Receiver<Completion>) {
        let key = self.job.key();
        loop {
            match completions.recv().await {
                Ok(Completion::Of(completed)) if completed == key => return,
                Ok(Completion::Of(_)) => {}
                Ok(Completion::MaybeMissed) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Looks in storage for an end, by what `judge` makes of the stored answer.
    async fn look(
        &self,
        judge: impl FnOnce(Answer) -> Option<Ending>,
    ) -> Result<Look, StorageError> {
        let storage = &*self.parts.storage;
        let answer = read_answer(storage, &self.module, &self.question);
        let answer = match &self.question {
            Question::Fill(version) => {
                let (filled, answer) = futures_util::join!(self.is_filled(version), answer);
                if filled? {
                    return Ok(Look::Ended(Outcome::Filled));
                }
                answer?
            }
            Question::List | Question::Latest | Question::Query(_) => answer.await?,
        };
        let marks = Marks::of(&answer);
        Ok(match judge(answer) {
            Some(Ending::Good(good)) => Look::Ended(Outcome::Answered(Arc::new(good))),
            Some(Ending::Failed(failure)) => Look::Ended(Outcome::Failed(Arc::new(failure))),
            None => Look::Nothing(marks),
        })
    }

    /// What makes a job needless before it is published.
    fn known(&self, answer: Answer) -> Option<Ending> {
        let Parts { freshness, negative, .. } = *self.parts;
        match standing(answer, Timestamp::now(), freshness, negative) {
            Standing::Fresh(good, _) | Standing::Stale(good) => Some(Ending::Good(good)),
            Standing::Remembered(failure) => Some(Ending::Failed(failure)),
            Standing::Unknown => None,
        }
    }

    /// Whether the version is there as far as it is asked for. In a tree that was copied
    /// in, `.info` may lie there without the other files, and an upstream may have them
    /// without the zip; only where that cannot exist nobody needs to wait for it.
    async fn is_filled(&self, version: &Version) -> Result<bool, StorageError> {
        let id = ModuleVersion { module: self.module.clone(), version: version.clone() };
        let storage = &*self.parts.storage;
        let present = async |key| Ok(head_if_present(storage, &key).await?.is_some());
        let own = async {
            Ok(present(id.info_key(Space::Module)).await?
                && present(id.go_mod_key(Space::Module)).await?
                && (self.purpose != Purpose::FindZip || present(id.zip_key()).await?))
        };
        let aside = async {
            match self.purpose {
                Purpose::FindZip => has_no_zip(storage, &id).await,
                Purpose::Find | Purpose::Mend => present(id.info_key(Space::ModOnly)).await,
            }
        };
        match futures_util::join!(own, aside) {
            (Ok(true), _) | (_, Ok(true)) => Ok(true),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(false), Ok(false)) => Ok(false),
        }
    }
}
