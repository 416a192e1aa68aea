//! Products of an r×c matrix with a vector (A v, v c×1) or a matrix (A B, B c×r).

use super::{Check, Degree, Facts, Invariance, Part, Problem, Side, Unsolvable, measure};
use crate::matrix::Matrix;

/// A product with a second operand of `c` rows.
#[derive(Debug)]
pub struct Product {
    name: &'static str,
    facts: &'static Facts,
}

pub const MATRIX_VECTOR: Product = Product {
    name: "matrix-vector",
    facts: &Facts {
        operands: &[Part::SAME, Part::column(Side::Cols)],
        solution: &[Part::column(Side::Rows)],
        invariance: BILINEAR,
        ..Facts::unary(Check::Product)
    },
};

pub const MATRIX_PRODUCT: Product = Product {
    name: "matrix-product",
    facts: &Facts {
        operands: &[Part::SAME, Part::matrix(Side::Cols, Side::Rows)],
        solution: &[Part::matrix(Side::Rows, Side::Rows)],
        invariance: BILINEAR,
        ..Facts::unary(Check::Product)
    },
};

const BILINEAR: Invariance = Invariance::degrees(&[Degree::Fixed(1)]).with_second(&[1]);

impl Problem for Product {
    fn name(&self) -> &'static str {
        self.name
    }

    fn facts(&self) -> &'static Facts {
        self.facts
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        operands[0].mul_to(&operands[1], &mut solution[0]);
        Ok(())
    }

    /// The limit on errors is relative to the largest entry of `|A| |B|`.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (a, b) = (&operands[0], &operands[1]);
        let limit = measure::TOLERANCE * (a.abs() * b.abs()).amax();
        measure::require_entries("the product", &solution[0], &(a * b), limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Shape, text::parse};

    const VECTOR: &dyn Problem = &MATRIX_VECTOR;
    const MATRIX: &dyn Problem = &MATRIX_PRODUCT;

    #[test]
    fn rows_meet_columns() {
        let operands = [
            parse("[[1,2,3],[4,5,6]]").unwrap(),
            parse("[[1,0],[0,1],[1,-1]]").unwrap(),
        ];
        assert_eq!(
            MATRIX.size_of(&[Shape::new(2, 3), Shape::new(3, 2)]),
            Ok(Shape::new(2, 3))
        );
        let mut solution = [Matrix::zeros(2, 2)];
        MATRIX.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[4,-1],[10,-1]]").unwrap());
        let wrong = [parse("[[4,-1],[10,3]]").unwrap()];
        assert_eq!(MATRIX.error(&operands, &solution, &wrong), 0.25);
        assert_eq!(MATRIX.check(&operands, &solution), Ok(()));
        assert!(MATRIX.check(&operands, &wrong).is_err());
    }

    #[test]
    fn the_matrix_is_applied_and_not_its_transpose() {
        let operands = [parse("[[1.5,2],[3,-4]]").unwrap(), parse("[[1],[2]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        VECTOR.solve(&operands, &mut solution).unwrap();
        assert_eq!(solution[0], parse("[[5.5],[-5]]").unwrap());
        assert_eq!(
            VECTOR.error(&operands, &solution, &[parse("[[5.5],[-2.9]]").unwrap()]),
            0.2
        );
        let message = VECTOR.check(&operands, &[parse("[[5.5],[5]]").unwrap()]).unwrap_err();
        assert_eq!(message, "entry (2, 1) of the product is 5, but should be -5");
    }

    #[test]
    fn a_vector_of_wrong_length_is_refused_with_the_expected_shape() {
        let message = VECTOR.size_of(&[Shape::new(3, 4), Shape::new(3, 1)]).unwrap_err();
        assert_eq!(
            message,
            "matrix-vector wants operands of shapes 3x4, 4x1; these are 3x4, 3x1"
        );
    }
}
