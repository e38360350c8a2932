//! Metrics: every one is declared here, and counted where things happen.
//!
//! [`Metrics`] is made once a process and shared. Its methods hand out series that
//! were resolved at start (style §3 rule 20).

mod description;
mod family;
mod labels;

use std::fmt::Write;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};

pub use description::{Description, Kind};
pub use labels::{
    Endpoint, JobKind, JobLane, JobOutcome, Label, Outcome, PublishOutcome, QueueState,
    VcsOperation, VcsOutcome,
};

use crate::queue::Depth;
use family::{Family, Family2};

/// From a first read of storage to the longest usual wait for a fill.
const REQUEST_SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0,
    120.0,
];

/// From a stored answer found again to the deadline of a job.
const JOB_SECONDS: &[f64] =
    &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

macro_rules! descriptions {
    ($($name:ident: $metric:literal, $kind:expr, $unit:literal, [$($label:ty),*], $meaning:literal;)+) => {
        $(const $name: Description = Description {
            name: $metric,
            kind: $kind,
            unit: $unit,
            labels: &[$(<$label as Label>::NAME),*],
            meaning: $meaning,
        };)+

        /// Every metric there is.
        pub const DESCRIPTIONS: &[Description] = &[$($name),+];
    };
}

use Kind::{Counter, Gauge, Histogram as Distribution};

descriptions! {
    REQUESTS: "stoa_requests_total", Counter, "requests", [Endpoint, Outcome],
        "Requests of the GOPROXY protocol, by what they asked for and how it ended.";
    REQUEST_DURATION: "stoa_request_duration_seconds", Distribution(REQUEST_SECONDS), "seconds", [Endpoint],
        "Time from a request's head to the head of its answer, waits included. Answers from memory are left out: timing them would slow them down.";
    SENT_BYTES: "stoa_sent_bytes_total", Counter, "bytes", [Endpoint],
        "Bytes of answers' bodies sent to clients. Answers from memory are left out, as in the durations.";
    WAITERS: "stoa_waiters", Gauge, "requests", [],
        "Requests that wait for a job just now.";
    WAIT_DURATION: "stoa_wait_duration_seconds", Distribution(JOB_SECONDS), "seconds", [],
        "Time that a request waited for a job, whatever came of it.";
    MEMORY_CACHE_BYTES: "stoa_memory_cache_bytes", Gauge, "bytes", [],
        "Bytes of stored answers in the frontend's memory.";
    MEMORY_CACHE_ENTRIES: "stoa_memory_cache_entries", Gauge, "answers", [],
        "Stored answers in the frontend's memory.";
    PUBLISHED_JOBS: "stoa_published_jobs_total", Counter, "jobs", [JobLane, PublishOutcome],
        "Jobs that this process put on the queue, or tried to.";
    UNFILLED_REDIRECTS: "stoa_unfilled_redirects_total", Counter, "requests", [],
        "Redirects to the registry that went out although the job to fill the version here could not be queued.";
    UPSTREAM_UP: "stoa_upstream_up", Gauge, "registries", [],
        "1 while the registry that misses are redirected to answers, else 0; 0 without one.";
    QUEUE_JOBS: "stoa_queue_jobs", Gauge, "jobs", [QueueState],
        "Jobs on the queue, by where they are; workers scale on the waiting ones.";
    QUEUE_CONNECTED: "stoa_queue_connected", Gauge, "0 or 1", [],
        "Whether this process can reach the queue just now, as far as it knows.";
    JOBS: "stoa_jobs_total", Counter, "attempts", [JobKind, JobOutcome],
        "Attempts at jobs, by how they ended.";
    JOB_DURATION: "stoa_job_duration_seconds", Distribution(JOB_SECONDS), "seconds", [JobKind],
        "Time of one attempt at a job.";
    STORED_VERSIONS: "stoa_stored_versions_total", Counter, "versions", [],
        "Module versions that this process brought into storage.";
    VCS_REQUESTS: "stoa_vcs_requests_total", Counter, "requests", [VcsOperation, VcsOutcome],
        "Requests to repositories and their hosts.";
    VCS_RECEIVED_BYTES: "stoa_vcs_received_bytes_total", Counter, "bytes", [],
        "Bytes received from repositories and their hosts.";
    UPSTREAM_REQUESTS: "stoa_upstream_requests_total", Counter, "requests", [Endpoint, VcsOutcome],
        "Requests of workers to upstreams and to the module proxies that pages name, by what was asked for and how it was answered.";
    UPSTREAM_RECEIVED_BYTES: "stoa_upstream_received_bytes_total", Counter, "bytes", [],
        "Bytes of documents and zips received from them.";
}

