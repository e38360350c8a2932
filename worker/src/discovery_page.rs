//! Discovery pages come through the checked way out.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    egress::{Egress, EgressError, Trust},
    locate::{Page, PageError, PageSource},
    vcs::Remote,
};

/// Longest wait for a whole page, redirects included.
const PAGE_TIMEOUT: Duration = Duration::from_secs(15);

#[async_trait]
impl PageSource for Egress {
    async fn page(&self, address: &Remote) -> Result<Page, PageError> {
        let trust = if address.is_trusted { Trust::Named } else { Trust::Foreign };
        let page = self.fetch_page(&address.url, trust, PAGE_TIMEOUT).await.map_err(page_error)?;
        // A cut page is as good as a whole one if its tag stands before the cut.
        Ok(Page { status: page.status, body: page.body })
    }
}

fn page_error(error: EgressError) -> PageError {
    match error {
        EgressError::Refused { reason, .. } => PageError::Refused { reason },
        EgressError::UnknownHost { .. } => PageError::HostNotFound,
        EgressError::Unreachable { reason, .. } => PageError::Unreachable { reason },
        EgressError::Tls { reason, .. } => PageError::Tls { reason },
        EgressError::Timeout { seconds, .. } => PageError::Timeout { seconds },
        EgressError::TooLarge { limit, .. } => PageError::TooLarge { limit_bytes: limit },
    }
}
