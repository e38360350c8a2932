//! Did you mean …? for a name that nobody knows.

/// How alike two names must be (0 to 1) to be taken for one with a slip in it.
const LIKENESS: f64 = 0.75;

/// ` (did you mean …?)` with the most similar of `names`, or nothing.
pub(super) fn did_you_mean<'a>(unknown: &str, names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(unknown, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| format!(" (did you mean {name}?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = || ["STOA_LISTEN", "STOA_ADMIN_LISTEN", "STOA_SLOTS", "STOA_WAIT"].into_iter();
        for (unknown, expected) in [
            ("STOA_LISTN", " (did you mean STOA_LISTEN?)"),
            ("STOA_SLOT", " (did you mean STOA_SLOTS?)"),
            ("STOA_WIAT", " (did you mean STOA_WAIT?)"),
            ("STOA_TELEPORT", ""),
        ] {
            assert_eq!(did_you_mean(unknown, names()), expected, "{unknown}");
        }
    }
}
