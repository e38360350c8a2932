//! Rules of the house that are checked from outside the crates.

mod readme;
mod tidy;
