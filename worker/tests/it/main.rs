//! The program `stoa-worker` from outside, and private modules, which the worker's parts
//! must keep private together. What else it does is told by the fleets' stories.

// Tests may unwrap.
#![allow(clippy::unwrap_used)]

mod private;
mod program;
