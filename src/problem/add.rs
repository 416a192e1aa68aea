//! Addition: A + B.

use super::{Form, Invariance, Problem, Unsolvable, property};
use crate::matrix::{Distribution, Generator, Matrix, Shape};

#[derive(Debug)]
pub struct Add;

impl Problem for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size, size]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn operand_forms(&self) -> &'static [Form] {
        &[Form::Matrix, Form::Matrix]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        operands
            .iter_mut()
            .for_each(|operand| distribution.fill(generator, operand));
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        operands[0].add_to(&operands[1], &mut solution[0]);
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
        let limit = property::TOLERANCE * operands[0].amax().max(operands[1].amax());
        property::require_entries("the sum", &solution[0], &(&operands[0] + &operands[1]), limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn entries_are_added() {
        let operands = [parse("[[1,2],[3,4]]").unwrap(), parse("[[10,-2],[0.5,-5]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 2)];
        Add.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[11,0],[3.5,-1]]").unwrap());
        assert_eq!(
            Add.error(&operands, &solution, &[parse("[[11,0],[3.5,2.1]]").unwrap()]),
            3.1 / 15.5
        );
        assert_eq!(Add.check(&operands, &solution), Ok(()));
        let message = Add
            .check(&operands, &[parse("[[11,0],[3.5,-1.001]]").unwrap()])
            .unwrap_err();
        assert_eq!(message, "entry (2, 2) of the sum is -1.001, but should be -1");
    }
}
