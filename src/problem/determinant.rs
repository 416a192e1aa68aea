//! The determinant of a square matrix, as a 1×1 matrix.

use super::{Check, Degree, Facts, Invariance, Part, Problem, Structure, Unsolvable, measure};
use crate::matrix::{Matrix, decomposition::with_dim};
use nalgebra::OMatrix;

const FACTS: Facts = Facts {
    structure: Structure::Square,
    solution: &[Part::scalar()],
    invariance: Invariance::degrees(&[Degree::Rows]),
    ..Facts::unary(Check::Determinant)
};

#[derive(Debug)]
pub struct Determinant;

impl Problem for Determinant {
    fn name(&self) -> &'static str {
        "determinant"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let a = &operands[0];
        solution[0][(0, 0)] = with_dim!(a.nrows(), dim =>
            OMatrix::from_column_slice_generic(dim, dim, a.as_slice()).determinant());
        Ok(())
    }

    /// The limit adds rounding errors to the tolerance, because they are relative to the product of the row norms
    /// (Hadamard's bound).
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        const ROUNDING: f64 = 1e-13;
        let mut expected = [Matrix::zeros(1, 1)];
        self.solve(operands, &mut expected).map_err(|error| error.to_string())?;
        let bound: f64 = operands[0].row_iter().map(|row| row.norm()).product();
        let limit = measure::TOLERANCE * expected[0].amax() + ROUNDING * bound;
        measure::require_entries("the determinant", &solution[0], &expected[0], limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Shape, text::parse};

    const PROBLEM: &dyn Problem = &Determinant;

    fn number(x: f64) -> [Matrix; 1] {
        [Matrix::from_element(1, 1, x)]
    }

    #[test]
    fn the_determinant_is_the_signed_volume() {
        for (text, expected) in [
            ("[[-3]]", -3.0),
            ("[[1,2],[3,4]]", -2.0),
            ("[[0,1,0],[0,0,1],[2,0,0]]", 2.0),
            ("[[1,2],[2,4]]", 0.0),
        ] {
            let operands = [parse(text).unwrap()];
            let mut solution = number(f64::NAN);
            PROBLEM.solve(&operands, &mut solution).unwrap();
            assert!((solution[0][0] - expected).abs() < 1e-14, "{text}");
            assert_eq!(PROBLEM.check(&operands, &number(expected)), Ok(()));
        }
    }

    #[test]
    fn errors_are_relative_and_wrong_determinants_are_named() {
        let operands = [parse("[[1,2],[3,4]]").unwrap()];
        assert_eq!(PROBLEM.error(&operands, &number(-2.0), &number(-1.5)), 0.25);
        assert_eq!(PROBLEM.check(&operands, &number(-2.000_000_02)), Ok(()));
        let message = PROBLEM.check(&operands, &number(2.0)).unwrap_err();
        assert!(
            message.starts_with("entry (1, 1) of the determinant is 2, but should be -2"),
            "{message}"
        );
    }

    #[test]
    fn the_degree_of_the_determinant_is_the_size() {
        let degrees = FACTS.invariance.degrees.unwrap();
        assert_eq!([2, 5].map(|n| degrees[0].at(Shape::new(n, n))), [2, 5]);
    }
}
