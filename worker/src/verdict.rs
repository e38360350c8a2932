//! Verdict: what becomes of a delivery after its job ran.

use std::time::Duration;

use stoa_shared::queue::{Lane, Task};

use crate::failure::Failure;

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

/// How long a job waits that others were at, or whose host others wait for.
const POSTPONEMENT: Duration = Duration::from_secs(1);

impl Verdict {
    /// The verdict over an `attempt` (1 is the first) that failed. Refreshes are not
    /// tried again: the next request for a stale answer asks for a new one.
    pub fn of_failure(task: &Task, lane: Lane, attempt: u32, failure: &Failure) -> Self {
        if failure.is_out_of_turn() {
            return Self::Postpone { after: POSTPONEMENT };
        }
        if !matches!(task, Task::Fill { .. }) {
            return Self::Done;
        }
        let step = attempt.saturating_sub(1) as usize;
        let reason = failure.to_string();
        if lane == Lane::Background
            && failure.may_be_filled_upstream()
            && let Some(after) = UPSTREAM_LADDER.get(step)
        {
            return Self::Retry { after: *after, reason, is_outcome: false };
        }
        if !failure.is_worth_a_retry() {
            return Self::Done;
        }
        match LADDER.get(step) {
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
        let subject = "example.com/m".to_owned();
        let taken = Failure::Claim(crate::claim::ClaimError::Taken { subject });
        let verdict = Verdict::of_failure(&task, Lane::Interactive, 9, &taken);
        assert_eq!(verdict, Verdict::Postpone { after: POSTPONEMENT });
    }

    #[test]
    fn a_refresh_is_asked_for_again_by_the_next_request() {
        let task = Task::List { module: "example.com/m".parse().unwrap() };
        let failure = Failure::Internal("disk full".into());
        assert_eq!(Verdict::of_failure(&task, Lane::Interactive, 1, &failure), Verdict::Done);
    }
}
