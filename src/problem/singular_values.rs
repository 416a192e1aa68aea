//! Singular values of matrices of any shape, descending.

use super::{Check, Facts, Part, Problem, Side, Unsolvable, measure};
use crate::matrix::{Matrix, decomposition};

const FACTS: Facts = Facts {
    solution: &[Part::column(Side::Smaller)],
    ..Facts::unary(Check::SingularValues)
};

#[derive(Debug)]
pub struct SingularValues;

impl Problem for SingularValues {
    fn name(&self) -> &'static str {
        "singular-values"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        Ok(decomposition::singular_values(
            &operands[0],
            solution[0].as_mut_slice(),
        )?)
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        measure::require_singular_values(&solution[0])?;
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = measure::TOLERANCE * measure::norm(&operands[0]);
        measure::require_entries("the singular values", &solution[0], &expected[0], limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    const PROBLEM: &dyn Problem = &SingularValues;

    #[test]
    fn singular_values_are_positive_and_descend() {
        let operands = [parse("[[0,-3,0],[4,0,0]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        PROBLEM.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - parse("[[4],[3]]").unwrap()).amax() < 1e-14);
        let truth = [parse("[[4],[3]]").unwrap()];
        assert_eq!(PROBLEM.error(&operands, &truth, &[parse("[[4],[-0.5]]").unwrap()]), 0.5);
    }

    #[test]
    fn wrong_solutions_are_named() {
        let operands = [parse("[[0,-3],[4,0]]").unwrap()];
        let message = |solution: &str| PROBLEM.check(&operands, &[parse(solution).unwrap()]).unwrap_err();
        assert_eq!(
            message("[[4],[-3]]"),
            "singular values must not be negative, but one is -3"
        );
        assert_eq!(
            message("[[3],[4]]"),
            "singular values are not in descending order (3 before 4)"
        );
        assert!(message("[[4],[2]]").starts_with("entry (2, 1) of the singular values is 2, but should be "));
    }
}
