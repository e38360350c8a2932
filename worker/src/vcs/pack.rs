//! stub
/// stub
#[derive(Clone, Debug)]
pub struct ObjectStore;
