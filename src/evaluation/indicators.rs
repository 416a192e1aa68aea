//! Failure indicators: quantities that may predict whether an answer is wrong, without the solution.

use super::entry;
use crate::matrix::{Matrix, decomposition};
use crate::problem::{Problem, measure};

/// The quantities that a failure indicator is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownFrom {
    /// The operands alone, before the model answers.
    Input,
    /// The answer alone.
    Output,
    /// Operands and answer.
    Both,
    /// The model's own probabilities.
    Model,
}

impl KnownFrom {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Both => "input and output",
            Self::Model => "model",
        }
    }
}

/// A quantity that may predict failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator {
    pub name: &'static str,
    pub known_from: KnownFrom,
}

impl Indicator {
    pub const fn of_input(name: &'static str) -> Self {
        let known_from = KnownFrom::Input;
        Self { name, known_from }
    }

    pub const fn of_output(name: &'static str) -> Self {
        let known_from = KnownFrom::Output;
        Self { name, known_from }
    }

    pub const fn of_both(name: &'static str) -> Self {
        let known_from = KnownFrom::Both;
        Self { name, known_from }
    }

    pub const fn of_model(name: &'static str) -> Self {
        let known_from = KnownFrom::Model;
        Self { name, known_from }
    }
}

type Indicators = Vec<(Indicator, f64)>;
type OfAnswer = fn(&Matrix, &[Matrix]) -> Indicators;

/// The indicators of each problem, computed from its first operand and the answer.
const TABLE: &[(&str, OfAnswer)] = &[
    ("eigenvalues", of_values),
    ("eigenvectors", of_eigenvectors),
    ("inverse", of_inverse),
    ("symmetric-inverse", of_inverse),
    ("singular-values", of_values),
    ("svd", of_svd),
];

/// The indicators of an answer, whose shapes may be wrong.
pub(super) fn indicators(problem: &dyn Problem, operands: &[Matrix], prediction: &[Matrix]) -> Indicators {
    entry(TABLE, problem).map_or_else(Vec::new, |of| of(&operands[0], prediction))
}

fn of_values(matrix: &Matrix, prediction: &[Matrix]) -> Indicators {
    let [values] = prediction else { return Vec::new() };
    let values = values.as_slice();
    vec![
        (Indicator::of_input("condition of A"), condition(matrix)),
        (Indicator::of_input("norm of A"), measure::norm(matrix)),
        (Indicator::of_output("values out of order"), disorder(values)),
        (Indicator::of_output("smallest gap of the answer"), smallest_gap(values)),
    ]
}

fn of_inverse(matrix: &Matrix, prediction: &[Matrix]) -> Indicators {
    let [inverse] = prediction else { return Vec::new() };
    vec![
        (Indicator::of_input("condition of A"), condition(matrix)),
        (Indicator::of_output("condition of P"), condition(inverse)),
        (Indicator::of_output("norm of P"), measure::norm(inverse)),
    ]
}

fn of_eigenvectors(matrix: &Matrix, prediction: &[Matrix]) -> Indicators {
    let [values, vectors] = prediction else {
        return Vec::new();
    };
    let mut exact = vec![0.0; matrix.nrows()];
    let known = decomposition::eigenvalues(&measure::symmetric_part(matrix), &mut exact).is_ok();
    let gap = if known { smallest_gap(&exact) } else { f64::NAN };
    vec![
        (Indicator::of_input("condition of A"), condition(matrix)),
        (Indicator::of_input("smallest gap of eigenvalues"), gap),
        (Indicator::of_output("condition of V"), condition(vectors)),
        (
            Indicator::of_output("distance of V from orthonormal"),
            measure::orthonormality_error(vectors),
        ),
        (
            Indicator::of_output("eigenvalues out of order"),
            disorder(values.as_slice()),
        ),
    ]
}

fn of_svd(matrix: &Matrix, prediction: &[Matrix]) -> Indicators {
    let [u, values, v] = prediction else { return Vec::new() };
    let mut exact = vec![0.0; values.len()];
    let known = decomposition::singular_values(matrix, &mut exact).is_ok();
    let gap = if known { smallest_gap(&exact) } else { f64::NAN };
    vec![
        (Indicator::of_input("condition of A"), condition(matrix)),
        (Indicator::of_input("smallest gap of singular values"), gap),
        (Indicator::of_output("condition of U"), condition(u)),
        (Indicator::of_output("condition of V"), condition(v)),
        (
            Indicator::of_output("distance of U from orthonormal"),
            measure::orthonormality_error(u),
        ),
        (
            Indicator::of_output("distance of V from orthonormal"),
            measure::orthonormality_error(v),
        ),
        (
            Indicator::of_output("singular values out of order"),
            disorder(values.as_slice()),
        ),
    ]
}

/// The condition number in the 2-norm. It is infinite if the matrix is singular or its decomposition fails.
fn condition(matrix: &Matrix) -> f64 {
    let mut values = vec![0.0; matrix.nrows().min(matrix.ncols())];
    match decomposition::singular_values(matrix, &mut values) {
        Ok(()) => match (values.first(), values.last()) {
            (Some(&first), Some(&last)) if last > 0.0 => first / last,
            _ => f64::INFINITY,
        },
        Err(_) => f64::INFINITY,
    }
}

