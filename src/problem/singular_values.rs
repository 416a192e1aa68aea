//! Singular values of matrices of any shape, descending.

use super::{Form, Problem, Unsolvable, property};
use crate::matrix::{Distribution, Generator, Matrix, Shape, decomposition};

#[derive(Debug)]
pub struct SingularValues;

impl Problem for SingularValues {
    fn name(&self) -> &'static str {
        "singular-values"
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![Shape::new(size.rows.min(size.cols), 1)]
    }

    fn solution_forms(&self) -> &'static [Form] {
        &[Form::Column]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        distribution.fill(generator, &mut operands[0]);
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        Ok(decomposition::singular_values(
            &operands[0],
            solution[0].as_mut_slice(),
        )?)
    }

    /// `Σ|P - T| / Σ|T|`
    fn error(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        property::relative_l1(solution, prediction)
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        property::require_singular_values(&solution[0])?;
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = property::TOLERANCE * property::norm(&operands[0]);
        property::require_entries("the singular values", &solution[0], &expected[0], limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn singular_values_are_magnitudes_in_descending_order() {
        let operands = [parse("[[0,-3,0],[4,0,0]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        SingularValues.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - parse("[[4],[3]]").unwrap()).amax() < 1e-14);
        let truth = [parse("[[4],[3]]").unwrap()];
        assert_eq!(
            SingularValues.error(&operands, &truth, &[parse("[[4],[-0.5]]").unwrap()]),
            0.5
        );
    }

    #[test]
    fn wrong_solutions_of_others_are_named() {
        let operands = [parse("[[0,-3],[4,0]]").unwrap()];
        let message = |solution: &str| {
            SingularValues
                .check(&operands, &[parse(solution).unwrap()])
                .unwrap_err()
        };
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
