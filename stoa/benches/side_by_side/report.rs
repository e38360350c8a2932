//! The table: each figure with what it has to reach, for people and for programs.

use std::fmt::{self, Display};
use std::path::Path;

use serde_json::{Value, json};

use crate::directories;
use crate::outcome::Outcome;

/// One measured figure.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    figure: f64,
    unit: Unit,
    bound: Bound,
    stoa: String,
    beside: String,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Stoa's figure divided by the other's.
    Ratio,
    Requests,
    Mebibytes,
    Milliseconds,
}

/// What design §8 asks of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Shown for comparison; nothing is asked of it.
    None,
}

/// Everything a run has measured, and what it could not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    failures: Vec<String>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, figure: f64, unit: Unit, bound: Bound) -> Self {
        let (stoa, beside) = (String::new(), String::new());
        Self { what: what.into(), figure, unit, bound, stoa, beside }
    }

    /// Stoa's figure over the other's.
    pub(crate) fn ratio(what: impl Into<String>, stoa: f64, other: f64, bound: Bound) -> Self {
        Self::new(what, stoa / other, Unit::Ratio, bound)
    }

    /// What the figure was computed from.
    pub(crate) fn from(mut self, stoa: impl Into<String>, beside: impl Into<String>) -> Self {
        (self.stoa, self.beside) = (stoa.into(), beside.into());
        self
    }

    fn verdict(&self) -> &'static str {
        let is_reached = match self.bound {
            // Two of the same server differ by this much from run to run.
            Bound::AtLeast(least) => self.figure >= least * 0.97,
            Bound::AtMost(most) => self.figure <= most,
            Bound::None => return "",
        };
        if is_reached { "ok" } else { "MISS" }
    }

    fn figure(&self) -> String {
        let figure = self.figure;
        match self.unit {
            Unit::Ratio => format!("{figure:.2} x"),
            Unit::Requests => format!("{figure:.0} req"),
            Unit::Mebibytes => format!("{figure:.1} MiB"),
            Unit::Milliseconds => format!("{figure:.0} ms"),
        }
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "figure": self.figure,
            "unit": format!("{:?}", self.unit).to_lowercase(),
            "target": self.bound.to_string(),
            "verdict": self.verdict(),
            "stoa": self.stoa,
            "beside": self.beside,
        })
    }
}

impl Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(formatter, ">= {least}"),
            Self::AtMost(most) => write!(formatter, "<= {most}"),
            Self::None => Ok(()),
        }
    }
}

impl Report {
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// A section that could not be measured.
    pub(crate) fn add_failure(&mut self, text: String) {
        self.failures.push(text);
    }

    /// Whether everything that was asked for has been measured.
    pub(crate) fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn print(&self) {
        let line = |figure: &str, target: &str, verdict: &str, rest: [&str; 3]| {
            let [what, stoa, beside] = rest;
            println!("{figure:>10}  {target:<8}  {verdict:<4}  {what:<60}  {stoa:<26}  {beside}");
        };
        println!();
        line("figure", "target", "", ["what", "stoa", "beside"]);
        for row in &self.rows {
            let rest = [row.what.as_str(), &row.stoa, &row.beside];
            line(&row.figure(), &row.bound.to_string(), row.verdict(), rest);
        }
        for failure in &self.failures {
            println!("not measured: {failure}");
        }
    }

    pub(crate) fn write(&self, file: &Path, plan: &str) -> Outcome<()> {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let all =
            json!({"plan": plan, "cores": cores, "rows": rows, "not_measured": self.failures});
        directories::write(file, format!("{all:#}\n"))
    }
}

/// The middle one; of an even number, the mean of the middle two. Zero of none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        length if length % 2 == 1 => figures[length / 2],
        length => (figures[length / 2 - 1] + figures[length / 2]) / 2.0,
    }
}
