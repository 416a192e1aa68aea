//! The problems: how operands are sampled, solved with nalgebra, and how a prediction is measured.
//!
//! One file per problem, one line in [`ALL`] to register it.

use crate::matrix::{Distribution, Generator, Matrix, Shape};

/// How numpy shapes a matrix of ours that it would not return as it stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[rows, cols]`.
    Matrix,
    /// A single column, which numpy answers as a vector `[rows]`.
    Column,
    /// The transpose of our matrix: `V` of the SVD, which numpy answers as `Vh`.
    Transposed,
}

/// A problem of numerical linear algebra. `size` is the shape that the user asks for: of the first operand.
pub trait Problem: std::fmt::Debug + Send + Sync {
    /// The name on the command line, in recipes and in CSV files: `matrix-vector`.
    fn name(&self) -> &'static str;

    /// Whether the first operand must be square.
    fn needs_square(&self) -> bool {
        false
    }

    /// Whether the operand is symmetric, so that a spectrum may be asked for.
    fn is_symmetric(&self) -> bool {
        false
    }

    /// Shapes of the operands at a size, e.g. `[3x4, 4x1]` for matrix-vector at 3x4.
    fn operand_shapes(&self, size: Shape) -> Vec<Shape>;

    /// Shapes of the matrices of the solution at a size, e.g. `[3x1]`.
    fn solution_shapes(&self, size: Shape) -> Vec<Shape>;

    /// How numpy shapes each operand.
    fn operand_forms(&self) -> &'static [Form] {
        &[Form::Matrix]
    }

    /// How numpy shapes each matrix of the solution.
    fn solution_forms(&self) -> &'static [Form] {
        &[Form::Matrix]
    }

    /// Draws operands into matrices that already have their shapes.
    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]);

    /// Solves into matrices that already have their shapes; fails where no answer exists, as for a singular inverse.
    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable>;

    /// The relative error by which a prediction counts as right or wrong (RESEARCH: L1, or a product of the prediction).
    /// NaN never counts as right.
    fn error(&self, operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64;

    /// Checks the mathematics of a solution that others may have written; the error says what does not hold.
    fn check(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String>;
}

/// Why a draw has no solution; it is drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsolvable {
    #[error("the matrix is singular to working precision")]
    Singular,
    #[error("the decomposition did not converge")]
    NotConverged,
}
