//! Description: one metric's name, meaning, unit and labels, declared once.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Description {
    /// As `/metrics` shows it; ends with the unit, or `_total` for a count.
    pub name: &'static str,
    /// Whether it counts, varies, or is a distribution.
    pub kind: Kind,
    /// What one unit of its value is.
    pub unit: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// The kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The kind's name in documentation.
    pub fn text(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}
