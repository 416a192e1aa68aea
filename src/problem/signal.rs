//! Quantities that may tell whether an answer is wrong before the solution is known.

use super::property::norm;
use crate::matrix::{Matrix, decomposition};

/// What a quantity is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The operands alone, before the model is asked.
    Input,
    /// The answer alone.
    Output,
    /// Both.
    Both,
    /// The model's own probabilities.
    Model,
}

impl Origin {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Both => "input and output",
            Self::Model => "model",
        }
    }
}

/// A quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    pub name: &'static str,
    pub origin: Origin,
}

impl Signal {
    pub const fn of_input(name: &'static str) -> Self {
        let origin = Origin::Input;
        Self { name, origin }
    }

    pub const fn of_output(name: &'static str) -> Self {
        let origin = Origin::Output;
        Self { name, origin }
    }

    pub const fn of_both(name: &'static str) -> Self {
        let origin = Origin::Both;
        Self { name, origin }
    }

    pub const fn of_model(name: &'static str) -> Self {
        let origin = Origin::Model;
        Self { name, origin }
    }
}

/// What tells of eigenvalues or singular values of a matrix.
pub(super) fn of_values(matrix: &Matrix, prediction: &[Matrix]) -> Vec<(Signal, f64)> {
    let [values] = prediction else { return Vec::new() };
    let values = values.as_slice();
    vec![
        (Signal::of_input("condition of A"), condition(matrix)),
        (Signal::of_input("norm of A"), norm(matrix)),
        (Signal::of_output("values out of order"), disorder(values)),
        (Signal::of_output("smallest gap of the answer"), smallest_gap(values)),
    ]
}

/// What tells of the inverse of a matrix.
pub(super) fn of_inverse(matrix: &Matrix, prediction: &[Matrix]) -> Vec<(Signal, f64)> {
    let [inverse] = prediction else { return Vec::new() };
    vec![
        (Signal::of_input("condition of A"), condition(matrix)),
        (Signal::of_output("condition of P"), condition(inverse)),
        (Signal::of_output("norm of P"), norm(inverse)),
    ]
}

/// The condition number in the 2-norm; infinite where the matrix is singular or has no singular values.
pub(super) fn condition(matrix: &Matrix) -> f64 {
    let mut values = vec![0.0; matrix.nrows().min(matrix.ncols())];
    match decomposition::singular_values(matrix, &mut values) {
        Ok(()) => match (values.first(), values.last()) {
            (Some(&first), Some(&last)) if last > 0.0 => first / last,
            _ => f64::INFINITY,
        },
        Err(_) => f64::INFINITY,
    }
}

/// The smallest distance of two values that follow one another, as a share of the largest magnitude: vectors of values that
/// are close are sensitive.
pub(super) fn smallest_gap(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0, |largest, value| f64::max(largest, value.abs()));
    let gaps = values.windows(2).map(|pair| (pair[0] - pair[1]).abs());
    gaps.fold(f64::INFINITY, f64::min) / largest
}

/// How far values are from descending, as a share of the largest magnitude.
pub(super) fn disorder(values: &[f64]) -> f64 {
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
}
