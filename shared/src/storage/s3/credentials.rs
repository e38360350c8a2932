//! Credentials for what is signed without the SDK, kept while they hold.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::sync::Mutex;

use super::trouble::{Kind, Trouble, chain};

/// So long before they expire, credentials are asked for anew: a request that is signed
/// with them is still on its way then. The SDK does the same.
const EARLY: Duration = Duration::from_secs(10);

/// So long credentials are kept that do not say how long they hold, as by the SDK.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// The SDK's chain of credentials, which remembers nothing by itself.
#[derive(Debug)]
pub(super) struct Credentials {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    identity: Identity,
    until: SystemTime,
}

impl Credentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, kept: Mutex::new(None) }
    }

    /// Credentials that hold at `now`. While they are asked for, others wait.
    pub(super) async fn at(&self, now: SystemTime) -> Result<Identity, Trouble> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            return Ok(kept.identity.clone());
        }
        let given = self.provider.provide_credentials().await.map_err(|error| {
            // Metadata services have bad moments as stores have.
            Trouble::new(Kind::Unreachable, format!("no credentials: {}", chain(&error)))
        })?;
        let until = given.expiry().map_or(now + KEPT, |expiry| expiry - EARLY);
        let identity = Identity::from(given);
        *kept = Some(Kept { identity: identity.clone(), until });
        Ok(identity)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use aws_credential_types::provider::future;
    use aws_sdk_s3::config::Credentials as Given;

    use super::*;

    /// Hands out credentials that hold for an hour, or do not say, and counts them.
    #[derive(Debug, Default)]
    struct Chain {
        given: Arc<AtomicU64>,
        holds_for: Option<Duration>,
    }

    impl ProvideCredentials for Chain {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.given.fetch_add(1, Ordering::Relaxed);
            let expiry = self.holds_for.map(|time| SystemTime::UNIX_EPOCH + time);
            let given = Given::new("id", "secret", None, expiry, "test");
            future::ProvideCredentials::ready(Ok(given))
        }
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_shortly_before_they_expire() {
        for (holds_for, until) in [(None, 900), (Some(Duration::from_secs(3600)), 3590)] {
            let given = Arc::new(AtomicU64::new(0));
            let chain = Chain { given: Arc::clone(&given), holds_for };
            let credentials = Credentials::new(SharedCredentialsProvider::new(chain));
            for (seconds, expected) in [(0, 1), (until - 1, 1), (until, 2)] {
                let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                credentials.at(now).await.unwrap();
                assert_eq!(given.load(Ordering::Relaxed), expected, "at {seconds}");
            }
        }
    }
}
