//! Cause: the request that a job is published for, as far as its worker needs to know it.

use serde::{Deserialize, Serialize};

use crate::{request_id::RequestId, via::Via};

/// What a job takes along of the request that caused it. Equal jobs may have different
/// causes: the one that runs speaks for them all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The request's id, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The deployments that the request came by: whoever is asked for the module is told,
    /// so that deployments which ask each other notice.
    #[serde(default, skip_serializing_if = "Via::is_empty")]
    pub via: Via,
}

impl From<RequestId> for Cause {
    /// A request from a client of this deployment.
    fn from(request: RequestId) -> Self {
        Self { request: Some(request), via: Via::default() }
    }
}
