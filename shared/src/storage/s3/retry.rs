//! How often and how patiently one request is made.

use std::{error::Error, pin::Pin, time::Duration};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time;

use super::{
    config::S3Config,
    trouble::{Kind, Trouble},
};

/// A connection that moves bodies more slowly than this many bytes a second is taken
/// for dead.
const SLOWEST: u64 = 128 * 1024;

/// The patience of one store.
#[derive(Debug)]
pub(super) struct Patience {
    attempt_timeout: Duration,
    backoff: ExponentialBuilder,
    /// How often a read that broke off is taken up again.
    pub(super) resumptions: u32,
    /// Longest wait for the next bytes of a read.
    pub(super) stall_timeout: Duration,
}

impl Patience {
    pub(super) fn new(config: &S3Config) -> Self {
        let repetitions = config.attempts.get() - 1;
        let backoff = ExponentialBuilder::new()
            .with_min_delay(config.backoff_base)
            .with_max_delay(config.backoff_max)
            .with_max_times(repetitions as usize)
            .with_jitter();
        Self {
            attempt_timeout: config.attempt_timeout,
            backoff,
            resumptions: repetitions,
            stall_timeout: config.stall_timeout,
        }
    }

    /// The pauses before the second and each further attempt.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        self.backoff.build()
    }

    /// Makes one attempt that moves a body of `size` bytes. Requests come boxed, because
    /// the SDK's futures are so large that a few of them, one in another, fill a stack.
    pub(super) async fn attempt<T, E>(
        &self,
        size: u64,
        request: Pin<Box<impl Future<Output = Result<T, SdkError<E>>>>>,
    ) -> Result<T, Trouble>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.attempt_for(Duration::from_secs(size / SLOWEST), request).await
    }

    /// Makes one attempt that the store may need `further` time for.
    pub(super) async fn attempt_for<T, E>(
        &self,
        further: Duration,
        request: Pin<Box<impl Future<Output = Result<T, SdkError<E>>>>>,
    ) -> Result<T, Trouble>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.within(further, async { request.await.map_err(Trouble::from) }).await
    }

    /// Makes one attempt, also at what the SDK has no part in.
    pub(super) async fn within<T>(
        &self,
        further: Duration,
        asked: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let limit = self.attempt_timeout + further;
        time::timeout(limit, asked).await.unwrap_or_else(|_| {
            let said = format!("no answer within {:.1} s", limit.as_secs_f64());
            Err(Trouble::new(Kind::Unreachable, said))
        })
    }

    /// Repeats what may be repeated without thought, until it succeeds, is refused or
    /// has been tried often enough.
    pub(super) async fn repeat<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut pauses = self.pauses();
        loop {
            match attempt().await {
                Err(trouble) if trouble.may_pass() => match pauses.next() {
                    Some(pause) => time::sleep(pause).await,
                    None => return Err(trouble),
                },
                settled => return settled,
            }
        }
    }
}
