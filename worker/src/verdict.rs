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

/// How long a job waits whose claim was lost, or whose host others wait for.
const POSTPONEMENT: Duration = Duration::from_secs(1);

impl Verdict {
    /// The verdict over an `attempt` (1 is the first) that failed. Refreshes are not
    /// tried again: the next request for a stale answer asks for a new one.
    pub fn of_failure(task: &Task, attempt: u32, failure: &Failure) -> Self {
        if failure.is_out_of_turn() {
            let after = match failure {
                Failure::Claim(ClaimError::Taken { look_again, .. }) => *look_again,
                _ => POSTPONEMENT,
            };
            return Self::Postpone { after };
        }
        if !failure.is_worth_a_retry() || !matches!(task, Task::Fill { .. }) {
            return Self::Done;
        }
        let reason = failure.to_string();
        match LADDER.get(attempt.saturating_sub(1) as usize) {
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
    fn a_refresh_is_asked_for_again_by_the_next_request() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let failure = Failure::Internal("disk full".into());
        assert_eq!(Verdict::of_failure(&task, 1, &failure), Verdict::Done);
    }
}
