//! Which version of a module a commit is, and where in the commit it lies (go-modules §3).

pub mod find_dir;
pub mod place;
