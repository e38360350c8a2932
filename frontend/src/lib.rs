//! The frontend: answers the go command from storage, or asks the workers and waits.
//!
//! It holds nothing that a request needs except memory of what never changes: kill
//! any, start any. [`app`] is the public router, callable without a socket; [`serve()`]
//! puts it behind a listener and drains it on shutdown.

mod access;
mod admin;
mod background;
mod catalog;
mod decision;
mod error;
mod freshness;
mod front_door;
mod go_import;
mod health;
mod holdings;
mod hot;
mod operations;
pub mod process;
mod proxy;
mod registry;
mod request_id;
mod router;
mod serve;
mod settings;
mod state;
mod versions;
mod waits;

pub use registry::RegistrySettings;
pub use router::{app, operators};
pub use serve::serve;
pub use settings::FrontendSettings;
pub use state::Frontend;
