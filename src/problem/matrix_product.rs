//! The product A B of a matrix r×c and a matrix c×r.

use super::{Form, Invariance, Problem, Unsolvable, property};
use crate::matrix::{Distribution, Generator, Matrix, Shape};

#[derive(Debug)]
pub struct MatrixProduct;

impl Problem for MatrixProduct {
    fn name(&self) -> &'static str {
        "matrix-product"
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size, Shape::new(size.cols, size.rows)]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![Shape::new(size.rows, size.rows)]
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
    fn rows_meet_columns() {
        let operands = [
            parse("[[1,2,3],[4,5,6]]").unwrap(),
            parse("[[1,0],[0,1],[1,-1]]").unwrap(),
        ];
        assert_eq!(
            MatrixProduct.size_of(&[Shape::new(2, 3), Shape::new(3, 2)]),
            Ok(Shape::new(2, 3))
        );
        let mut solution = [Matrix::zeros(2, 2)];
        MatrixProduct.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[4,-1],[10,-1]]").unwrap());
        assert_eq!(
            MatrixProduct.error(&operands, &solution, &[parse("[[4,-1],[10,3]]").unwrap()]),
            0.25
        );
        assert_eq!(MatrixProduct.check(&operands, &solution), Ok(()));
        assert!(
            MatrixProduct
                .check(&operands, &[parse("[[4,-1],[10,3]]").unwrap()])
                .is_err()
        );
    }
}
