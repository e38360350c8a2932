//! Builders for tests: a git repository with fixed hashes, and a git server; a broker's
//! vhost, and a way to it that can be cut; a proxy that breaks the way to a server.

pub mod broker;
pub mod faulty_proxy;
pub mod forwarder;
pub mod git_server;
pub mod repository;
