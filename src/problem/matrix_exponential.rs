//! The exponential of a square matrix, `I + A + A²/2 + ...`.
//!
//! Its entries grow exponentially with the eigenvalues: to a million for 3×3 matrices with coefficients up to 10, and
//! further for larger matrices. Recipes therefore set `data.magnitude = 1`. The exponential of s A is not a multiple of
//! the exponential of A, so operands cannot be normalized.

use super::{Check, Facts, Invariance, Problem, Structure, Unsolvable, measure};
use crate::matrix::{Matrix, decomposition::with_dim};
use nalgebra::OMatrix;

const FACTS: Facts = Facts {
    structure: Structure::Square,
    invariance: Invariance::NONE,
    ..Facts::unary(Check::Exponential)
};

/// The largest supported 1-norm of an operand. Exponentials may overflow from 709 on.
const LARGEST_NORM: f64 = 1e6;

#[derive(Debug)]
pub struct MatrixExponential;

impl Problem for MatrixExponential {
    fn name(&self) -> &'static str {
        "matrix-exponential"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    /// Uses scaling and squaring with Padé's approximation. Entries that overflow are infinite.
    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let a = &operands[0];
        // nalgebra's number of squarings grows with the norm, and its loop never ends if powers of the norm overflow.
        let columns = a.column_iter();
        if !columns.map(|column| column.lp_norm(1)).all(|norm| norm <= LARGEST_NORM) {
            return Err(Unsolvable::NotConverged);
        }
        with_dim!(a.nrows(), dim => {
            let exponential = OMatrix::from_column_slice_generic(dim, dim, a.as_slice()).exp();
            solution[0].copy_from_slice(exponential.as_slice());
        });
        Ok(())
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = measure::TOLERANCE * expected[0].amax();
        measure::require_entries("the exponential", &solution[0], &expected[0], limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    const PROBLEM: &dyn Problem = &MatrixExponential;

    #[test]
    fn a_matrix_too_large_to_exponentiate_is_refused() {
        for number in [1e7, -1e60, 1e300, f64::NAN] {
            let mut solution = [Matrix::zeros(2, 2)];
            let outcome = PROBLEM.solve(&[Matrix::from_element(2, 2, number)], &mut solution);
            assert_eq!(outcome, Err(Unsolvable::NotConverged), "{number}");
        }
    }

    fn exponential(matrix: Matrix) -> Matrix {
        let mut solution = [Matrix::zeros(matrix.nrows(), matrix.ncols())];
        PROBLEM.solve(&[matrix], &mut solution).unwrap();
        let [solution] = solution;
        solution
    }

    #[test]
    fn known_exponentials() {
        let nilpotent = exponential(parse("[[0,1,2],[0,0,3],[0,0,0]]").unwrap());
        assert!((nilpotent - parse("[[1,1,3.5],[0,1,3],[0,0,1]]").unwrap()).amax() < 1e-14);
        let (sin, cos) = 2f64.sin_cos();
        let rotation = exponential(parse("[[0,-2],[2,0]]").unwrap());
        assert!((rotation - Matrix::from_row_slice(2, 2, &[cos, -sin, sin, cos])).amax() < 1e-14);
        assert_eq!(exponential(Matrix::zeros(4, 4)), Matrix::identity(4, 4));
        assert_eq!(exponential(parse("[[1]]").unwrap())[0], 1f64.exp());
    }

    #[test]
    fn the_exponential_of_the_negative_is_the_inverse() {
        let matrix = parse("[[1,2,-1],[0.5,-1,2],[3,0,1]]").unwrap();
        let product = exponential(matrix.clone()) * exponential(-matrix);
        assert!((product - Matrix::identity(3, 3)).amax() < 1e-11);
    }

    #[test]
    fn eight_digits_pass_and_wrong_entries_are_named() {
        let operands = [parse("[[0,1],[0,0]]").unwrap()];
        assert_eq!(
            PROBLEM.check(&operands, &[parse("[[1,1.00000002],[0,1]]").unwrap()]),
            Ok(())
        );
        let message = PROBLEM
            .check(&operands, &[parse("[[1,2],[0,1]]").unwrap()])
            .unwrap_err();
        assert_eq!(message, "entry (1, 2) of the exponential is 2, but should be 1");
    }
}
