//! Systems of linear equations: x with A x = b. b is a vector (n×1), and A is a matrix (n×n) that is not singular to
//! working precision.

use super::{Check, Degree, Facts, Invariance, Part, Problem, Side, Structure, Unsolvable, inverse, measure};
use crate::matrix::{Matrix, decomposition::with_dim};
use nalgebra::{LU, OMatrix};

const FACTS: Facts = Facts {
    structure: Structure::Square,
    operands: &[Part::SAME, Part::column(Side::Rows)],
    solution: &[Part::column(Side::Rows)],
    invariance: Invariance::degrees(&[Degree::Fixed(-1)]).with_second(&[1]),
    needs_inverse: true,
    ..Facts::unary(Check::LinearSystem)
};

#[derive(Debug)]
pub struct LinearSolve;

impl Problem for LinearSolve {
    fn name(&self) -> &'static str {
        "linear-solve"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    /// Solves by LU. Refuses the same matrices as `inverse`.
    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let (a, x) = (&operands[0], &mut solution[0]);
        x.copy_from(&operands[1]);
        with_dim!(a.nrows(), dim => {
            inverse::invert(a, OMatrix::zeros_generic(dim, dim).as_mut_slice())?;
            let solved = LU::new(OMatrix::from_column_slice_generic(dim, dim, a.as_slice())).solve_mut(x);
            if solved { Ok(()) } else { Err(Unsolvable::Singular) }
        })
    }

    /// The limit on the residual is relative to `|A| |x| + |b|`, because rounding x to a few digits causes errors of
    /// that size.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (a, b, x) = (&operands[0], &operands[1], &solution[0]);
        let scale = measure::norm(a) * measure::norm(x) + measure::norm(b);
        measure::require_small("max|A x - b|", (a * x - b).amax(), scale, "|A| |x| + |b|")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Shape, text::parse};

    const PROBLEM: &dyn Problem = &LinearSolve;

    #[test]
    fn the_matrix_times_the_answer_is_the_vector() {
        let operands = [parse("[[2,1],[1,3]]").unwrap(), parse("[[4],[7]]").unwrap()];
        let exact = [parse("[[1],[2]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1)];
        PROBLEM.solve(&operands, &mut solution).unwrap();
        assert!((&solution[0] - &exact[0]).amax() < 1e-15);
        assert_eq!(PROBLEM.check(&operands, &exact), Ok(()));
        let wrong = [parse("[[1],[1.7]]").unwrap()];
        assert!((PROBLEM.error(&operands, &exact, &wrong) - 0.1).abs() < 1e-15);
        let message = PROBLEM.check(&operands, &wrong).unwrap_err();
        assert_eq!(message, "residual max|A x - b| is 0.9, above 1e-6 of |A| |x| + |b|");
    }

    #[test]
    fn singular_matrices_are_refused() {
        for text in ["[[1,2],[2,4]]", "[[0,0],[0,0]]", "[[0.1,0.3],[0.3,0.9]]"] {
            let operands = [parse(text).unwrap(), parse("[[1],[2]]").unwrap()];
            let solved = PROBLEM.solve(&operands, &mut [Matrix::zeros(2, 1)]);
            assert_eq!(solved, Err(Unsolvable::Singular), "{text}");
        }
    }

    #[test]
    fn operands_are_a_square_matrix_and_a_vector() {
        let message = |shapes: &[Shape]| PROBLEM.size_of(shapes).unwrap_err();
        assert_eq!(
            message(&[Shape::new(3, 3), Shape::new(2, 1)]),
            "linear-solve wants operands of shapes 3x3, 3x1; these are 3x3, 2x1"
        );
        assert_eq!(
            message(&[Shape::new(3, 2), Shape::new(3, 1)]),
            "linear-solve wants a square matrix; this is 3x2"
        );
    }
}
