//! What frontend and worker both stand on.
//!
//! The life of one request: a [`protocol`] endpoint is parsed from the URL; the
//! frontend looks under the endpoint's [`storage`] key and streams what it finds.
//! On a miss it publishes one [`queue`] job and waits for its completion. A worker
//! takes the job, fetches, checks and packs by the rules of [`module`], writes zip,
//! `.mod`, [`catalog`] entry and `.info` in that order, or an [`answer`] that says
//! why not, and broadcasts the completion; the frontend looks in storage again.

pub mod answer;
pub mod backends;
pub mod catalog;
pub mod command_line;
pub mod config;
pub mod directory;
pub mod metrics;
pub mod module;
pub mod niceness;
pub mod policy;
pub mod probe;
pub mod protocol;
pub mod queue;
pub mod request_id;
pub mod signals;
pub mod space;
pub mod starting;
pub mod storage;
pub mod stored_versions;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod via;
