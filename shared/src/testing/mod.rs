//! Builders for tests: a git repository with fixed hashes, and a git server.

pub mod git_server;
pub mod repository;