/// The smallest distance between consecutive values, relative to the largest magnitude. Vectors of close values are
/// sensitive to errors.
fn smallest_gap(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0, |largest, value| f64::max(largest, value.abs()));
    let gaps = values.windows(2).map(|pair| (pair[0] - pair[1]).abs());
    gaps.fold(f64::INFINITY, f64::min) / largest
}

/// The largest increase between consecutive values, relative to the largest magnitude; 0 if the values descend.
fn disorder(values: &[f64]) -> f64 {
    let largest = values
        .iter()
        .fold(f64::MIN_POSITIVE, |largest, value| f64::max(largest, value.abs()));
    values
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).max(0.0))
        .fold(0.0, f64::max)
        / largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::{parse, parse_list};
    use crate::problem::named;

    #[test]
    fn conditions_gaps_and_disorder_of_small_cases() {
        let matrix = Matrix::from_row_slice(2, 2, &[3.0, 0.0, 0.0, -0.5]);
        assert!((condition(&matrix) - 6.0).abs() < 1e-12);
        assert_eq!(condition(&Matrix::from_element(2, 2, 0.0)), f64::INFINITY);
        assert_eq!(condition(&Matrix::from_element(2, 2, f64::NAN)), f64::INFINITY);
        assert_eq!(smallest_gap(&[4.0, 1.0, 0.0, -8.0]), 0.125);
        assert_eq!(disorder(&[4.0, 5.0, 1.0]), 0.2);
        assert_eq!(disorder(&[4.0, 2.0]), 0.0);
    }

    #[test]
    fn tables_name_problems() {
        for (name, _) in TABLE {
            assert!(crate::problem::named(name).is_ok(), "{name}");
        }
    }

    fn assert_indicators(problem: &str, prediction: &str, expected: &[(&str, &str, f64)]) {
        let operands = [parse("[[3,0],[0,-0.5]]").unwrap()];
        let found = indicators(named(problem).unwrap(), &operands, &parse_list(prediction).unwrap());
        let names: Vec<_> = found
            .iter()
            .map(|(found, _)| (found.name, found.known_from.name()))
            .collect();
        assert_eq!(
            names,
            expected.iter().map(|&(name, from, _)| (name, from)).collect::<Vec<_>>()
        );
        for ((indicator, found), (.., expected)) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-9,
                "{problem}, {}: {found}",
                indicator.name
            );
        }
    }

    #[test]
    fn indicators_of_small_answers_are_those_of_hand() {
        let condition = ("condition of A", "input", 6.0);
        let norm = ("norm of A", "input", 9.25f64.sqrt());
        assert_indicators(
            "eigenvalues",
            "[[[2],[4]]]",
            &[
                condition,
                norm,
                ("values out of order", "output", 0.5),
                ("smallest gap of the answer", "output", 0.5),
            ],
        );
        assert_indicators(
            "inverse",
            "[[[1,0],[0,4]]]",
            &[
                condition,
                ("condition of P", "output", 4.0),
                ("norm of P", "output", 17f64.sqrt()),
            ],
        );
        assert_indicators(
            "eigenvectors",
            "[[[1],[3]],[[1,0],[0,2]]]",
            &[
                condition,
                ("smallest gap of eigenvalues", "input", 3.5 / 3.0),
                ("condition of V", "output", 2.0),
                (
                    "distance of V from orthonormal",
                    "output",
                    orthonormality_error("[[1,0],[0,2]]"),
                ),
                ("eigenvalues out of order", "output", 2.0 / 3.0),
            ],
        );
        assert_indicators(
            "svd",
            "[[[1,0],[0,2]],[[1],[3]],[[1,0],[0,4]]]",
            &[
                condition,
                ("smallest gap of singular values", "input", 2.5 / 3.0),
                ("condition of U", "output", 2.0),
                ("condition of V", "output", 4.0),
                (
                    "distance of U from orthonormal",
                    "output",
                    orthonormality_error("[[1,0],[0,2]]"),
                ),
                (
                    "distance of V from orthonormal",
                    "output",
                    orthonormality_error("[[1,0],[0,4]]"),
                ),
                ("singular values out of order", "output", 2.0 / 3.0),
            ],
        );
        for problem in ["eigenvalues", "inverse", "eigenvectors", "svd", "add"] {
            assert_indicators(problem, "[[[1]],[[1]],[[1]],[[1]]]", &[]);
        }
    }

    fn orthonormality_error(vectors: &str) -> f64 {
        measure::orthonormality_error(&parse(vectors).unwrap())
    }

    #[test]
    fn sources_of_indicators_have_names() {
        let names = [
            Indicator::of_input,
            Indicator::of_output,
            Indicator::of_both,
            Indicator::of_model,
        ]
        .map(|of| of("x").known_from.name());
        assert_eq!(names, ["input", "output", "input and output", "model"]);
    }
}
