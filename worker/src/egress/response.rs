//! Response: an answer whose body is bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderName;
use url::Url;

use super::{
    Deadline, EgressError, Trust,
    patience::{OutOfPatience, Turn},
    shown,
};

/// Status and headers have arrived, the body streams.
#[derive(Debug)]
pub struct Response {
    answer: reqwest::Response,
    url: Url,
    trust: Trust,
    limit: u64,
    taken: u64,
    deadline: Deadline,
    idle: Duration,
    turn: Turn,
}

impl Response {
    pub(super) fn new(
        answer: reqwest::Response,
        url: Url,
        trust: Trust,
        limit: u64,
        deadline: Deadline,
        idle: Duration,
        turn: Turn,
    ) -> Self {
        Self { answer, url, trust, limit, taken: 0, deadline, idle, turn }
    }

    /// Of the last hop.
    pub fn status(&self) -> StatusCode {
        self.answer.status()
    }

    /// After redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What the last hop was trusted with: requests to its origin start there.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// How long the body will be, in bytes, where that is said.
    pub fn length(&self) -> Option<u64> {
        self.answer.content_length()
    }

    /// The next piece of the body, `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        let next = tokio::time::timeout_at(self.deadline.at(), self.answer.chunk());
        let next = self.turn.wait(next).await;
        let chunk = next
            .map_err(|OutOfPatience| EgressError::Busy { url: shown(&self.url) })?
            .map_err(|_| EgressError::timeout(&self.url, self.deadline.total()))?
            .map_err(|error| EgressError::from_client(&self.url, &error, self.idle))?;
        let received = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.turn.receive(received);
        self.taken += received;
        if self.taken > self.limit {
            return Err(EgressError::too_large(&self.url, self.limit));
        }
        Ok(chunk)
    }
}
