//! Addition: A + B.

use super::{Check, Facts, Part, Problem, Unsolvable, measure};
use crate::matrix::Matrix;

const FACTS: Facts = Facts {
    operands: &[Part::SAME, Part::SAME],
    ..Facts::unary(Check::Sum)
};

#[derive(Debug)]
pub struct Add;

impl Problem for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        operands[0].add_to(&operands[1], &mut solution[0]);
        Ok(())
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let limit = measure::TOLERANCE * operands[0].amax().max(operands[1].amax());
        measure::require_entries("the sum", &solution[0], &(&operands[0] + &operands[1]), limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    const PROBLEM: &dyn Problem = &Add;

    #[test]
    fn entries_are_added() {
        let operands = [parse("[[1,2],[3,4]]").unwrap(), parse("[[10,-2],[0.5,-5]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 2)];
        PROBLEM.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[11,0],[3.5,-1]]").unwrap());
        assert_eq!(
            PROBLEM.error(&operands, &solution, &[parse("[[11,0],[3.5,2.1]]").unwrap()]),
            3.1 / 15.5
        );
        assert_eq!(PROBLEM.check(&operands, &solution), Ok(()));
        let message = PROBLEM
            .check(&operands, &[parse("[[11,0],[3.5,-1.001]]").unwrap()])
            .unwrap_err();
        assert_eq!(message, "entry (2, 2) of the sum is -1.001, but should be -1");
    }
}
