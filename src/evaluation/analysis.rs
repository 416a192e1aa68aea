//! Analysis of a model's answers: which properties of solutions they have, and which indicators predict failure.

use super::indicators::{Indicator, indicators as of_answer};
use super::{Accuracy, Evaluation, Measured, properties};
use std::collections::BTreeMap;

/// The analysis of an evaluation.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub tolerances: Vec<f64>,
    /// The tolerance that defines correct answers for indicators and calibration.
    pub tolerance: f64,
    pub right: Accuracy,
    pub properties: Vec<PropertyShares>,
    pub indicators: Vec<IndicatorReport>,
    pub calibration: Vec<Bin>,
}

/// A property of solutions, and the fraction of answers that have it at each tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyShares {
    pub name: &'static str,
    pub accuracies: Vec<Accuracy>,
}

/// The distributions of an indicator for correct and for wrong answers.
#[derive(Clone, Debug, PartialEq)]
pub struct IndicatorReport {
    pub indicator: Indicator,
    pub right: Option<Quantiles>,
    pub wrong: Option<Quantiles>,
    /// The area under the ROC curve: the probability that a wrong answer has a larger value than a correct one. 1/2 is
    /// chance.
    pub area: Option<f64>,
    /// The threshold that classifies most answers correctly. `None` if all answers are correct or all are wrong.
    pub threshold: Option<Threshold>,
    /// Values in ascending order. Each comes with a flag: whether its answer was correct.
    pub values: Vec<(f64, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

/// The fraction of values below the low quantile, and the fraction above the high quantile.
pub const TAIL: f64 = 0.02;

/// Predicts failure for `indicator > value`, or for `indicator ≤ value` if small values indicate failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    pub value: f64,
    /// Whether values above the threshold predict failure.
    pub above: bool,
    /// Fraction of answers that the threshold classifies correctly.
    pub accuracy: f64,
    /// Fraction of wrong answers that the threshold finds.
    pub found: f64,
}

/// Answers of similar probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Bin {
    /// Mean log-probability per coefficient.
    pub log_probability: f64,
    pub accuracies: Vec<Accuracy>,
}

const BINS: usize = 10;

impl Analysis {
    /// Analyzes an evaluation of one problem.
    pub fn of(evaluation: &Evaluation, tolerance: f64) -> Self {
        let examples = &evaluation.examples;
        let errors: Vec<f64> = examples.iter().map(|measured| measured.error).collect();
        Self {
            tolerances: evaluation.tolerances.clone(),
            tolerance,
            right: Accuracy::below(&errors, tolerance),
            properties: properties(examples, &evaluation.tolerances),
            indicators: indicators(examples, tolerance),
            calibration: calibration(examples, &evaluation.tolerances),
        }
    }
}

fn at(tolerances: &[f64], errors: &[f64]) -> Vec<Accuracy> {
    tolerances
        .iter()
        .map(|&tolerance| Accuracy::below(errors, tolerance))
        .collect()
}

fn properties(examples: &[Measured], tolerances: &[f64]) -> Vec<PropertyShares> {
    let mut names = Vec::new();
    let mut deviations: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for measured in examples {
        let found = properties::properties(
            measured.problem,
            measured.example.truth(),
            &measured.example.solution,
            &measured.prediction,
        );
        for (name, deviation) in std::iter::once(("the whole answer", measured.error)).chain(found) {
            if !deviations.contains_key(name) {
                names.push(name);
            }
            deviations.entry(name).or_default().push(deviation);
        }
    }
    let shares = names.into_iter().map(|name| PropertyShares {
        name,
        accuracies: at(tolerances, &deviations[name]),
    });
    shares.collect()
}

fn indicators(examples: &[Measured], tolerance: f64) -> Vec<IndicatorReport> {
    let mut order: Vec<Indicator> = Vec::new();
    let mut values: BTreeMap<&'static str, Vec<(f64, bool)>> = BTreeMap::new();
    for measured in examples {
        let right = measured.error < tolerance;
        let own = [
            (Indicator::of_model("the model's doubt"), -per_coefficient(measured)),
            (Indicator::of_both("residual"), measured.residual),
        ];
        let found = of_answer(measured.problem, &measured.example.operands, &measured.prediction);
        for (indicator, value) in own.into_iter().chain(found) {
            if !values.contains_key(indicator.name) {
                order.push(indicator);
            }
            values.entry(indicator.name).or_default().push((value, right));
        }
    }
    order
        .into_iter()
        .map(|indicator| {
            let mut values = values.remove(indicator.name).unwrap_or_default();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let part = |wanted: bool| {
                quantiles(
                    values
                        .iter()
                        .filter(|(_, right)| *right == wanted)
                        .map(|(value, _)| *value),
                )
            };
            IndicatorReport {
                indicator,
                right: part(true),
                wrong: part(false),
                area: area(&values),
                threshold: threshold(&values),
                values,
            }
        })
        .collect()
}

