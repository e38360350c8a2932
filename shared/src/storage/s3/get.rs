//! Asking for objects without the SDK.
//!
//! Most of what a frontend asks a store for are small objects, and what the SDK does around
//! a request costs more than all else that is done for one. So reads are signed, sent and
//! understood here, over the SDK's credentials, endpoints and connections.

use std::time::SystemTime;

use hyper::{Method, Response, body::Incoming};

use super::{
    credentials::Credentials,
    signing::{Header, Site},
    transport::Transport,
    trouble::{Kind, Trouble, chain},
};

/// Asks for the objects of one bucket.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) transport: Transport,
    pub(super) site: Site,
    pub(super) credentials: Credentials,
}

impl Reader {
    /// Waits for the head of a good answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        object_name: &str,
        headers: &[Header<'_>],
    ) -> Result<Response<Incoming>, Trouble> {
        let now = SystemTime::now();
        let identity = self.credentials.at(now).await?;
        let request = self.site.request(method, object_name, headers, &identity, now)?;
        let answer = self.transport.send(request).await;
        let answer = answer.map_err(|error| Trouble::new(Kind::Unreachable, chain(&error)))?;
        if answer.status().is_success() { Ok(answer) } else { Err(Trouble::of(answer).await) }
    }
}
