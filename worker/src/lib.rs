//! Bytes move here.
pub mod egress;
pub mod vcs;
