//! Family: all series of one metric, resolved at start.
//!
//! A look-up is an index into an array: no hashing of label values and no lock on
//! the hot path. Every series exists from the start, so that a rate over one that
//! has not happened yet is zero instead of missing.

use std::marker::PhantomData;

use super::labels::Label;

/// The series of a metric with one label.
#[derive(Debug)]
pub(super) struct Family<L, S> {
    series: Vec<S>,
    label: PhantomData<L>,
}

/// The series of a metric with two labels.
#[derive(Debug)]
pub(super) struct Family2<A, B, S> {
    series: Vec<S>,
    labels: PhantomData<(A, B)>,
}

impl<L: Label, S> Family<L, S> {
    /// Asks `resolve` for each series by its label value.
    pub(super) fn new(resolve: impl Fn(&[&str]) -> S) -> Self {
        let series = L::ALL.iter().map(|label| resolve(&[label.text()])).collect();
        Self { series, label: PhantomData }
    }

    pub(super) fn get(&self, label: L) -> &S {
        &self.series[label.index()]
    }
}

impl<A: Label, B: Label, S> Family2<A, B, S> {
    /// Asks `resolve` for each series by its two label values.
    pub(super) fn new(resolve: impl Fn(&[&str]) -> S) -> Self {
        let pairs = A::ALL.iter().flat_map(|a| B::ALL.iter().map(|b| [a.text(), b.text()]));
        Self { series: pairs.map(|pair| resolve(&pair)).collect(), labels: PhantomData }
    }

    pub(super) fn get(&self, a: A, b: B) -> &S {
        &self.series[a.index() * B::ALL.len() + b.index()]
    }
}
