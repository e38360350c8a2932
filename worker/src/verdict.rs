//! Verdict: what becomes of a delivery after its job ran.

use std::time::Duration;

use crate::{claim::ClaimError, failure::Failure};
use stoa_shared::queue::Task;

/// One verdict per delivery; only the consumer carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The outcome, good or definite failure, is in storage.
    Done,
    /// The same job may succeed later.
    Retry {
        /// How long to wait.
        after: Duration,
        /// One line for the log.
        reason: String,
    },
    /// It was not its turn: look again later, and count no attempt.
    Postpone {
        /// How long to wait.
        after: Duration,
    },
    /// The job is given up and goes to the dead letters.
    Reject {
        /// One line for the operator.
        reason: String,
    },
}

/// Waits before the second and each further attempt: short enough to ride out a
/// restart of the git host, long enough in the end for an outage.
const LADDER: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// Waits before a refresh is tried again whose outcome storage may not hold. Nobody has
/// heard of it, so the first ones are short: somebody may wait.
const REFRESH_LADDER: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];

/// How long a job waits whose claim was lost, or whose host others wait for.
const POSTPONEMENT: Duration = Duration::from_secs(1);

impl Verdict {
    /// The verdict over an `attempt` (1 is the first) that failed. Refreshes whose failure
    /// is stored are not tried again: the next request for a stale answer asks for a new
    /// one. What clients have seen and the origin has changed is for an operator to see.
    pub fn of_failure(task: &Task, attempt: u32, failure: &Failure) -> Self {
        if failure.is_out_of_turn() {
            let after = match failure {
                Failure::Claim(ClaimError::Taken { look_again, .. }) => *look_again,
                _ => POSTPONEMENT,
            };
            return Self::Postpone { after };
        }
        let reason = failure.to_string();
        if matches!(failure, Failure::Conflict(_)) {
            return Self::Reject { reason };
        }
        let ladder: &[Duration] = match task {
            _ if !failure.is_worth_a_retry() => return Self::Done,
            Task::Fill { .. } => &LADDER,
            _ if failure.is_storage_trouble() => &REFRESH_LADDER,
            _ => return Self::Done,
        };
        match ladder.get(attempt.saturating_sub(1) as usize) {
            Some(after) => Self::Retry { after: *after, reason },
            None => Self::Reject { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_climbs_the_ladder_and_falls_into_the_dead_letters() {
        let task = Task::Fill {
            module: "example.com/m".parse().unwrap(),
            version: "v1.0.0".parse().unwrap(),
        };
        let failure = Failure::Internal("disk full".into());
        let waits: Vec<_> = (1..=5)
            .map(|attempt| match Verdict::of_failure(&task, attempt, &failure) {
                Verdict::Retry { after, .. } => after.as_secs(),
                Verdict::Reject { reason } => {
                    assert_eq!(reason, "disk full");
                    0
                }
                verdict => panic!("{verdict:?}"),
            })
            .collect();
        assert_eq!(waits, [5, 30, 120, 600, 0]);
        assert_eq!(
            Verdict::of_failure(&task, 1, &Failure::Absent("no such tag".into())),
            Verdict::Done
        );
    }

    #[test]
    fn what_another_worker_is_at_waits_without_an_attempt() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let subject = || "example.com/m".to_owned();
        let look_again = Duration::from_secs(3);
        let taken = ClaimError::Taken { subject: subject(), look_again };
        let lost = ClaimError::Lost { subject: subject() };
        for (error, after) in [(taken, look_again), (lost, POSTPONEMENT)] {
            let verdict = Verdict::of_failure(&task, 9, &error.into());
            assert_eq!(verdict, Verdict::Postpone { after });
        }
    }

    #[test]
    fn what_contradicts_its_origin_is_shown_to_an_operator_at_once() {
        let module: stoa_shared::module::ModulePath = "example.com/m".parse().unwrap();
        let fill = Task::Fill { module: module.clone(), version: "v1.0.0".parse().unwrap() };
        for task in [fill, Task::Latest { module }] {
            let failure = Failure::Conflict("the stored zip differs".into());
            let reason = "the stored zip differs".to_owned();
            assert_eq!(Verdict::of_failure(&task, 1, &failure), Verdict::Reject { reason });
        }
    }

    #[test]
    fn a_refresh_whose_outcome_may_not_be_stored_is_tried_again_and_given_up_at_last() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let unavailable = || {
            let key = stoa_shared::storage::StorageKey::claim("1");
            stoa_shared::storage::unavailable(&key, std::io::ErrorKind::TimedOut.into())
        };
        let absent = Box::new(Failure::Absent("no such repository".into()));
        for failure in [
            Failure::Storage(unavailable()),
            Failure::Claim(ClaimError::Storage(unavailable())),
            Failure::Claim(ClaimError::Unconfirmed { subject: "example.com/m".into() }),
            Failure::Untold { failure: absent, source: unavailable() },
        ] {
            let waits: Vec<_> = (1..=6)
                .map(|attempt| match Verdict::of_failure(&task, attempt, &failure) {
                    Verdict::Retry { after, .. } => after.as_secs(),
                    Verdict::Reject { .. } => 0,
                    verdict => panic!("{verdict:?}"),
                })
                .collect();
            assert_eq!(waits, [1, 1, 5, 30, 120, 0], "{failure}");
        }
    }

    #[test]
    fn a_refresh_is_asked_for_again_by_the_next_request() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let failure = Failure::Internal("disk full".into());
        assert_eq!(Verdict::of_failure(&task, 1, &failure), Verdict::Done);
    }
}
