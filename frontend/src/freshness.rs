//! What a stored answer is worth now: pure rules over an [`Answer`], a time and two durations.

use std::time::Duration;

use jiff::Timestamp;
use stoa_shared::answer::{Answer, Failure, Good};

/// What a stored answer allows without asking anyone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Good, and still for this long.
    Fresh(Good, Duration),
    /// Good, but somebody should ask again.
    Stale(Good),
    /// There is none, as was found out a moment ago.
    Remembered(Failure),
    /// Nothing: ask and wait.
    Unknown,
}

/// How a question ended that somebody waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Good(Good),
    Failed(Failure),
}

/// The times in an answer: whoever waits compares them with those from before, so that
/// a new outcome is recognised whatever the worker's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    good: Option<Timestamp>,
    failure: Option<Timestamp>,
}

/// Weighs a stored answer. Only definite failures are remembered, for `negative`: an
/// origin in trouble is asked again by the next request.
pub(crate) fn standing(
    answer: Answer,
    now: Timestamp,
    freshness: Duration,
    negative: Duration,
) -> Standing {
    if let Some(failure) = current_failure(&answer)
        && failure.meaning.is_definite()
    {
        return match remaining(failure.at, now, negative) {
            Some(_) => Standing::Remembered(failure.clone()),
            None => Standing::Unknown,
        };
    }
    match answer.good {
        Some(good) => match remaining(good.at, now, freshness) {
            Some(left) => Standing::Fresh(good, left),
            None => Standing::Stale(good),
        },
        None => Standing::Unknown,
    }
}

/// What came of a job, given the answer's marks before it was published; `None` while
/// nothing new is stored. A good answer outlives the failure to ask again, unless the
/// failure says that there is none.
pub(crate) fn ending(answer: Answer, before: Marks) -> Option<Ending> {
    if Marks::of(&answer) == before {
        return None;
    }
    let failure = current_failure(&answer).cloned();
    match (answer.good, failure) {
        (_, Some(failure)) if failure.meaning.is_definite() => Some(Ending::Failed(failure)),
        (Some(good), _) => Some(Ending::Good(good)),
        (None, failure) => failure.map(Ending::Failed),
    }
}

/// What came of a job that is known to have finished. Published while an equal job was
/// just finishing, ours may have been satisfied by that one's outcome, which then lay
/// there `before`: a failure that is not older than `negative` is it.
pub(crate) fn ending_of_finished(
    answer: Answer,
    before: Marks,
    now: Timestamp,
    negative: Duration,
) -> Option<Ending> {
    let recent = current_failure(&answer)
        .filter(|failure| remaining(failure.at, now, negative).is_some())
        .cloned();
    ending(answer, before).or(recent.map(Ending::Failed))
}

impl Marks {
    pub(crate) fn of(answer: &Answer) -> Self {
        Self {
            good: answer.good.as_ref().map(|good| good.at),
            failure: answer.failure.as_ref().map(|failure| failure.at),
        }
    }
}

/// The failure, unless something good was found out later.
fn current_failure(answer: &Answer) -> Option<&Failure> {
    let failure = answer.failure.as_ref()?;
    answer.good.as_ref().is_none_or(|good| good.at <= failure.at).then_some(failure)
}

/// How much of `span` is left since `at`. A time in the future, from a clock ahead of
/// ours, counts by its distance too: it must not stay fresh for hours.
fn remaining(at: Timestamp, now: Timestamp, span: Duration) -> Option<Duration> {
    let distance = now.duration_since(at).unsigned_abs();
    span.checked_sub(distance).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use stoa_shared::answer::{Meaning, Value};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ago(seconds: i64) -> Timestamp {
        NOW - SignedDuration::from_secs(seconds)
    }

    fn good(seconds_ago: i64) -> Good {
        Good { at: ago(seconds_ago), value: Value::Versions(vec![]) }
    }

    fn failure(seconds_ago: i64, meaning: Meaning) -> Failure {
        Failure { at: ago(seconds_ago), meaning, message: "no".to_owned() }
    }

    fn answer(good: Option<Good>, failure: Option<Failure>) -> Answer {
        Answer { good, failure }
    }

    #[test]
    fn a_stored_answer_is_worth() {
        use Meaning::{Absent, OriginUnavailable};
        let left = Duration::from_secs;
        let table = [
            ("nothing stored", answer(None, None), Standing::Unknown),
            ("fresh", answer(Some(good(59)), None), Standing::Fresh(good(59), left(1))),
            ("stale", answer(Some(good(60)), None), Standing::Stale(good(60))),
            (
                "from a clock ahead",
                answer(Some(good(-20)), None),
                Standing::Fresh(good(-20), left(40)),
            ),
            (
                "from a clock far ahead",
                answer(Some(good(-3600)), None),
                Standing::Stale(good(-3600)),
            ),
            (
                "absent a moment ago",
                answer(None, Some(failure(9, Absent))),
                Standing::Remembered(failure(9, Absent)),
            ),
            ("absent long ago", answer(None, Some(failure(10, Absent))), Standing::Unknown),
            (
                "trouble is not remembered",
                answer(None, Some(failure(1, OriginUnavailable))),
                Standing::Unknown,
            ),
            (
                "trouble leaves the good one",
                answer(Some(good(70)), Some(failure(1, OriginUnavailable))),
                Standing::Stale(good(70)),
            ),
            (
                "absence takes the good one",
                answer(Some(good(70)), Some(failure(1, Absent))),
                Standing::Remembered(failure(1, Absent)),
            ),
            (
                "absence before the good one",
                answer(Some(good(1)), Some(failure(5, Absent))),
                Standing::Fresh(good(1), left(59)),
            ),
        ];
        for (name, stored, expected) in table {
            let standing = standing(stored, NOW, left(60), left(10));
            assert_eq!(standing, expected, "{name}");
        }
    }

    #[test]
    fn a_job_that_has_finished_has_an_outcome() {
        let negative = Duration::from_secs(10);
        let finished = |answer: Answer| {
            let before = Marks::of(&answer);
            ending_of_finished(answer, before, NOW, negative)
        };
        let recent = failure(3, Meaning::OriginUnavailable);
        let expected = Some(Ending::Failed(recent.clone()));
        assert_eq!(finished(answer(None, Some(recent))), expected);
        assert_eq!(finished(answer(None, Some(failure(30, Meaning::Absent)))), None);
        assert_eq!(finished(answer(None, None)), None);
    }

    #[test]
    fn a_wait_ends_with() {
        use Meaning::{Absent, OriginTimeout};
        let old = answer(Some(good(90)), Some(failure(80, OriginTimeout)));
        let before = Marks::of(&old);
        let table = [
            ("nothing new", old, None),
            ("a good one", answer(Some(good(1)), None), Some(Ending::Good(good(1)))),
            (
                "a good one by a clock far behind",
                answer(Some(good(9999)), None),
                Some(Ending::Good(good(9999))),
            ),
            (
                "trouble again, so the good one from before",
                answer(Some(good(90)), Some(failure(1, OriginTimeout))),
                Some(Ending::Good(good(90))),
            ),
            (
                "absence",
                answer(Some(good(90)), Some(failure(1, Absent))),
                Some(Ending::Failed(failure(1, Absent))),
            ),
            (
                "trouble and nothing good",
                answer(None, Some(failure(1, OriginTimeout))),
                Some(Ending::Failed(failure(1, OriginTimeout))),
            ),
            ("a document that was removed", answer(None, None), None),
        ];
        for (name, stored, expected) in table {
            assert_eq!(ending(stored, before), expected, "{name}");
        }
    }
}
