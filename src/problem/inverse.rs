//! Inverses, of matrices that are not singular to working precision.

use super::{Invariance, Problem, Repair, Signal, Unsolvable, property, repair, signal};
use crate::matrix::{Distribution, Generator, Matrix, Shape, decomposition};

#[derive(Debug)]
pub struct Inverse;

impl Problem for Inverse {
    fn name(&self) -> &'static str {
        "inverse"
    }

    fn needs_square(&self) -> bool {
        true
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        distribution.fill(generator, &mut operands[0]);
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        invert(&operands[0], &mut solution[0])
    }

    /// `Σ|AP - I| / n`
    fn error(&self, operands: &[Matrix], _solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        match prediction {
            [inverse] => property::inversion_error(&operands[0], inverse),
            _ => f64::INFINITY,
        }
    }

    /// `Σ|AP - I| / n`: the error itself.
    fn residual(&self, operands: &[Matrix], prediction: &[Matrix]) -> f64 {
        self.error(operands, &[], prediction)
    }

    fn repair(&self) -> Option<Repair> {
        Some(|operands, prediction| vec![repair::inverse_step(&operands[0], &prediction[0])])
    }

    fn properties(&self, operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> Vec<(&'static str, f64)> {
        let [inverse] = prediction else { return Vec::new() };
        vec![
            ("coefficients", property::relative_l1(solution, prediction)),
            ("P A = I", property::inversion_error(inverse, &operands[0])),
        ]
    }

    fn signals(&self, operands: &[Matrix], prediction: &[Matrix]) -> Vec<(Signal, f64)> {
        signal::of_inverse(&operands[0], prediction)
    }

    fn has_condensed_form(&self) -> bool {
        true
    }

    fn invariance(&self) -> Invariance {
        Invariance {
            degrees: &[-1],
            shifts: false,
        }
    }

    /// The tolerance is of `|A| |P|`, by which the errors of a printed P grow.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        property::require_inverse(&operands[0], &solution[0])
    }
}

/// Inverts by LU; refuses where `max|A A⁻¹ - I| > 1e-10`, as the paper does.
pub(super) fn invert(matrix: &Matrix, inverse: &mut Matrix) -> Result<(), Unsolvable> {
    const LARGEST_DEVIATION: f64 = 1e-10;
    if !decomposition::invert(matrix, inverse) {
        return Err(Unsolvable::Singular);
    }
    let n = matrix.nrows();
    for i in 0..n {
        for j in 0..n {
            let identity = if i == j { 1.0 } else { 0.0 };
            let product: f64 = (0..n).map(|k| matrix[(i, k)] * inverse[(k, j)]).sum();
            // False also where the product is not a number.
            let is_close = (product - identity).abs() <= LARGEST_DEVIATION;
            if !is_close {
                return Err(Unsolvable::Singular);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn the_error_is_the_deviation_of_the_product_from_the_identity() {
        let operands = [parse("[[2,1],[1,1]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 2)];
        Inverse.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - parse("[[1,-1],[-1,2]]").unwrap()).amax() < 1e-15);
        // A P = [[2.5, 0], [1.25, 1]] with P = [[1.25, -1], [0, 2]]: Σ|AP - I| = 1.5 + 1.25, over 2.
        assert_eq!(
            Inverse.error(&operands, &solution, &[parse("[[1.25,-1],[0,2]]").unwrap()]),
            1.375
        );
        assert_eq!(Inverse.error(&operands, &solution, &[]), f64::INFINITY);
    }

    #[test]
    fn singular_matrices_are_refused() {
        for text in ["[[1,2],[2,4]]", "[[0,0],[0,0]]", "[[0.1,0.3],[0.3,0.9]]"] {
            let mut solution = [Matrix::zeros(2, 2)];
            assert_eq!(
                Inverse.solve(&[parse(text).unwrap()], &mut solution),
                Err(Unsolvable::Singular),
                "{text}"
            );
        }
    }

    #[test]
    fn eight_digits_of_an_ill_conditioned_inverse_pass_and_four_do_not() {
        // Condition 40,000: the residual of eight digits is 1e-4.
        let operands = [parse("[[1,1],[1,1.0001]]").unwrap()];
        assert_eq!(
            Inverse.check(
                &operands,
                &[parse("[[10001.0001,-10000.0002],[-9999.9998,10000.0001]]").unwrap()]
            ),
            Ok(())
        );
        let message = Inverse
            .check(&operands, &[parse("[[10010,-10000],[-10000,10000]]").unwrap()])
            .unwrap_err();
        assert!(
            message.starts_with("residual max|A P - I| is ") && message.ends_with("above 1e-6 of |A| |P|"),
            "{message}"
        );
        assert!(Inverse.check(&operands, &[Matrix::zeros(2, 2)]).is_err());
    }
}
