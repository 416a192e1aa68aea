//! The sign of a square matrix A. It has the eigenvectors of A, and each eigenvalue is 1 or -1: the sign of the real
//! part of A's eigenvalue.

use super::{Check, Degree, Facts, Invariance, Problem, Structure, Unsolvable, measure};
use crate::matrix::{Matrix, decomposition::with_dim};
use nalgebra::{DefaultAllocator, DimMin, LU, OMatrix, allocator::Allocator};

const FACTS: Facts = Facts {
    structure: Structure::Square,
    invariance: Invariance::degrees(&[Degree::Fixed(0)]),
    needs_inverse: true,
    ..Facts::unary(Check::Sign)
};

#[derive(Debug)]
pub struct MatrixSign;

impl Problem for MatrixSign {
    fn name(&self) -> &'static str {
        "matrix-sign"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    /// Refuses matrices with a zero or imaginary eigenvalue. Also refuses matrices with `max|X² - I| > 1e-10`, which
    /// are close to having such an eigenvalue.
    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let a = &operands[0];
        with_dim!(a.nrows(), dim => {
            let sign = sign_of(OMatrix::from_column_slice_generic(dim, dim, a.as_slice()))?;
            solution[0].copy_from_slice(sign.as_slice());
        });
        Ok(())
    }

    /// Compares X with the computed sign, because `X² = I` and `A X = X A` also hold for other matrices.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (a, x) = (&operands[0], &solution[0]);
        let [of_a, of_x] = [a, x].map(measure::norm);
        let square = measure::deviation_from_identity(x * x).amax();
        measure::require_small("max|X X - I|", square, of_x * of_x, "|X| |X|")?;
        measure::require_small("max|A X - X A|", (a * x - x * a).amax(), of_a * of_x, "|A| |X|")?;
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = measure::TOLERANCE * measure::norm(&expected[0]);
        measure::require_entries("the sign", x, &expected[0], limit)
    }
}

/// Newton's iteration `X ← (μ X + (μ X)⁻¹) / 2` with `μ = |det X|^(-1/n)` (Higham, *Functions of matrices*, 5.5).
fn sign_of<D>(mut x: OMatrix<f64, D, D>) -> Result<OMatrix<f64, D, D>, Unsolvable>
where
    D: DimMin<D, Output = D>,
    DefaultAllocator: Allocator<D, D> + Allocator<D>,
{
    // A step roughly doubles the angle between an eigenvalue and the imaginary axis. If that angle is as small as
    // rounding errors, 50 steps are needed.
    const STEPS: usize = 30;
    // Newton's method converges quadratically: after a step this small, the next one changes nothing.
    const SMALL_STEP: f64 = 1e-9;
    const LARGEST_DEVIATION: f64 = 1e-10;
    // Rounding errors grow with the condition number; up to this limit they stay below `LARGEST_DEVIATION`.
    const LARGEST_CONDITION: f64 = 1e6;
    let n = x.nrows();
    for _ in 0..STEPS {
        let lu = LU::new(x.clone_owned());
        let scale = lu.determinant().abs().powf(-1.0 / n as f64);
        let inverse = lu.try_inverse().ok_or(Unsolvable::Singular)?;
        // A step may move an imaginary eigenvalue to zero, where rounding errors would choose its sign.
        let is_regular = x.norm() * inverse.norm() <= LARGEST_CONDITION;
        if !is_regular {
            return Err(Unsolvable::Singular);
        }
        let next = (&x * scale + inverse / scale) * 0.5;
        let step = (&next - &x).amax();
        x = next;
        // The comparison is also false if the step is not a number.
        if step <= SMALL_STEP * x.amax() {
            let is_close = |i, j| {
                let square: f64 = (0..n).map(|k| x[(i, k)] * x[(k, j)]).sum();
                (square - if i == j { 1.0 } else { 0.0 }).abs() <= LARGEST_DEVIATION
            };
            let squares_to_identity = (0..n).all(|i| (0..n).all(|j| is_close(i, j)));
            return if squares_to_identity {
                Ok(x)
            } else {
                Err(Unsolvable::Singular)
            };
        }
    }
    Err(Unsolvable::NotConverged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    const PROBLEM: &dyn Problem = &MatrixSign;

    fn sign(text: &str) -> Result<Matrix, Unsolvable> {
        let operand = parse(text).unwrap();
        let mut solution = [Matrix::zeros(operand.nrows(), operand.ncols())];
        PROBLEM.solve(&[operand], &mut solution)?;
        let [solution] = solution;
        Ok(solution)
    }

    #[test]
    fn known_signs() {
        for (text, expected) in [
            ("[[-3]]", "[[-1]]"),
            ("[[2,0,0],[0,-5,0],[0,0,0.1]]", "[[1,0,0],[0,-1,0],[0,0,1]]"),
            // Eigenvalues 1 and -1: the matrix is its own sign.
            ("[[0,1],[1,0]]", "[[0,1],[1,0]]"),
            // Eigenvalues 1 + 2i and 1 - 2i.
            ("[[1,2],[-2,1]]", "[[1,0],[0,1]]"),
            // Eigenvalue 2 with (1, 0), and -1 with (1, -3).
            ("[[2,1],[0,-1]]", "[[1,0.666666666666666666],[0,-1]]"),
        ] {
            let expected = parse(expected).unwrap();
            assert!((sign(text).unwrap() - &expected).amax() < 1e-14, "{text}");
            assert_eq!(PROBLEM.check(&[parse(text).unwrap()], &[expected]), Ok(()), "{text}");
        }
    }

    #[test]
    fn zero_and_imaginary_eigenvalues_are_refused() {
        assert_eq!(sign("[[1,2],[2,4]]"), Err(Unsolvable::Singular));
        assert!(sign("[[0,-2],[2,0]]").is_err());
        assert!(sign("[[1,2,0],[-2,-1,0],[0,0,1]]").is_err());
        assert!(sign("[[3,2,1],[-5,-3,2],[0,0,-1]]").is_err());
    }

    #[test]
    fn other_square_roots_of_the_identity_are_refused() {
        let message = |text: &str| {
            PROBLEM
                .check(&[parse("[[2,1],[0,-1]]").unwrap()], &[parse(text).unwrap()])
                .unwrap_err()
        };
        assert_eq!(
            message("[[2,0],[0,-1]]"),
            "residual max|X X - I| is 3, above 1e-6 of |X| |X|"
        );
        assert_eq!(
            message("[[1,0],[0,-1]]"),
            "residual max|A X - X A| is 2, above 1e-6 of |A| |X|"
        );
        assert!(message("[[1,0],[0,1]]").starts_with("entry (1, 2) of the sign is 0, but should be 0.666"));
    }

    #[test]
    fn rounding_errors_of_large_signs_are_accepted() {
        // This matrix is its own sign, of norm 100.
        let matrix = |corner: f64| Matrix::from_row_slice(2, 2, &[1.0, corner, 0.0, -1.0]);
        let moved = |by: f64| matrix(100.0 + by * measure::TOLERANCE);
        assert!(PROBLEM.check(&[matrix(100.0)], &[moved(50.0)]).is_ok());
        assert!(PROBLEM.check(&[matrix(100.0)], &[moved(200.0)]).is_err());
    }
}
