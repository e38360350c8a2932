//! stub
pub struct DiskStorage;