/// The label is the program's version: the one set that grows, by one with a release.
const BUILD_INFO: &str = "stoa_build_info";

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family2<Endpoint, Outcome, IntCounter>,
    request_duration: Family<Endpoint, Histogram>,
    sent_bytes: Family<Endpoint, IntCounter>,
    waiters: IntGauge,
    wait_duration: Histogram,
    memory_cache_bytes: IntGauge,
    memory_cache_entries: IntGauge,
    published_jobs: Family2<JobLane, PublishOutcome, IntCounter>,
    unfilled_redirects: IntCounter,
    upstream_up: IntGauge,
    queue_jobs: Family<QueueState, IntGauge>,
    queue_connected: IntGauge,
    jobs: Family2<JobKind, JobOutcome, IntCounter>,
    job_duration: Family<JobKind, Histogram>,
    stored_versions: IntCounter,
    vcs_requests: Family2<VcsOperation, VcsOutcome, IntCounter>,
    vcs_received_bytes: IntCounter,
    upstream_requests: Family2<Endpoint, VcsOutcome, IntCounter>,
    upstream_received_bytes: IntCounter,
}

impl Metrics {
    /// All metrics at zero, under a registry of their own.
    pub fn new() -> Self {
        let registry = Registry::new();
        let build =
            IntGaugeVec::new(Opts::new(BUILD_INFO, "1, labelled with the build."), &["version"])
                .expect("name and label are valid");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        register(&registry, build);

        let requests = counters(&registry, &REQUESTS);
        let request_duration = histograms(&registry, &REQUEST_DURATION);
        let sent_bytes = counters(&registry, &SENT_BYTES);
        let published_jobs = counters(&registry, &PUBLISHED_JOBS);
        let queue_jobs = gauges(&registry, &QUEUE_JOBS);
        let jobs = counters(&registry, &JOBS);
        let job_duration = histograms(&registry, &JOB_DURATION);
        let vcs_requests = counters(&registry, &VCS_REQUESTS);
        let upstream_requests = counters(&registry, &UPSTREAM_REQUESTS);
        Self {
            requests: Family2::new(|labels| requests.with_label_values(labels)),
            request_duration: Family::new(|labels| request_duration.with_label_values(labels)),
            sent_bytes: Family::new(|labels| sent_bytes.with_label_values(labels)),
            waiters: gauges(&registry, &WAITERS).with_label_values::<&str>(&[]),
            wait_duration: histograms(&registry, &WAIT_DURATION).with_label_values::<&str>(&[]),
            memory_cache_bytes: gauges(&registry, &MEMORY_CACHE_BYTES)
                .with_label_values::<&str>(&[]),
            memory_cache_entries: gauges(&registry, &MEMORY_CACHE_ENTRIES)
                .with_label_values::<&str>(&[]),
            published_jobs: Family2::new(|labels| published_jobs.with_label_values(labels)),
            unfilled_redirects: counters(&registry, &UNFILLED_REDIRECTS)
                .with_label_values::<&str>(&[]),
            upstream_up: gauges(&registry, &UPSTREAM_UP).with_label_values::<&str>(&[]),
            queue_jobs: Family::new(|labels| queue_jobs.with_label_values(labels)),
            queue_connected: gauges(&registry, &QUEUE_CONNECTED).with_label_values::<&str>(&[]),
            jobs: Family2::new(|labels| jobs.with_label_values(labels)),
            job_duration: Family::new(|labels| job_duration.with_label_values(labels)),
            stored_versions: counters(&registry, &STORED_VERSIONS).with_label_values::<&str>(&[]),
            vcs_requests: Family2::new(|labels| vcs_requests.with_label_values(labels)),
            vcs_received_bytes: counters(&registry, &VCS_RECEIVED_BYTES)
                .with_label_values::<&str>(&[]),
            upstream_requests: Family2::new(|labels| upstream_requests.with_label_values(labels)),
            upstream_received_bytes: counters(&registry, &UPSTREAM_RECEIVED_BYTES)
                .with_label_values::<&str>(&[]),
            registry,
        }
    }

