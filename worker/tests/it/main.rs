//! The program `stoa-worker` from outside, and a worker among upstreams that it cannot
//! trust. All else that it does is told by the fleets' stories.

// Tests may unwrap.
#![allow(clippy::unwrap_used)]

mod program;
mod scene;
mod upstream_server;
mod upstreams;
