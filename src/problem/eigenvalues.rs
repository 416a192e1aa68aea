//! Eigenvalues of symmetric matrices, descending.

use super::{Form, Invariance, Problem, Repair, Signal, Unsolvable, property, repair, signal};
use crate::matrix::{Distribution, Generator, Matrix, Shape, decomposition};

#[derive(Debug)]
pub struct Eigenvalues;

impl Problem for Eigenvalues {
    fn name(&self) -> &'static str {
        "eigenvalues"
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
        vec![Shape::new(size.rows, 1)]
    }

    fn solution_forms(&self) -> &'static [Form] {
        &[Form::Column]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        distribution.fill_symmetric(generator, &mut operands[0]);
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        Ok(decomposition::eigenvalues(&operands[0], solution[0].as_mut_slice())?)
    }

    /// `Σ|P - T| / Σ|T|`
    fn error(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        property::relative_l1(solution, prediction)
    }

    /// Of the sums of their powers; of the symmetric part of the operand.
    fn residual(&self, operands: &[Matrix], prediction: &[Matrix]) -> f64 {
        match prediction {
            [values] => property::power_sum_residual(&property::symmetric_part(&operands[0]), values.as_slice()),
            _ => f64::INFINITY,
        }
    }

    fn repair(&self) -> Option<Repair> {
        Some(|operands, prediction| {
            vec![repair::eigenvalue_step(
                &property::symmetric_part(&operands[0]),
                &prediction[0],
            )]
        })
    }

    fn properties(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> Vec<(&'static str, f64)> {
        let [first, last] = property::errors_of_ends(solution, prediction);
        vec![("the largest value", first), ("the smallest value", last)]
    }

    fn signals(&self, operands: &[Matrix], prediction: &[Matrix]) -> Vec<(Signal, f64)> {
        signal::of_values(&operands[0], prediction)
    }

    fn invariance(&self) -> Invariance {
        Invariance {
            degrees: &[1],
            shifts: true,
        }
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        property::require_descending("eigenvalues", &solution[0])?;
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = property::TOLERANCE * property::norm(&operands[0]);
        property::require_entries("the eigenvalues", &solution[0], &expected[0], limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn eigenvalues_descend() {
        let operands = [parse("[[2,1],[1,2]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        Eigenvalues.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - parse("[[3],[1]]").unwrap()).amax() < 1e-15);
        let error = Eigenvalues.error(
            &operands,
            &[parse("[[3],[1]]").unwrap()],
            &[parse("[[3.5],[0.5]]").unwrap()],
        );
        assert_eq!(error, 0.25);
    }

    #[test]
    fn wrong_solutions_of_others_are_named() {
        let operands = [parse("[[2,1],[1,2]]").unwrap()];
        let message = |solution: &str| Eigenvalues.check(&operands, &[parse(solution).unwrap()]).unwrap_err();
        assert_eq!(
            message("[[1],[3]]"),
            "eigenvalues are not in descending order (1 before 3)"
        );
        assert!(message("[[3.1],[1]]").starts_with("entry (1, 1) of the eigenvalues is 3.1, but should be "));
        assert_eq!(message("[[3,1]]"), "the solution has shapes 1x2, but should have 2x1");
        assert_eq!(
            Eigenvalues.check(&operands, &[parse("[[3.00000002],[0.99999998]]").unwrap()]),
            Ok(())
        );
    }

    #[test]
    fn operands_must_be_symmetric_and_square() {
        let message = Eigenvalues
            .check_operands(&[parse("[[2,1],[4,2]]").unwrap()])
            .unwrap_err();
        assert_eq!(
            message,
            "the operand must be symmetric, but entry (1, 2) is 1 and entry (2, 1) is 4"
        );
        let message = Eigenvalues.check_operands(&[parse("[[2,1]]").unwrap()]).unwrap_err();
        assert_eq!(message, "eigenvalues wants a square matrix; this is 1x2");
    }
}
