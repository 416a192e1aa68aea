//! Inverses of symmetric matrices, which are symmetric.

use super::{Invariance, Problem, Repair, Signal, Unsolvable, inverse::invert, property, repair, signal};
use crate::matrix::{Distribution, Generator, Matrix, Shape};

#[derive(Debug)]
pub struct SymmetricInverse;

impl Problem for SymmetricInverse {
    fn name(&self) -> &'static str {
        "symmetric-inverse"
    }

    fn needs_square(&self) -> bool {
        true
    }

    fn is_symmetric(&self) -> bool {
        true
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        distribution.fill_symmetric(generator, &mut operands[0]);
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let inverse = &mut solution[0];
        invert(&operands[0], inverse)?;
        for j in 0..inverse.ncols() {
            for i in 0..j {
                let mean = 0.5 * (inverse[(i, j)] + inverse[(j, i)]);
                inverse[(i, j)] = mean;
                inverse[(j, i)] = mean;
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Address, Split};

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
            SymmetricInverse.sample(&Distribution::default(), &mut generator, &mut operands);
            SymmetricInverse.solve(&operands, &mut solution).unwrap();
            assert_eq!(solution[0], solution[0].transpose());
            assert_eq!(SymmetricInverse.check(&operands, &solution), Ok(()));
            assert!(SymmetricInverse.error(&operands, &solution, &solution) < 1e-10);
        }
    }
}
