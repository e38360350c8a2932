//! Conversion: what the attributes of one file mean for its bytes.

use std::io::{self, Read};

use gix_attributes::{State, StateRef};

use super::{ident, line_endings, rules::Values};
use crate::vcs::ObjectId;

/// What has to be done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// Its bytes are those of the blob.
    Unchanged,
    /// [`TextConversion::apply`] gives its bytes.
    Text(TextConversion),
    /// Only the git program can say (`working-tree-encoding`, or limits of ours).
    NeedsGit,
}

/// What can be done in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextConversion {
    /// What becomes of the line ends.
    pub line_endings: LineEndings,
    /// Whether `$Id$` is expanded, which happens first.
    pub expands_ident: bool,
}

/// What becomes of line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEndings {
    /// They stay.
    Kept,
    /// Each LF becomes CRLF, whatever the content.
    Crlf,
    /// Each LF becomes CRLF if git takes the content for text without any CRLF.
    CrlfIfText,
}

impl TextConversion {
    /// The bytes as git archives them, from those of the blob `id`. Takes up to twice
    /// the content's size in memory besides the content.
    pub fn apply(&self, content: Vec<u8>, id: &ObjectId) -> Vec<u8> {
        let content = if self.expands_ident { ident::expand(content, id) } else { content };
        match self.line_endings {
            LineEndings::Kept => content,
            LineEndings::Crlf => line_endings::to_crlf(content, false),
            LineEndings::CrlfIfText => line_endings::to_crlf(content, true),
        }
    }
}

/// Bytes read at once of a large file.
const PIECE: usize = 64 << 10;

impl TextConversion {
    /// The bytes as git archives them, converted as they are read, for what is too large
    /// to be held. `open` opens the blob, once or twice. `None` for a conversion that has
    /// to see the whole.
    pub fn stream<R: Read + Send + 'static>(
        &self,
        open: impl Fn() -> io::Result<R>,
    ) -> Option<io::Result<Box<dyn Read + Send>>> {
        if self.expands_ident {
            return None;
        }
        Some(open().and_then(|content| {
            let is_kept = match self.line_endings {
                LineEndings::Kept => true,
                LineEndings::Crlf => false,
                LineEndings::CrlfIfText => is_left_alone(open()?)?,
            };
            Ok(match is_kept {
                true => Box::new(content) as Box<dyn Read + Send>,
                false => Box::new(line_endings::CrlfReader::new(content)),
            })
        }))
    }

    /// The most bytes that a blob of `size` can become.
    pub fn most(&self, size: u64) -> u64 {
        // `$Id$` becomes four bytes around an id of 64 digits, and three in between.
        let expanded = if self.expands_ident { 18 } else { 1 };
        let doubled = if self.line_endings == LineEndings::Kept { 1 } else { 2 };
        size.saturating_mul(expanded * doubled)
    }
}

fn is_left_alone(mut content: impl Read) -> io::Result<bool> {
    let mut counting = line_endings::Counting::default();
    let mut piece = vec![0; PIECE];
    loop {
        match content.read(&mut piece)? {
            0 => return Ok(counting.leaves_alone()),
            count => counting.add(&piece[..count]),
        }
    }
}

/// What `text` says, or its old name `crlf` with the same values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Unspecified,
    Never,
    Always,
    Auto,
}

impl Conversion {
    /// With `core.autocrlf=input` and `core.eol=lf`, which the go command sets: then
    /// CRLF comes from the attributes alone.
    pub(super) fn from_values(values: &Values<'_>) -> Self {
        if is_encoding(values.working_tree_encoding) {
            return Self::NeedsGit;
        }
        let text = match text(values.text) {
            Text::Unspecified => text(values.crlf),
            text => text,
        };
        let is_crlf =
            matches!(values.eol, Some(State::Value(value)) if value.as_ref().as_bstr() == "crlf");
        let line_endings = match text {
            Text::Auto if is_crlf => LineEndings::CrlfIfText,
            Text::Unspecified | Text::Always if is_crlf => LineEndings::Crlf,
            _ => LineEndings::Kept,
        };
        let expands_ident = matches!(values.ident, Some(State::Set));
        if line_endings == LineEndings::Kept && !expands_ident {
            return Self::Unchanged;
        }
        Self::Text(TextConversion { line_endings, expands_ident })
    }
}

/// Whether any rule with this assignment could ever convert a file.
pub(super) fn can_convert(name: &str, state: StateRef<'_>) -> bool {
    match name {
        "eol" => state.as_bstr().is_some_and(|value| value == "crlf"),
        "ident" => state == StateRef::Set,
        "working-tree-encoding" => is_encoding(Some(&state.to_owned())),
        _ => false,
    }
}

fn text(state: Option<&State>) -> Text {
    match state {
        Some(State::Set) => Text::Always,
        Some(State::Unset) => Text::Never,
        Some(State::Value(value)) => match value.as_ref().as_bstr() {
            value if value == "auto" => Text::Auto,
            // An `eol` overrides the LF that this asks for.
            value if value == "input" => Text::Always,
            _ => Text::Unspecified,
        },
        Some(State::Unspecified) | None => Text::Unspecified,
    }
}

/// Whether a `working-tree-encoding` does anything: it is not UTF-8, or is none at all
/// (on which git gives up).
fn is_encoding(state: Option<&State>) -> bool {
    match state {
        None | Some(State::Unspecified) => false,
        Some(State::Set | State::Unset) => true,
        Some(State::Value(value)) => {
            let name = value.as_ref().as_bstr().to_ascii_lowercase();
            !matches!(&name[..], b"" | b"utf-8" | b"utf8")
        }
    }
}
