//! Which writes led to an object: how a write whose answer was lost learns what became
//! of it.
//!
//! Every write has a random id, and every object carries the ids of the writes that led
//! to it, newest first: a swap puts its own before those of the object that it replaces.
//! A write that was refused after an attempt whose answer was lost then finds its own id
//! if that attempt had succeeded, also when others have swapped since. Without the older
//! ids it would take its own success for a refusal, and its caller would do it twice.

use std::fmt::Write;

/// Under which name of an object's metadata the ids stand.
pub(super) const FIELD: &str = "stoa-writes";

/// Ids kept, 17 bytes each of the 2 KiB that S3 allows. A swap that is overtaken by as
/// many others before it can look is the longest story that can be told.
const KEPT: usize = 64;

/// The ids of the writes that led to one object, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lineage(Vec<u64>);

/// What became of a write, by the object that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The object is what it wrote.
    Stands,
    /// It succeeded, and others have replaced what it wrote.
    Overtaken,
    /// It did not succeed.
    Refused,
    /// More writes have followed than an object remembers.
    Unknown,
}

impl Lineage {
    /// A new write over `replaced`; over nothing, or whatever it is, if that is empty.
    pub(super) fn over(replaced: &Self) -> Self {
        let mut ids = vec![rand::random()];
        ids.extend(replaced.0.iter().take(KEPT - 1));
        Self(ids)
    }

    /// Reads what stands in an object's metadata; empty for an object that another
    /// program wrote.
    pub(super) fn of(text: &str) -> Self {
        Self(text.split(',').map_while(|id| u64::from_str_radix(id, 16).ok()).collect())
    }

    /// As it stands in an object's metadata.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for id in &self.0 {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{id:016x}");
        }
        text
    }

    /// What became of the write that would have given the object the lineage `self`, if
    /// the object there now has the lineage `found`.
    pub(super) fn outcome(&self, found: &Self) -> Outcome {
        let place = |id: &u64| found.0.iter().position(|found| found == id);
        let (own, replaced) = (self.0.first(), self.0.get(1));
        match own.and_then(place) {
            Some(0) => Outcome::Stands,
            Some(_) => Outcome::Overtaken,
            // The whole story from what was to be replaced, or from the first write,
            // is there, and we are not in it.
            None if replaced.is_some_and(|id| place(id).is_some()) => Outcome::Refused,
            None if found.0.len() < KEPT => Outcome::Refused,
            None => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_keeps_a_lineage() {
        let lineage = Lineage::over(&Lineage::over(&Lineage::default()));
        assert_eq!(Lineage::of(&lineage.text()), lineage);
        for foreign in ["", "not ours"] {
            assert_eq!(Lineage::of(foreign), Lineage::default());
        }
    }

    #[test]
    fn a_write_finds_itself_however_many_have_followed() {
        let base = Lineage::over(&Lineage::default());
        let write = Lineage::over(&base);
        let other = Lineage::over(&base);
        assert_eq!(write.outcome(&write), Outcome::Stands);
        assert_eq!(write.outcome(&Lineage::over(&write)), Outcome::Overtaken);
        assert_eq!(write.outcome(&base), Outcome::Refused);
        assert_eq!(write.outcome(&other), Outcome::Refused);
        assert_eq!(write.outcome(&Lineage::over(&other)), Outcome::Refused);
        assert_eq!(write.outcome(&Lineage::default()), Outcome::Refused);
    }

    #[test]
    fn a_write_knows_when_it_cannot_know() {
        let mut lineage = Lineage::over(&Lineage::default());
        let write = Lineage::over(&lineage);
        for _ in 0..KEPT - 1 {
            lineage = Lineage::over(&lineage);
        }
        assert_eq!(write.outcome(&lineage), Outcome::Refused);
        let further = Lineage::over(&lineage);
        assert_eq!(write.outcome(&further), Outcome::Unknown);
        assert_eq!(further.text().len(), KEPT * 17 - 1);
    }
}
