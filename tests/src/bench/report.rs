//! Figures and their bars: what was measured, against what, and whether that is enough. Measures nothing.

pub(crate) mod figures;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::machine::Machine;
use figures::{FIGURES, Figure};
pub(crate) use text::markdown;

/// One round's worth of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Sample {
    pub(crate) measured: f64,
    /// What it is divided by, taken in the same round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) yardstick: Option<f64>,
}

impl Sample {
    /// What a bar is held against. A ratio without its yardstick is none.
    fn judged(&self, figure: &Figure) -> Option<f64> {
        match self.yardstick {
            Some(yardstick) => Some(self.measured / yardstick),
            None => figure.yardstick.is_none().then_some(self.measured),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let by = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or_default();
        Some(Self { median: median(values), min: by(f64::min), max: by(f64::max) })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value >= bar,
            Self::AtMost(bar) => value <= bar,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Verdict {
    bar: Bar,
    passed: bool,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    #[serde(flatten)]
    figure: Figure,
    samples: Vec<Sample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    judged: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<Verdict>,
    /// Why there is nothing, or less than there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
}

/// Collects what the rounds yield.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    taken: BTreeMap<&'static str, Vec<Sample>>,
    missing: BTreeMap<&'static str, String>,
}

impl Samples {
    pub(crate) fn add(&mut self, figure: &'static str, measured: f64, yardstick: Option<f64>) {
        self.taken.entry(figure).or_default().push(Sample { measured, yardstick });
    }

    /// The first reason stays.
    pub(crate) fn miss(&mut self, figure: &'static str, why: impl ToString) {
        self.missing.entry(figure).or_insert_with(|| why.to_string());
    }

    /// Takes over the reasons of `other`, not its figures.
    pub(crate) fn keep_missing(&mut self, other: Self) {
        for (figure, why) in other.missing {
            self.missing.entry(figure).or_insert(why);
        }
    }

    fn line(&self, figure: &Figure) -> Line {
        let samples = self.taken.get(figure.name).cloned().unwrap_or_default();
        let spread = |of: &dyn Fn(&Sample) -> Option<f64>| {
            Spread::of(&samples.iter().filter_map(of).collect::<Vec<_>>())
        };
        let judged = spread(&|sample| sample.judged(figure));
        let verdict = |bar: Option<Bar>| {
            let (bar, judged) = (bar?, judged?);
            Some(Verdict { bar, passed: bar.is_met_by(judged.median) })
        };
        Line {
            measured: spread(&|sample| Some(sample.measured)),
            against: spread(&|sample| sample.yardstick),
            judged: judged.filter(|_| figure.yardstick.is_some()),
            first: verdict(figure.first),
            goal: verdict(figure.goal),
            missing: self.missing.get(figure.name).cloned(),
            figure: figure.clone(),
            samples,
        }
    }
}

/// Everything about a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) rounds: u32,
    pub(crate) machine: Machine,
    pub(crate) versions: BTreeMap<String, String>,
    /// Yardsticks that were not there, and why.
    pub(crate) missing_yardsticks: BTreeMap<String, String>,
    pub(crate) lines: Vec<Line>,
}

impl Report {
    /// Whether each selected figure passed its first bar.
    pub(crate) fn misses(&self) -> Vec<&'static str> {
        let missed = |line: &&Line| line.first.as_ref().is_some_and(|verdict| !verdict.passed);
        self.lines.iter().filter(missed).map(|line| line.figure.name).collect()
    }
}

/// The lines of the figures that were asked for.
pub(crate) fn lines(samples: &Samples, is_wanted: impl Fn(&Figure) -> bool) -> Vec<Line> {
    FIGURES.iter().filter(|figure| is_wanted(figure)).map(|figure| samples.line(figure)).collect()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// By nearest rank; of an even number the lower middle and the upper are averaged for the median alone.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if q == 0.5 && count % 2 == 0 => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        count => {
            let rank = (q * count as f64).ceil() as usize;
            sorted[rank.clamp(1, count) - 1]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!((median(&values), quantile(&values, 0.999)), (500.5, 999.0));
        assert_eq!((median(&[3.0, 1.0, 2.0]), quantile(&[7.0], 0.999)), (2.0, 7.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_is_taken_within_its_round_and_judged_by_its_median() {
        let mut samples = Samples::default();
        for (measured, yardstick) in [(1.0, 2.0), (4.0, 5.0), (9.0, 10.0)] {
            samples.add("relay-1-echo", measured, Some(yardstick));
        }
        samples.miss("relay-1-nats", "no nats-server");
        let lines = lines(&samples, |figure| figure.group == "relay");
        let judged = lines[0].judged.expect("there are samples");
        assert_eq!((judged.median, judged.min, judged.max), (0.8, 0.5, 0.9));
        assert!(lines[0].first.as_ref().is_some_and(|it| it.passed));
        assert!(lines[0].goal.as_ref().is_some_and(|it| !it.passed));
        let nats = lines.iter().find(|line| line.figure.name == "relay-1-nats").expect("a line");
        assert_eq!(nats.missing.as_deref(), Some("no nats-server"));
        assert!(nats.first.is_none());
    }
}