/// The mean log-probability of an answer's coefficients.
fn per_coefficient(measured: &Measured) -> f64 {
    let count: usize = measured.prediction.iter().map(|matrix| matrix.len()).sum();
    measured.log_probability / count.max(1) as f64
}

/// Quantiles of ascending values.
fn quantiles(values: impl Iterator<Item = f64>) -> Option<Quantiles> {
    let values: Vec<f64> = values.collect();
    let at = |share: f64| {
        values
            .get((share * (values.len() as f64 - 1.0)).round() as usize)
            .copied()
    };
    Some(Quantiles {
        low: at(TAIL)?,
        median: at(0.5)?,
        high: at(1.0 - TAIL)?,
    })
}

/// The area under the ROC curve of ascending values, from the sum of ranks (Mann and Whitney). Equal values count half.
fn area(values: &[(f64, bool)]) -> Option<f64> {
    let right = values.iter().filter(|(_, right)| *right).count();
    let wrong = values.len() - right;
    if right == 0 || wrong == 0 {
        return None;
    }
    let (mut below, mut pairs) = (0usize, 0.0);
    for group in values.chunk_by(|a, b| a.0 == b.0) {
        let right_here = group.iter().filter(|(_, right)| *right).count();
        let wrong_here = group.len() - right_here;
        pairs += wrong_here as f64 * (below as f64 + 0.5 * right_here as f64);
        below += right_here;
    }
    Some(pairs / (right as f64 * wrong as f64))
}

/// The best threshold of ascending values.
fn threshold(values: &[(f64, bool)]) -> Option<Threshold> {
    let right = values.iter().filter(|(_, right)| *right).count();
    let wrong = values.len() - right;
    if right == 0 || wrong == 0 {
        return None;
    }
    let mut best: Option<Threshold> = None;
    let (mut right_below, mut wrong_below) = (0, 0);
    for group in values.chunk_by(|a, b| a.0 == b.0) {
        right_below += group.iter().filter(|(_, right)| *right).count();
        wrong_below += group.iter().filter(|(_, right)| !*right).count();
        for (above, told, found) in [
            (true, right_below + wrong - wrong_below, wrong - wrong_below),
            (false, wrong_below + right - right_below, wrong_below),
        ] {
            let accuracy = told as f64 / values.len() as f64;
            if best.is_none_or(|best| accuracy > best.accuracy) {
                best = Some(Threshold {
                    value: group[0].0,
                    above,
                    accuracy,
                    found: found as f64 / wrong as f64,
                });
            }
        }
    }
    best
}

fn calibration(examples: &[Measured], tolerances: &[f64]) -> Vec<Bin> {
    let mut pairs: Vec<(f64, f64)> = examples
        .iter()
        .map(|measured| (per_coefficient(measured), measured.error))
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = pairs.len().div_ceil(BINS).max(1);
    let bins = pairs.chunks(size).map(|bin| {
        let errors: Vec<f64> = bin.iter().map(|(_, error)| *error).collect();
        Bin {
            log_probability: bin.iter().map(|(log, _)| log).sum::<f64>() / bin.len() as f64,
            accuracies: at(tolerances, &errors),
        }
    });
    bins.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_order() {
        // In three of the six pairs, the wrong answer is above: (2, 1), (4, 1), (4, 3). In (2, 3) it is below, (1, 1)
        // is a tie, and (1, 3) is below.
        let values = [(1.0, true), (1.0, false), (2.0, false), (3.0, true), (4.0, false)];
        assert_eq!(area(&values), Some(3.5 / 6.0));
        assert_eq!(area(&[(1.0, true)]), None);
    }

    #[test]
    fn the_threshold_may_be_on_either_side() {
        let values = [
            (1.0, true),
            (2.0, true),
            (3.0, false),
            (4.0, true),
            (5.0, false),
            (6.0, false),
        ];
        let found = threshold(&values).unwrap();
        assert_eq!((found.value, found.above, found.found), (2.0, true, 1.0));
        assert!((found.accuracy - 5.0 / 6.0).abs() < 1e-12);
        let turned: Vec<_> = values.iter().map(|(value, right)| (*value, !right)).collect();
        let found = threshold(&turned).unwrap();
        assert_eq!((found.value, found.above), (2.0, false));
        assert_eq!(threshold(&[(1.0, false), (2.0, false)]), None);
    }

    #[test]
    fn quantiles_leave_out_the_tails() {
        let found = quantiles((0..=100).map(f64::from)).unwrap();
        assert_eq!((found.low, found.median, found.high), (2.0, 50.0, 98.0));
        assert_eq!(quantiles(std::iter::empty()), None);
    }
}
