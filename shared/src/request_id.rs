//! RequestId: what ties a request, its job and every line that both leave in the log.

use std::{
    fmt,
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

/// Longest id that is taken over from a caller.
const LONGEST: usize = 64;

/// An id that a caller gave or this process made: at most 64 letters, digits, `-`, `_`
/// and `.`, so that it can stand in a header, a log line and a message as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

/// A text that is no request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to 64 letters, digits, '-', '_' and '.'")]
pub struct InvalidRequestId;

impl RequestId {
    /// A new id: sixteen hexadecimal digits of this process, a dash, and a number that
    /// counts up. One that is random every time would cost a hit more than its lookup.
    pub fn generate() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(rand::random);
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{:016x}-{number:x}", *PROCESS))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(text: String) -> Result<Self, InvalidRequestId> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let has_length = (1..=LONGEST).contains(&text.len());
        if has_length && text.bytes().all(is_fine) { Ok(Self(text)) } else { Err(InvalidRequestId) }
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_text_is_taken_over() {
        for good in ["a", "0af7651916cd43dd8448eb211c80319c", "A-1_b.c", &"x".repeat(64)] {
            assert_eq!(good.parse::<RequestId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\nb", "a\"b", "ä", &"x".repeat(65)] {
            assert_eq!(bad.parse::<RequestId>(), Err(InvalidRequestId), "{bad:?}");
        }
    }

    #[test]
    fn generated_ids_differ_and_can_be_read_back() {
        let (first, second) = (RequestId::generate(), RequestId::generate());
        assert_ne!(first, second);
        assert_eq!(first.as_str().parse(), Ok(first));
    }
}
