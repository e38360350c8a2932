//! Bytes move here.
pub mod egress;
pub mod locate;
pub mod resolve;
pub mod vcs;
