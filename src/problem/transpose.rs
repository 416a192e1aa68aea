//! Transposition: Aᵀ.

use super::{Check, Facts, Part, Problem, Side, Unsolvable, measure};
use crate::matrix::Matrix;

const FACTS: Facts = Facts {
    solution: &[Part::matrix(Side::Cols, Side::Rows)],
    ..Facts::unary(Check::Transpose)
};

#[derive(Debug)]
pub struct Transpose;

impl Problem for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        operands[0].transpose_to(&mut solution[0]);
        Ok(())
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let limit = measure::TOLERANCE * operands[0].amax();
        measure::require_entries("the transpose", &solution[0], &operands[0].transpose(), limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    const PROBLEM: &dyn Problem = &Transpose;

    #[test]
    fn rows_become_columns() {
        let operands = [parse("[[1,2,3],[4,5,6]]").unwrap()];
        let mut solution = [Matrix::zeros(3, 2)];
        PROBLEM.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[1,4],[2,5],[3,6]]").unwrap());
        assert_eq!(
            PROBLEM.error(&operands, &solution, &[parse("[[1,4],[2,5],[3,13]]").unwrap()]),
            7.0 / 21.0
        );
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let operands = [parse("[[1,2],[3,4]]").unwrap()];
        let message = PROBLEM
            .check(&operands, &[parse("[[1,3],[2.5,4]]").unwrap()])
            .unwrap_err();
        assert_eq!(message, "entry (2, 1) of the transpose is 2.5, but should be 2");
    }

    #[test]
    fn rounding_errors_of_large_entries_are_accepted() {
        let operands = [parse("[[1000,2],[3,4]]").unwrap()];
        let moved = |by: f64| Matrix::from_row_slice(2, 2, &[1000.0, 3.0, 2.0 + by * measure::TOLERANCE, 4.0]);
        assert!(PROBLEM.check(&operands, &[moved(900.0)]).is_ok());
        assert!(PROBLEM.check(&operands, &[moved(1100.0)]).is_err());
    }
}
