//! The product A v of a matrix r×c and a vector c×1.

use super::{Form, Invariance, Problem, Unsolvable, property};
use crate::matrix::{Distribution, Generator, Matrix, Shape};

#[derive(Debug)]
pub struct MatrixVector;

impl Problem for MatrixVector {
    fn name(&self) -> &'static str {
        "matrix-vector"
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size, Shape::new(size.cols, 1)]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![Shape::new(size.rows, 1)]
    }

    fn operand_forms(&self) -> &'static [Form] {
        &[Form::Matrix, Form::Column]
    }

    fn solution_forms(&self) -> &'static [Form] {
        &[Form::Column]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        operands
            .iter_mut()
            .for_each(|operand| distribution.fill(generator, operand));
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        operands[0].mul_to(&operands[1], &mut solution[0]);
        Ok(())
    }

    /// `Σ|P - T| / Σ|T|`
    fn error(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        property::relative_l1(solution, prediction)
    }

    fn invariance(&self) -> Invariance {
        Invariance {
            degrees: &[2],
            shifts: false,
        }
    }

    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        property::require_product(&solution[0], &operands[0], &operands[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn the_matrix_itself_is_applied_and_not_its_transpose() {
        let operands = [parse("[[1.5,2],[3,-4]]").unwrap(), parse("[[1],[2]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        MatrixVector.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[5.5],[-5]]").unwrap());
        assert_eq!(
            MatrixVector.error(&operands, &solution, &[parse("[[5.5],[-2.9]]").unwrap()]),
            0.2
        );
        let message = MatrixVector
            .check(&operands, &[parse("[[5.5],[5]]").unwrap()])
            .unwrap_err();
        assert_eq!(message, "entry (2, 1) of the product is 5, but should be -5");
    }

    #[test]
    fn a_vector_of_another_length_is_refused_with_the_shape_wanted() {
        let shapes = [Shape::new(3, 4), Shape::new(3, 1)];
        let message = MatrixVector.size_of(&shapes).unwrap_err();
        assert_eq!(
            message,
            "matrix-vector wants operands of shapes 3x4, 4x1; these are 3x4, 3x1"
        );
    }
}
