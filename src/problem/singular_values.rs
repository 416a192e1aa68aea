//! Singular values of matrices of any shape, descending.

use super::{Form, Invariance, Problem, Repair, Signal, Unsolvable, property, repair, signal};
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

    /// Of the sums of powers of their squares, the eigenvalues of AᵀA.
    fn residual(&self, operands: &[Matrix], prediction: &[Matrix]) -> f64 {
        match prediction {
            [values] if values.iter().all(|value| *value >= 0.0) => {
                // The error of a square is twice that of its root.
                0.5 * property::power_sum_residual(&smaller_gram(&operands[0]), squares(values).as_slice())
            }
            _ => f64::INFINITY,
        }
    }

    fn repair(&self) -> Option<Repair> {
        Some(|operands, prediction| {
            let squares = repair::eigenvalue_step(&smaller_gram(&operands[0]), &squares(&prediction[0]));
            vec![squares.map(|square| square.max(0.0).sqrt())]
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
            shifts: false,
        }
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        property::require_singular_values(&solution[0])?;
        let mut expected = solution.to_vec();
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let limit = property::TOLERANCE * property::norm(&operands[0]);
        property::require_entries("the singular values", &solution[0], &expected[0], limit)
    }
}

fn squares(values: &Matrix) -> Matrix {
    values.map(|value| value * value)
}

/// AᵀA or AAᵀ, the smaller: its eigenvalues are the squares of the singular values.
fn smaller_gram(matrix: &Matrix) -> Matrix {
    if matrix.nrows() < matrix.ncols() {
        matrix * matrix.transpose()
    } else {
        matrix.tr_mul(matrix)
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
