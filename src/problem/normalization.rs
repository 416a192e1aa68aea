//! Normalization: an equivalent problem of another scale, and for eigenvalues of another mean.

use super::{Degree, Invariance, Problem};
use crate::matrix::{Matrix, Shape};

/// A problem's operands times a number, minus a multiple of the identity: so that matrices unlike those that a model knows
/// become like them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    scale: f64,
    shift: f64,
    /// Shape of the first operand.
    size: Shape,
    degrees: &'static [Degree],
}

impl Normalization {
    /// The largest coefficient in units of the deviation; that of uniform coefficients is √3.
    const LARGEST: f64 = 1.65;

    /// The scale of a matrix that is zero: it stays zero, and an answer divided by this, or by its square, vanishes.
    const OF_NOTHING: f64 = 1e100;

    /// Takes the mean of the eigenvalues away where that only moves the solution. Then the root mean square of the coefficients
    /// becomes `deviation`, or less where a coefficient would leave the range of such coefficients. Operands stay as they are
    /// where the solution does not follow from that of a scaled problem.
    pub fn of(problem: &dyn Problem, operands: &[Matrix], deviation: f64) -> Self {
        let Invariance { degrees, shifts } = problem.facts().invariance;
        let shift = match operands {
            [a] if shifts => a.trace() / a.nrows() as f64,
            _ => 0.0,
        };
        let unscaled = Self {
            scale: 1.0,
            shift,
            size: Shape::of(&operands[0]),
            degrees: degrees.unwrap_or_default(),
        };
        if degrees.is_none() {
            return unscaled;
        }
        let moved = unscaled.transform(operands);
        let scale = (deviation / root_mean_square(&moved)).min(Self::LARGEST * deviation / largest(&moved));
        // Of a multiple of the identity nothing is left: whatever a model makes of it is nothing beside the mean.
        let scale = if scale.is_finite() { scale } else { Self::OF_NOTHING };
        Self { scale, ..unscaled }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let transformed = operands.iter().map(|matrix| {
            let mut moved = matrix.clone();
            if self.shift != 0.0 {
                (0..moved.nrows()).for_each(|i| moved[(i, i)] -= self.shift);
            }
            moved * self.scale
        });
        transformed.collect()
    }

    /// The solution of the problem from a solution of the equivalent one.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let restored = solution.iter().enumerate().map(|(place, matrix)| {
            let degree = self.degrees.get(place).map_or(0, |degree| degree.at(self.size));
            let shift = if place == 0 { self.shift } else { 0.0 };
            (matrix / self.scale.powi(degree)).add_scalar(shift)
        });
        restored.collect()
    }
}

/// The root mean square of all coefficients; NaN where all are zero.
pub fn root_mean_square(operands: &[Matrix]) -> f64 {
    let count: usize = operands.iter().map(|matrix| matrix.len()).sum();
    // In units of the largest, whose square may be beyond all numbers.
    let unit = largest(operands);
    let square: f64 = operands.iter().map(|matrix| (matrix / unit).norm_squared()).sum();
    unit * (square / count as f64).sqrt()
}

/// The largest absolute value.
fn largest(operands: &[Matrix]) -> f64 {
    operands.iter().map(|matrix| matrix.amax()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::tests::{cases, solved};

    #[test]
    fn solutions_of_normalized_problems_give_back_the_solution() {
        for (problem, operands) in cases() {
            if problem.facts().invariance.degrees.is_none() {
                continue;
            }
            let operands: Vec<Matrix> = operands.iter().map(|matrix| matrix * 300.0).collect();
            let normalization = Normalization::of(problem, &operands, 10.0 / 3f64.sqrt());
            let moved = normalization.transform(&operands);
            assert!(
                moved.iter().all(|matrix| matrix.amax() < 9.6),
                "{}: {moved:?}",
                problem.name()
            );
            let restored = normalization.restore(&solved(problem, &moved));
            assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
        }
    }

    #[test]
    fn the_largest_numbers_are_normalized_too() {
        let inverse = crate::problem::named("inverse").unwrap();
        let small = [Matrix::from_row_slice(2, 2, &[1.0, 0.0, 0.3, -0.2])];
        let large = small.clone().map(|matrix| matrix * 1e300);
        let normalized = |operands: &[Matrix]| Normalization::of(inverse, operands, 1.0).transform(operands);
        assert!((&normalized(&large)[0] - &normalized(&small)[0]).amax() < 1e-12);
    }

    #[test]
    fn a_mean_eigenvalue_is_taken_away_and_given_back() {
        let eigenvalues = crate::problem::named("eigenvalues").unwrap();
        let normalization = Normalization::of(eigenvalues, &[Matrix::from_diagonal_element(2, 2, 7.0)], 1.0);
        let moved = normalization.transform(&[Matrix::from_diagonal_element(2, 2, 7.0)]);
        assert_eq!(moved[0].amax(), 0.0);
        assert_eq!(
            normalization.restore(&[Matrix::from_element(2, 1, 0.3)])[0].as_slice(),
            [7.0, 7.0]
        );
    }
}
