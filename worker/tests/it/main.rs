//! The program `stoa-worker` from outside. What it does is told by the fleets' stories.

// Tests may unwrap.
#![allow(clippy::unwrap_used)]

mod program;
