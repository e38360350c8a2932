//! The frontend's metrics, each with meaning, unit and labels. Labels come from
//! small fixed sets, never from a request.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// Which part of the protocol a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Info,
    GoMod,
    Zip,
    List,
    Latest,
    Query,
    /// No path of the protocol.
    Unknown,
}

/// Handles, resolved once so that counting on the hot path is one atomic addition.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    memory_hits: [IntCounter; Kind::ALL.len()],
    published: IntCounterVec,
    /// Requests waiting for a job now.
    pub(crate) waiting: IntGauge,
    /// Seconds that requests waited for a job.
    pub(crate) wait_seconds: Histogram,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Info, Self::GoMod, Self::Zip, Self::List, Self::Latest, Self::Query, Self::Unknown];

    /// The label's value.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::GoMod => "mod",
            Self::Zip => "zip",
            Self::List => "list",
            Self::Latest => "latest",
            Self::Query => "query",
            Self::Unknown => "unknown",
        }
    }
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "stoa_frontend_requests_total",
                "Protocol requests that were not answered from memory, by endpoint and status.",
            ),
            &["endpoint", "status"],
        )?;
        let memory_hits = IntCounterVec::new(
            Opts::new(
                "stoa_frontend_memory_hits_total",
                "Protocol requests answered from memory, by endpoint.",
            ),
            &["endpoint"],
        )?;
        let published = IntCounterVec::new(
            Opts::new(
                "stoa_frontend_jobs_published_total",
                "Jobs put on the queue, by kind, lane and whether the queue took them.",
            ),
            &["kind", "lane", "outcome"],
        )?;
        let waiting =
            IntGauge::new("stoa_frontend_waiting_requests", "Requests waiting for a job now.")?;
        let wait_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "stoa_frontend_wait_seconds",
                "Seconds that requests waited for a job, whatever came of it.",
            )
            .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0]),
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(memory_hits.clone()))?;
        registry.register(Box::new(published.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        registry.register(Box::new(wait_seconds.clone()))?;
        Ok(Self {
            registry: registry.clone(),
            requests,
            memory_hits: Kind::ALL.map(|kind| memory_hits.with_label_values(&[kind.name()])),
            published,
            waiting,
            wait_seconds,
        })
    }

    /// A request was answered, not from memory.
    pub(crate) fn count_request(&self, kind: Kind, status: http::StatusCode) {
        self.requests.with_label_values(&[kind.name(), status.as_str()]).inc();
    }

    /// A request was answered from memory.
    pub(crate) fn count_memory_hit(&self, kind: Kind) {
        self.memory_hits[kind as usize].inc();
    }

    /// A job was published, or could not be.
    pub(crate) fn count_published(&self, kind: &str, lane: &str, accepted: bool) {
        let outcome = if accepted { "accepted" } else { "refused" };
        self.published.with_label_values(&[kind, lane, outcome]).inc();
    }

    /// Everything in the registry, in the Prometheus text format.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_kind_counts_under_its_own_name() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{}", kind.name());
        }
    }

    #[test]
    fn a_registry_takes_one_frontend() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        assert!(Metrics::register(&registry).is_err());
        metrics.count_memory_hit(Kind::GoMod);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains(r#"stoa_frontend_memory_hits_total{endpoint="mod"} 1"#), "{text}");
    }
}
