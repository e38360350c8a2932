//! Verdict: what becomes of a delivery after its job ran.

use std::time::Duration;

use stoa_shared::queue::{Lane, Task};

use crate::{claim::ClaimError, failure::Failure};

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
        /// Whether this attempt's failure is an outcome for whoever waits.
        is_outcome: bool,
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

/// The same for a version that the upstream does not have, where nobody waits: within a
/// minute it has filled its own storage, or never will.
const UPSTREAM_LADDER: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(5), Duration::from_secs(30)];

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
    pub fn of_failure(task: &Task, lane: Lane, attempt: u32, failure: &Failure) -> Self {
        if failure.is_out_of_turn() {
            let after = match failure {
                Failure::Claim(ClaimError::Taken { look_again, .. }) => *look_again,
                _ => POSTPONEMENT,
            };
            return Self::Postpone { after };
        }
        let step = attempt.saturating_sub(1) as usize;
        let reason = failure.to_string();
        if matches!(failure, Failure::Conflict(_)) {
            return Self::Reject { reason };
        }
        let is_fill = matches!(task, Task::Fill { .. });
        if is_fill
            && lane == Lane::Background
            && failure.may_be_filled_upstream()
            && let Some(after) = UPSTREAM_LADDER.get(step)
        {
            return Self::Retry { after: *after, reason, is_outcome: false };
        }
        let ladder: &[Duration] = match task {
            _ if !failure.is_worth_a_retry() => return Self::Done,
            Task::Fill { .. } => &LADDER,
            _ if failure.is_storage_trouble() => &REFRESH_LADDER,
            _ => return Self::Done,
        };
        match ladder.get(step) {
            Some(after) => Self::Retry { after: *after, reason, is_outcome: true },
            None => Self::Reject { reason },
        }
    }

    /// Whether the failure that led to it is an outcome, to be stored and announced.
    pub fn is_outcome(&self) -> bool {
        match self {
            Self::Done | Self::Reject { .. } => true,
            Self::Retry { is_outcome, .. } => *is_outcome,
            Self::Postpone { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::goproxy::GoProxyError;

    fn fill() -> Task {
        Task::Fill { module: "example.com/m".parse().unwrap(), version: "v1.0.0".parse().unwrap() }
    }

    /// The waits in seconds before the next attempt of each verdict, and its last one.
    fn climb(lane: Lane, failure: &Failure) -> (Vec<u64>, Verdict) {
        let mut waits = Vec::new();
        for attempt in 1.. {
            match Verdict::of_failure(&fill(), lane, attempt, failure) {
                Verdict::Retry { after, is_outcome, .. } => {
                    assert_eq!(is_outcome, !failure.may_be_filled_upstream());
                    waits.push(after.as_secs());
                }
                last => return (waits, last),
            }
        }
        unreachable!("every ladder ends")
    }

    #[test]
    fn a_fill_climbs_the_ladder_and_falls_into_the_dead_letters() {
        let failure = Failure::Internal("disk full".into());
        for lane in [Lane::Interactive, Lane::Background] {
            let buried = Verdict::Reject { reason: "disk full".into() };
            assert_eq!(climb(lane, &failure), (vec![5, 30, 120, 600], buried));
            let absent = Failure::Absent("no such tag".into());
            assert_eq!(climb(lane, &absent), (vec![], Verdict::Done));
        }
    }

    #[test]
    fn an_upstream_has_a_minute_to_fill_its_storage_unless_somebody_waits() {
        let server = || "go.example.org".to_owned();
        let absent = GoProxyError::Absent { server: server(), reason: "unknown".into() }.into();
        assert_eq!(climb(Lane::Background, &absent), (vec![5, 5, 30], Verdict::Done));
        assert_eq!(climb(Lane::Interactive, &absent), (vec![], Verdict::Done));
        let refused = GoProxyError::Refused { server: server(), reason: "excluded".into() }.into();
        assert_eq!(climb(Lane::Background, &refused), (vec![], Verdict::Done));
        let trouble = GoProxyError::Timeout { server: server(), seconds: 60 }.into();
        assert_eq!(climb(Lane::Background, &trouble).0, [5, 30, 120, 600]);
        let busy = GoProxyError::Busy { server: server() }.into();
        let verdict = Verdict::of_failure(&fill(), Lane::Background, 1, &busy);
        assert_eq!(verdict, Verdict::Postpone { after: POSTPONEMENT });
        assert!(!verdict.is_outcome());
    }

    #[test]
    fn what_another_worker_is_at_waits_without_an_attempt() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let subject = || "example.com/m".to_owned();
        let look_again = Duration::from_secs(3);
        let taken = ClaimError::Taken { subject: subject(), look_again };
        let lost = ClaimError::Lost { subject: subject() };
        for (error, after) in [(taken, look_again), (lost, POSTPONEMENT)] {
            let verdict = Verdict::of_failure(&task, Lane::Interactive, 9, &error.into());
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
            assert_eq!(
                Verdict::of_failure(&task, Lane::Interactive, 1, &failure),
                Verdict::Reject { reason }
            );
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
                .map(|attempt| {
                    match Verdict::of_failure(&task, Lane::Interactive, attempt, &failure) {
                        Verdict::Retry { after, .. } => after.as_secs(),
                        Verdict::Reject { .. } => 0,
                        verdict => panic!("{verdict:?}"),
                    }
                })
                .collect();
            assert_eq!(waits, [1, 1, 5, 30, 120, 0], "{failure}");
        }
    }

    #[test]
    fn a_refresh_is_asked_for_again_by_the_next_request() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let failure = Failure::Internal("disk full".into());
        assert_eq!(Verdict::of_failure(&task, Lane::Interactive, 1, &failure), Verdict::Done);
    }
}
