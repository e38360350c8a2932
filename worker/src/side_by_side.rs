//! Two pieces of blocking work at the same time.

use std::{panic::resume_unwind, thread};

/// Does both and returns what they return; `there` has a thread of its own, which is as nice
/// as this one.
pub(crate) fn side_by_side<A: Send, B>(
    there: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> (A, B) {
    thread::scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        (there.join().unwrap_or_else(|panic| resume_unwind(panic)), here)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::side_by_side;

    #[test]
    fn both_run_at_once() {
        let both = Barrier::new(2);
        let met = side_by_side(|| both.wait().is_leader(), || both.wait().is_leader());
        assert!(met.0 != met.1);
    }

    #[test]
    #[should_panic(expected = "there")]
    fn a_panic_there_is_one_here() {
        side_by_side(|| panic!("there"), || ());
    }
}
