//! What operators and people ask of a frontend beside modules.

mod page;
mod probes;

pub(crate) use page::{base_url, escaped, start_page};
pub(crate) use probes::{healthz, metrics, readyz, version};
