//! Stories of the frontend: a router without a socket (but where the socket is the
//! point), real storage and queue in a directory, and a worker that does as scripted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod doubles;
mod faults;
mod hits;
mod metrics;
mod misses;
mod operations;
mod policies;
mod program;
mod registry;
mod scene;
mod serving;
mod worker;
mod zips;
