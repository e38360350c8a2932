//! Via: the deployments that a question has been at on its way here (RFC 9110 §7.6.3).

use serde::{Deserialize, Serialize};

use crate::config::DeploymentId;

/// Most hops that are kept: the last ones. No chain of deployments is as long.
const LONGEST: usize = 16;

/// The deployments that passed a question on, the first one first. Other servers on its way
/// are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Via(Vec<DeploymentId>);

impl Via {
    /// What the values of `Via` headers name: each a list of `1.1 name`, with a comment at
    /// most behind it.
    pub fn of_headers<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let hops = values.into_iter().flat_map(|value| value.split(','));
        Self::of_names(hops.filter_map(|hop| hop.split_whitespace().nth(1)))
    }

    fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hops: Vec<DeploymentId> =
            names.into_iter().filter_map(|name| name.parse().ok()).collect();
        hops.drain(..hops.len().saturating_sub(LONGEST));
        Self(hops)
    }

    /// Whether the question has been at the deployment: it goes round in a circle.
    pub fn contains(&self, deployment: &DeploymentId) -> bool {
        self.0.contains(deployment)
    }

    /// Whether the question comes from a client and from no other deployment.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The header's value when `deployment` passes the question on.
    pub fn passed_on_by(&self, deployment: &DeploymentId) -> String {
        let hops: Vec<_> =
            self.0.iter().chain([deployment]).map(|hop| format!("1.1 {hop}")).collect();
        hops.join(", ")
    }
}

impl From<Vec<String>> for Via {
    fn from(names: Vec<String>) -> Self {
        Self::of_names(names.iter().map(String::as_str))
    }
}

impl From<Via> for Vec<String> {
    fn from(via: Via) -> Self {
        via.0.iter().map(DeploymentId::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments_are_read_from_the_header_and_written_back() {
        for (values, passed_on) in [
            (vec![], "1.1 own"),
            (vec!["1.1 om"], "1.1 om, 1.1 own"),
            (vec!["1.1 oa, 1.1 om (stoa)", "2 ob"], "1.1 oa, 1.1 om, 1.1 ob, 1.1 own"),
            (vec!["om", "1.1 cache.example:8080,, HTTP/1.1 Upper"], "1.1 own"),
        ] {
            let via = Via::of_headers(values.iter().copied());
            assert_eq!(via.passed_on_by(&"own".parse().unwrap()), passed_on, "{values:?}");
            assert_eq!(via.is_empty(), passed_on == "1.1 own");
            let message = serde_json::to_string(&via).unwrap();
            assert_eq!(serde_json::from_str::<Via>(&message).unwrap(), via);
        }
    }

    #[test]
    fn a_question_that_comes_round_is_recognised() {
        let been = |value| Via::of_headers([value]).contains(&"om".parse().unwrap());
        assert!(been("1.1 om"));
        assert!(been("1.1 oa, 1.1 om (stoa)"));
        assert!(!been("1.1 oma"));
        assert!(!been("om"));
    }

    #[test]
    fn the_last_hops_of_many_are_kept() {
        let many: Vec<_> = (0..100).map(|hop| format!("1.1 d{hop}")).collect();
        let via = Via::of_headers(many.iter().map(String::as_str));
        assert_eq!(via.0.len(), LONGEST);
        assert!(via.contains(&"d99".parse().unwrap()));
    }
}
