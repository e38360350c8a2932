//! Consumes jobs: fetches modules from version control and records them.
//!
//! One job, end to end: [`consumer`] takes a delivery and runs its [`jobs`] handler, with
//! what belongs to the job's space and no other's ([`workers`]);
//! [`locate`] finds the module's repository, [`vcs`] lists its refs, [`resolve`] decides
//! which commit and directory the version is; the commit's tree is fetched once
//! ([`repository`]), packed (`pack`, [`attributes`], [`module_zip`]) and recorded in
//! the one write order (`record`). Where the operator names upstreams, these are asked
//! first (`upstreams`, [`goproxy`]), and what they send is checked (`foreign_zip`) and
//! recorded in the same way. The consumer settles the delivery by its [`verdict`].

pub mod attributes;
pub mod claim;
pub mod consumer;
pub mod credentials;
pub mod egress;
pub mod failure;
pub mod goproxy;
pub mod jobs;
pub mod locate;
pub mod module_zip;
pub mod operations;
pub mod process;
pub mod repository;
pub mod resolve;
pub mod rewrite;
pub mod settings;
pub mod sweep;
pub mod vcs;
pub mod verdict;
pub mod workers;

mod answers;
mod discovery_page;
mod foreign_zip;
mod pack;
mod record;
mod side_by_side;
mod stored_zip;
#[cfg(test)]
mod troubled_storage;
mod upstreams;
