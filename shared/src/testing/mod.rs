//! Builders for tests: a git repository with fixed hashes, and a git server; the services
//! that tests need, and ways to them that break or can be cut.

pub mod broker;
pub mod faulty_proxy;
pub mod forwarder;
pub mod git_server;
pub mod repository;
pub mod services;
