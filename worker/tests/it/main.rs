//! The program `stoa-worker` from outside, a worker among upstreams that it cannot trust,
//! and private modules, which its parts must keep private together. All else that it does
//! is told by the fleets' stories.

// Tests may unwrap.
#![allow(clippy::unwrap_used)]

mod private;
mod program;
mod scene;
mod upstream_server;
mod upstreams;
