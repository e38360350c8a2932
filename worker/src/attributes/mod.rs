//! Text conversion of files by in-tree `.gitattributes` (go-modules §4.1): what the
//! git program does to a file between the repository and an archive of it.
//!
//! Only three things can change a byte there: `eol=crlf`, `ident` and
//! `working-tree-encoding`. The first two are done here; re-encoding is left to the git
//! program. A repository that never says any of them is recognised when its attribute
//! files are read, and costs nothing per file.

mod conversion;
mod ident;
mod line_endings;
mod repository;
mod rules;

pub use conversion::{Conversion, LineEndings, TextConversion};
pub use repository::{Attributes, TEXT_BYTES};

#[cfg(test)]
mod tests;
