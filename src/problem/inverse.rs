//! Inverses of matrices that are not singular to working precision. Inverses of symmetric matrices are exactly
//! symmetric.

use super::{Check, Degree, Facts, Invariance, Problem, Structure, Unsolvable, measure};
use crate::matrix::{Matrix, decomposition};

#[derive(Debug)]
pub struct Inverse {
    name: &'static str,
    facts: &'static Facts,
}

pub const INVERSE: Inverse = Inverse {
    name: "inverse",
    facts: &Facts {
        structure: Structure::Square,
        invariance: RECIPROCAL.with_equilibration(),
        has_condensed_form: true,
        needs_inverse: true,
        ..Facts::unary(Check::Inverse)
    },
};

pub const SYMMETRIC_INVERSE: Inverse = Inverse {
    name: "symmetric-inverse",
    facts: &Facts {
        structure: Structure::Symmetric,
        invariance: RECIPROCAL,
        needs_inverse: true,
        ..Facts::unary(Check::Inverse)
    },
};

const RECIPROCAL: Invariance = Invariance::degrees(&[Degree::Fixed(-1)]);

impl Problem for Inverse {
    fn name(&self) -> &'static str {
        self.name
    }

    fn facts(&self) -> &'static Facts {
        self.facts
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let inverse = &mut solution[0];
        invert(&operands[0], inverse.as_mut_slice())?;
        if self.facts.structure == Structure::Symmetric {
            for j in 0..inverse.ncols() {
                for i in 0..j {
                    let mean = 0.5 * (inverse[(i, j)] + inverse[(j, i)]);
                    inverse[(i, j)] = mean;
                    inverse[(j, i)] = mean;
                }
            }
        }
        Ok(())
    }

    /// `Σ|AP - I| / n`
    fn error(&self, operands: &[Matrix], _solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        match prediction {
            [inverse] => measure::inversion_error(&operands[0], inverse),
            _ => f64::INFINITY,
        }
    }

    /// The limit on A P - I is relative to `|A| |P|`, because rounding P to a few digits causes errors of that size.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (a, inverse) = (&operands[0], &solution[0]);
        let residual = measure::deviation_from_identity(a * inverse).amax();
        let scale = measure::norm(a) * measure::norm(inverse);
        measure::require_small("max|A P - I|", residual, scale, "|A| |P|")
    }
}

/// Inverts by LU, column by column. Refuses matrices with `max|A A⁻¹ - I| > 1e-10`, as the paper does.
pub(super) fn invert(matrix: &Matrix, inverse: &mut [f64]) -> Result<(), Unsolvable> {
    const LARGEST_DEVIATION: f64 = 1e-10;
    if !decomposition::invert(matrix, inverse) {
        return Err(Unsolvable::Singular);
    }
    let n = matrix.nrows();
    for i in 0..n {
        for j in 0..n {
            let identity = if i == j { 1.0 } else { 0.0 };
            let product: f64 = (0..n).map(|k| matrix[(i, k)] * inverse[k + n * j]).sum();
            // The comparison is also false if the product is not a number.
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
    use crate::matrix::{Address, Distribution, Split, text::parse};

    const GENERAL: &dyn Problem = &INVERSE;
    const SYMMETRIC: &dyn Problem = &SYMMETRIC_INVERSE;

    #[test]
    fn the_error_is_the_deviation_of_the_product_from_the_identity() {
        let operands = [parse("[[2,1],[1,1]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 2)];
        GENERAL.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - parse("[[1,-1],[-1,2]]").unwrap()).amax() < 1e-15);
        // A P = [[2.5, 0], [1.25, 1]] for P = [[1.25, -1], [0, 2]], so Σ|AP - I| / n = (1.5 + 1.25) / 2.
        assert_eq!(
            GENERAL.error(&operands, &solution, &[parse("[[1.25,-1],[0,2]]").unwrap()]),
            1.375
        );
        assert_eq!(GENERAL.error(&operands, &solution, &[]), f64::INFINITY);
    }

    #[test]
    fn singular_matrices_are_refused() {
        for text in ["[[1,2],[2,4]]", "[[0,0],[0,0]]", "[[0.1,0.3],[0.3,0.9]]"] {
            let mut solution = [Matrix::zeros(2, 2)];
            assert_eq!(
                GENERAL.solve(&[parse(text).unwrap()], &mut solution),
                Err(Unsolvable::Singular),
                "{text}"
            );
        }
    }

    #[test]
    fn eight_digits_of_an_ill_conditioned_inverse_pass_and_four_do_not() {
        // The condition number is 40,000, so eight digits give a residual of 1e-4.
        let operands = [parse("[[1,1],[1,1.0001]]").unwrap()];
        assert_eq!(
            GENERAL.check(
                &operands,
                &[parse("[[10001.0001,-10000.0002],[-9999.9998,10000.0001]]").unwrap()]
            ),
            Ok(())
        );
        let message = GENERAL
            .check(&operands, &[parse("[[10010,-10000],[-10000,10000]]").unwrap()])
            .unwrap_err();
        assert!(
            message.starts_with("residual max|A P - I| is ") && message.ends_with("above 1e-6 of |A| |P|"),
            "{message}"
        );
        assert!(GENERAL.check(&operands, &[Matrix::zeros(2, 2)]).is_err());
    }

    #[test]
    fn inverses_are_symmetric_to_the_bit() {
        for n in [3, 5, 12] {
            let (mut operands, mut solution) = ([Matrix::zeros(n, n)], [Matrix::zeros(n, n)]);
            let mut generator = Address {
                seed: 1,
                split: Split::Train,
                index: 0,
            }
            .generator(0);
            SYMMETRIC.sample(&Distribution::default(), &mut generator, &mut operands);
            SYMMETRIC.solve(&operands, &mut solution).unwrap();
            assert_eq!(solution[0], solution[0].transpose());
            assert_eq!(SYMMETRIC.check(&operands, &solution), Ok(()));
            assert!(SYMMETRIC.error(&operands, &solution, &solution) < 1e-10);
        }
    }
}
