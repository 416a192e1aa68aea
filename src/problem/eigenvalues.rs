//! Eigenvalues of symmetric matrices, descending.

use super::{Check, Degree, Facts, Invariance, Part, Problem, Side, Structure, Unsolvable, measure};
use crate::matrix::{Matrix, decomposition};

const FACTS: Facts = Facts {
    structure: Structure::Symmetric,
    solution: &[Part::column(Side::Rows)],
    invariance: Invariance::degrees(&[Degree::Fixed(1)]).with_shifts(),
    ..Facts::unary(Check::Eigenvalues)
};

#[derive(Debug)]
pub struct Eigenvalues;

impl Problem for Eigenvalues {
    fn name(&self) -> &'static str {
        "eigenvalues"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        Ok(decomposition::eigenvalues(&operands[0], solution[0].as_mut_slice())?)
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        measure::require_descending("eigenvalues", &solution[0])?;
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = measure::TOLERANCE * measure::norm(&operands[0]);
        measure::require_entries("the eigenvalues", &solution[0], &expected[0], limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    const PROBLEM: &dyn Problem = &Eigenvalues;

    #[test]
    fn eigenvalues_descend() {
        let operands = [parse("[[2,1],[1,2]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        PROBLEM.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - parse("[[3],[1]]").unwrap()).amax() < 1e-15);
        let error = PROBLEM.error(
            &operands,
            &[parse("[[3],[1]]").unwrap()],
            &[parse("[[3.5],[0.5]]").unwrap()],
        );
        assert_eq!(error, 0.25);
    }

    #[test]
    fn wrong_solutions_are_named() {
        let operands = [parse("[[2,1],[1,2]]").unwrap()];
        let message = |solution: &str| PROBLEM.check(&operands, &[parse(solution).unwrap()]).unwrap_err();
        assert_eq!(
            message("[[1],[3]]"),
            "eigenvalues are not in descending order (1 before 3)"
        );
        assert!(message("[[3.1],[1]]").starts_with("entry (1, 1) of the eigenvalues is 3.1, but should be "));
        assert_eq!(message("[[3,1]]"), "the solution has shapes 1x2, but should have 2x1");
        assert_eq!(
            PROBLEM.check(&operands, &[parse("[[3.00000002],[0.99999998]]").unwrap()]),
            Ok(())
        );
    }

    #[test]
    fn operands_must_be_symmetric_and_square() {
        let message = PROBLEM.check_operands(&[parse("[[2,1],[4,2]]").unwrap()]).unwrap_err();
        assert_eq!(
            message,
            "the operand must be symmetric, but entry (1, 2) is 1 and entry (2, 1) is 4"
        );
        let message = PROBLEM.check_operands(&[parse("[[2,1]]").unwrap()]).unwrap_err();
        assert_eq!(message, "eigenvalues wants a square matrix; this is 1x2");
    }
}
