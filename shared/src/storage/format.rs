//! `_stoa/format`: which layout a store has (design §3). The rule that all
//! implementations go by; each of them reads and writes the object in its own way.

/// The layout that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// Why a store's layout is not ours to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormatRefusal {
    /// A newer program wrote the store.
    Newer {
        /// The layout found.
        found: u32,
    },
    /// The object holds no number.
    Unreadable,
}

/// Refuses what a newer program wrote.
pub(super) fn check(content: &[u8]) -> Result<(), FormatRefusal> {
    let number = str::from_utf8(content).ok().and_then(|text| text.trim().parse().ok());
    match number {
        Some(found) if found > FORMAT => Err(FormatRefusal::Newer { found }),
        Some(_) => Ok(()),
        None => Err(FormatRefusal::Unreadable),
    }
}

/// What the object of this program's layout holds.
pub(super) fn content() -> Vec<u8> {
    format!("{FORMAT}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_and_own_layouts_are_read_newer_ones_and_noise_are_not() {
        assert_eq!(check(&content()), Ok(()));
        assert_eq!(check(b"0"), Ok(()));
        assert_eq!(check(b"2\n"), Err(FormatRefusal::Newer { found: 2 }));
        for noise in [&b""[..], b"\xff", b"one", b"1 2", b"-1"] {
            assert_eq!(check(noise), Err(FormatRefusal::Unreadable));
        }
    }
}
