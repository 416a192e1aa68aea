//! Transposition: Aᵀ.

use super::{Invariance, Problem, Unsolvable, property};
use crate::matrix::{Distribution, Generator, Matrix, Shape};

#[derive(Debug)]
pub struct Transpose;

impl Problem for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![Shape::new(size.cols, size.rows)]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        distribution.fill(generator, &mut operands[0]);
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        operands[0].transpose_to(&mut solution[0]);
        Ok(())
    }

    /// `Σ|P - T| / Σ|T|`
    fn error(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        property::relative_l1(solution, prediction)
    }

    fn invariance(&self) -> Invariance {
        Invariance {
            degrees: &[1],
            shifts: false,
        }
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let limit = property::TOLERANCE * operands[0].amax();
        property::require_entries("the transpose", &solution[0], &operands[0].transpose(), limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn rows_become_columns() {
        let operands = [parse("[[1,2,3],[4,5,6]]").unwrap()];
        let mut solution = [Matrix::zeros(3, 2)];
        Transpose.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[1,4],[2,5],[3,6]]").unwrap());
        assert_eq!(
            Transpose.error(&operands, &solution, &[parse("[[1,4],[2,5],[3,13]]").unwrap()]),
            7.0 / 21.0
        );
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let operands = [parse("[[1,2],[3,4]]").unwrap()];
        let message = Transpose
            .check(&operands, &[parse("[[1,3],[2.5,4]]").unwrap()])
            .unwrap_err();
        assert_eq!(message, "entry (2, 1) of the transpose is 2.5, but should be 2");
    }
}