    /// Requests answered.
    pub fn requests(&self, endpoint: Endpoint, outcome: Outcome) -> &IntCounter {
        self.requests.get(endpoint, outcome)
    }

    /// Seconds until the head of an answer.
    pub fn request_duration(&self, endpoint: Endpoint) -> &Histogram {
        self.request_duration.get(endpoint)
    }

    /// Bytes of answers' bodies.
    pub fn sent_bytes(&self, endpoint: Endpoint) -> &IntCounter {
        self.sent_bytes.get(endpoint)
    }

    /// Requests that wait for a job.
    pub fn waiters(&self) -> &IntGauge {
        &self.waiters
    }

    /// Seconds that requests waited for a job.
    pub fn wait_duration(&self) -> &Histogram {
        &self.wait_duration
    }

    /// Bytes in the frontend's memory.
    pub fn memory_cache_bytes(&self) -> &IntGauge {
        &self.memory_cache_bytes
    }

    /// Answers in the frontend's memory.
    pub fn memory_cache_entries(&self) -> &IntGauge {
        &self.memory_cache_entries
    }

    /// Jobs given to the queue.
    pub fn published_jobs(&self, lane: JobLane, outcome: PublishOutcome) -> &IntCounter {
        self.published_jobs.get(lane, outcome)
    }

    /// Redirects whose version is not filled here.
    pub fn unfilled_redirects(&self) -> &IntCounter {
        &self.unfilled_redirects
    }

    /// Whether the registry answers.
    pub fn upstream_up(&self) -> &IntGauge {
        &self.upstream_up
    }

    /// Jobs on the queue.
    pub fn queue_jobs(&self, state: QueueState) -> &IntGauge {
        self.queue_jobs.get(state)
    }

    /// Whether the queue can be reached.
    pub fn queue_connected(&self) -> &IntGauge {
        &self.queue_connected
    }

    /// Sets all of [`Self::queue_jobs`].
    pub fn set_queue_depth(&self, depth: &Depth) {
        for (state, jobs) in [
            (QueueState::Interactive, depth.interactive),
            (QueueState::Background, depth.background),
            (QueueState::Delayed, depth.delayed),
            (QueueState::Running, depth.running),
            (QueueState::Dead, depth.dead),
        ] {
            self.queue_jobs(state).set(i64::try_from(jobs).unwrap_or(i64::MAX));
        }
    }

    /// Attempts at jobs.
    pub fn jobs(&self, kind: JobKind, outcome: JobOutcome) -> &IntCounter {
        self.jobs.get(kind, outcome)
    }

    /// Seconds of one attempt.
    pub fn job_duration(&self, kind: JobKind) -> &Histogram {
        self.job_duration.get(kind)
    }

    /// Module versions brought into storage.
    pub fn stored_versions(&self) -> &IntCounter {
        &self.stored_versions
    }

    /// Requests to repositories and their hosts.
    pub fn vcs_requests(&self, operation: VcsOperation, outcome: VcsOutcome) -> &IntCounter {
        self.vcs_requests.get(operation, outcome)
    }

    /// Bytes received from repositories and their hosts.
    pub fn vcs_received_bytes(&self) -> &IntCounter {
        &self.vcs_received_bytes
    }

    /// Requests to servers that speak the GOPROXY protocol.
    pub fn upstream_requests(&self, endpoint: Endpoint, outcome: VcsOutcome) -> &IntCounter {
        self.upstream_requests.get(endpoint, outcome)
    }

