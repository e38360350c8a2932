//! One request that is not answered from memory: counted once, when its outcome is known.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use hyper::body::{Frame, SizeHint};
use stoa_shared::metrics::{Endpoint, Metrics, Outcome};

/// A request under way. Dropped before its answer is complete, its client is gone.
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    endpoint: Endpoint,
    since: Instant,
    outcome: Outcome,
}

/// A response body that counts what is taken of it.
struct CountedBody {
    body: Body,
    /// Bytes to come, where that is known: the server takes no more than it announced,
    /// and need not ask for the end.
    unsent: Option<u64>,
    /// How the request ends if all is taken.
    outcome: Outcome,
    /// `None` once it is counted.
    tally: Option<Tally>,
}

impl Tally {
    pub(super) fn begin(metrics: Arc<Metrics>, endpoint: Endpoint) -> Self {
        Self { metrics, endpoint, since: Instant::now(), outcome: Outcome::Gone }
    }

    /// The head of the answer is there; all is counted when its body is.
    pub(super) fn answered(self, outcome: Outcome, response: Response) -> Response {
        let seconds = self.since.elapsed().as_secs_f64();
        self.metrics.request_duration(self.endpoint).observe(seconds);
        let body = response.body();
        if body.is_end_stream() {
            self.end(outcome);
            return response;
        }
        let announced = response.headers().get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        let unsent = announced.or(body.size_hint().exact());
        response.map(|body| Body::new(CountedBody { body, unsent, outcome, tally: Some(self) }))
    }

    fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.metrics.requests(self.endpoint, self.outcome).inc();
    }
}

impl CountedBody {
    fn took(&mut self, bytes: u64) {
        if let Some(tally) = &self.tally {
            tally.metrics.sent_bytes(tally.endpoint).inc_by(bytes);
        }
        self.unsent = self.unsent.map(|unsent| unsent.saturating_sub(bytes));
        if self.unsent == Some(0) {
            self.end(self.outcome);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(tally) = self.tally.take() {
            tally.end(outcome);
        }
    }
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => this.took(frame.data_ref().map_or(0, |data| data.len() as u64)),
            // The client was promised more; that it leaves now is not its choice.
            Some(Err(_)) => this.end(Outcome::Error),
            None => this.end(this.outcome),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;
    use http_body_util::BodyExt;
    use stoa_shared::metrics::Label;

    use super::*;

    fn begin(metrics: &Arc<Metrics>) -> Tally {
        Tally::begin(Arc::clone(metrics), Endpoint::Zip)
    }

    fn in_pieces(last: io::Result<&'static str>) -> Body {
        Body::from_stream(stream::iter([Ok("abc"), last]))
    }

    /// Requests for zips that ended so, answers that began, and bytes sent.
    fn counts(metrics: &Metrics, outcome: Outcome) -> [u64; 3] {
        let all = Outcome::ALL.iter().map(|&outcome| metrics.requests(Endpoint::Zip, outcome));
        let requests = metrics.requests(Endpoint::Zip, outcome).get();
        assert_eq!(all.map(|requests| requests.get()).sum::<u64>(), requests, "counted once");
        let answers = metrics.request_duration(Endpoint::Zip).get_sample_count();
        [requests, answers, metrics.sent_bytes(Endpoint::Zip).get()]
    }

    #[tokio::test]
    async fn an_answer_counts_when_it_was_taken() {
        for body in [Body::from("abcdef"), in_pieces(Ok("def"))] {
            let metrics = Arc::default();
            let response = begin(&metrics).answered(Outcome::Miss, Response::new(body));
            assert_eq!(counts(&metrics, Outcome::Miss), [0, 1, 0]);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abcdef");
            assert_eq!(counts(&metrics, Outcome::Miss), [1, 1, 6]);
        }
    }

    #[tokio::test]
    async fn who_takes_what_was_announced_need_not_ask_for_the_end() {
        let metrics = Arc::default();
        let response = Response::builder().header(CONTENT_LENGTH, 3).body(in_pieces(Ok("def")));
        let response = begin(&metrics).answered(Outcome::Hit, response.unwrap());
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(counts(&metrics, Outcome::Hit), [1, 1, 3]);
        drop(body);
        assert_eq!(counts(&metrics, Outcome::Hit), [1, 1, 3]);
    }

    #[test]
    fn an_answer_without_a_body_is_complete() {
        let metrics = Arc::default();
        let response = Response::builder().header(CONTENT_LENGTH, 300).body(Body::empty());
        let _response = begin(&metrics).answered(Outcome::Hit, response.unwrap());
        assert_eq!(counts(&metrics, Outcome::Hit), [1, 1, 0]);
    }

    #[tokio::test]
    async fn a_client_may_leave_at_any_time() {
        let metrics = Arc::default();
        drop(begin(&metrics));
        assert_eq!(counts(&metrics, Outcome::Gone), [1, 0, 0]);
        drop(begin(&metrics).answered(Outcome::Hit, Response::new(Body::from("abc"))));
        assert_eq!(counts(&metrics, Outcome::Gone), [2, 1, 0]);
        let response = Response::new(in_pieces(Ok("def")));
        let mut body = begin(&metrics).answered(Outcome::Hit, response).into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(counts(&metrics, Outcome::Gone), [3, 2, 3]);
    }

    #[tokio::test]
    async fn storage_that_breaks_off_is_our_trouble() {
        let metrics = Arc::default();
        let broken = in_pieces(Err(io::Error::other("broken")));
        let response = begin(&metrics).answered(Outcome::Hit, Response::new(broken));
        assert!(response.into_body().collect().await.is_err());
        assert_eq!(counts(&metrics, Outcome::Error), [1, 1, 3]);
    }
}
