//! Discovery pages come through the checked way out, and are counted.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, header::AUTHORIZATION};
use stoa_shared::metrics::{Metrics, VcsOperation, VcsOutcome};
use url::Url;

use crate::{
    credentials::Credentials,
    egress::{Egress, EgressError, Trust},
    locate::{Page, PageError, PageSource},
    vcs::Remote,
};

/// Longest wait for a whole page, redirects included.
const PAGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Pages of any host that [`Egress`] lets us ask.
#[derive(Debug)]
pub(crate) struct DiscoveryPages {
    pub(crate) egress: Egress,
    /// What each host is shown; nothing where the modules are public.
    pub(crate) credentials: Credentials,
    pub(crate) metrics: Arc<Metrics>,
}

#[async_trait]
impl PageSource for DiscoveryPages {
    async fn page(&self, address: &Remote) -> Result<Page, PageError> {
        let trust = if address.is_trusted { Trust::Named } else { Trust::Foreign };
        let is_safe = address.url.scheme() == "https" || address.is_trusted;
        let authorization = self.credentials.authorization(&address.url).filter(|_| is_safe);
        let headers = authorization.map(|value| (AUTHORIZATION, value));
        let headers = HeaderMap::from_iter(headers);
        let fetched = self.egress.fetch_page(&address.url, trust, headers, PAGE_TIMEOUT).await;
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        // A cut page is as good as a whole one if its tag stands before the cut.
        let page = fetched.map_err(page_error).map(|page| Page {
            status: page.status,
            is_elsewhere: path(&page.final_url) != path(&address.url),
            body: page.body,
        });
        self.metrics.vcs_requests(VcsOperation::Page, outcome(&page)).inc();
        let received = page.as_ref().map_or(0, |page| page.body.len());
        self.metrics.vcs_received_bytes().inc_by(received as u64);
        page
    }
}

/// What the request counts as.
fn outcome(page: &Result<Page, PageError>) -> VcsOutcome {
    match page {
        Ok(Page { status: 200..400, .. }) => VcsOutcome::Ok,
        Ok(Page { status: 404 | 410, .. }) => VcsOutcome::NotFound,
        Err(PageError::Refused { .. } | PageError::NotNamed | PageError::TooLarge { .. }) => {
            VcsOutcome::Refused
        }
        Err(PageError::Timeout { .. } | PageError::Busy) => VcsOutcome::Timeout,
        Ok(_)
        | Err(PageError::HostNotFound | PageError::Unreachable { .. } | PageError::Tls { .. }) => {
            VcsOutcome::Error
        }
    }
}

fn page_error(error: EgressError) -> PageError {
    match error {
        EgressError::Refused { reason, .. } => PageError::Refused { reason },
        EgressError::NotNamed { .. } => PageError::NotNamed,
        EgressError::UnknownHost { .. } => PageError::HostNotFound,
        EgressError::Unreachable { reason, .. } => PageError::Unreachable { reason },
        EgressError::Tls { reason, .. } => PageError::Tls { reason },
        EgressError::Timeout { seconds, .. } => PageError::Timeout { seconds },
        EgressError::Busy { .. } => PageError::Busy,
        EgressError::TooLarge { limit, .. } => PageError::TooLarge { limit_bytes: limit },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use stoa_shared::testing::git_server::{self, GitServer, Options};

    use super::*;
    use crate::egress::EgressConfig;

    #[tokio::test]
    async fn every_page_counts_by_what_came_of_it() {
        let page = |status| git_server::Page { status, headers: Vec::new(), body: b"12345".into() };
        let options = Options::default()
            .with_page("/there", page(200))
            .with_page("/gone", page(410))
            .with_page("/broken", page(500));
        let directory = tempfile::tempdir().unwrap();
        let server = GitServer::start(directory.path().to_owned(), options).await.unwrap();
        for (path, is_trusted, expected, bytes) in [
            ("there", true, VcsOutcome::Ok, 5),
            ("gone", true, VcsOutcome::NotFound, 5),
            ("broken", true, VcsOutcome::Error, 5),
            ("there", false, VcsOutcome::Refused, 0),
        ] {
            let egress = Egress::new(EgressConfig::default()).unwrap();
            let pages = DiscoveryPages {
                egress,
                credentials: Credentials::default(),
                metrics: Arc::default(),
            };
            let url = format!("{}/{path}", server.url()).parse().unwrap();
            // What came of it is the outcome's to tell.
            let _ = pages.page(&Remote { url, is_trusted }).await;
            assert_eq!(pages.metrics.vcs_requests(VcsOperation::Page, expected).get(), 1, "{path}");
            assert_eq!(pages.metrics.vcs_received_bytes().get(), bytes, "{path}");
        }
    }
}