    /// Bytes received from such servers.
    pub fn upstream_received_bytes(&self) -> &IntCounter {
        &self.upstream_received_bytes
    }

    /// All metrics in the Prometheus text format.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("metrics that were registered can be written")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The README's table of metrics, in markdown.
pub fn readme_table() -> String {
    let mut table =
        "| metric | kind | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for Description { name, kind, unit, labels, meaning } in DESCRIPTIONS {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{name}` | {} | {unit} | {labels} | {meaning} |", kind.text());
    }
    table
}

const VALID: &str = "the test of all descriptions makes every metric";

fn counters(registry: &Registry, description: &Description) -> IntCounterVec {
    let family = IntCounterVec::new(options(description), description.labels).expect(VALID);
    register(registry, family)
}

fn gauges(registry: &Registry, description: &Description) -> IntGaugeVec {
    let family = IntGaugeVec::new(options(description), description.labels).expect(VALID);
    register(registry, family)
}

fn histograms(registry: &Registry, description: &Description) -> HistogramVec {
    let mut options: HistogramOpts = options(description).into();
    if let Distribution(bounds) = description.kind {
        options = options.buckets(bounds.to_vec());
    }
    let family = HistogramVec::new(options, description.labels).expect(VALID);
    register(registry, family)
}

fn options(description: &Description) -> Opts {
    Opts::new(description.name, description.meaning)
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, family: C) -> C {
    registry.register(Box::new(family.clone())).expect(VALID);
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_rendered_from_the_start_as_it_is_described() {
        let text = Metrics::new().render();
        for Description { name, kind, meaning, .. } in DESCRIPTIONS {
            assert!(text.contains(&format!("# HELP {name} {meaning}\n")), "{name}");
            assert!(text.contains(&format!("# TYPE {name} {}\n", kind.text())), "{name}");
            assert!(readme_table().contains(&format!("| `{name}` |")), "{name}");
        }
        let rendered = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(rendered, DESCRIPTIONS.len() + 1, "the build info has no description");
        assert!(text.contains("stoa_build_info{version=\""), "{text}");
        assert!(
            text.contains("stoa_requests_total{endpoint=\"zip\",outcome=\"gone\"} 0\n"),
            "{text}"
        );
    }

    #[test]
    fn names_end_with_what_they_count() {
        for Description { name, kind, unit, .. } in DESCRIPTIONS {
            let suffix = match kind {
                Counter => "_total".to_owned(),
                Distribution(_) => format!("_{unit}"),
                Gauge => String::new(),
            };
            assert!(name.starts_with("stoa_") && name.ends_with(&suffix), "{name}");
        }
    }

    #[test]
    fn each_series_is_its_own() {
        let metrics = Metrics::new();
        metrics.requests(Endpoint::Zip, Outcome::Hit).inc();
        metrics.requests(Endpoint::List, Outcome::Stale).inc_by(2);
        metrics.jobs(JobKind::Fill, JobOutcome::Dead).inc();
        metrics.request_duration(Endpoint::Mod).observe(0.002);
        metrics.set_queue_depth(&Depth { interactive: 3, dead: 1, ..Depth::default() });
        let text = metrics.render();
        let nonzero: Vec<&str> = text
            .lines()
            .filter(|line| {
                !line.starts_with('#') && !line.ends_with(" 0") && !line.contains("_bucket")
            })
            .filter(|line| !line.starts_with(BUILD_INFO))
            .collect();
        insta::assert_snapshot!(nonzero.join("\n"), @r#"
        stoa_jobs_total{kind="fill",outcome="dead"} 1
        stoa_queue_jobs{state="dead"} 1
        stoa_queue_jobs{state="interactive"} 3
        stoa_request_duration_seconds_sum{endpoint="mod"} 0.002
        stoa_request_duration_seconds_count{endpoint="mod"} 1
        stoa_requests_total{endpoint="list",outcome="stale"} 2
        stoa_requests_total{endpoint="zip",outcome="hit"} 1
        "#);
    }
}
