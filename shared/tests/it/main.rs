//! Rules of the house that are checked from outside the crates.

mod containers;
mod readme;
mod tidy;
