//! The problems: how operands are sampled, solved with nalgebra, and how a prediction is measured.
//!
//! One file per problem, one line in [`ALL`] to register it.

mod add;
mod eigenvalues;
mod eigenvectors;
mod inverse;
mod matrix_product;
mod matrix_vector;
mod normalization;
mod property;
mod repair;
mod set;
mod signal;
mod singular_values;
mod svd;
mod symmetric_inverse;
mod transpose;

pub use normalization::{Invariance, root_mean_square};
pub use repair::Repair;
pub use set::{InvalidProblems, Problems};
pub use signal::{Origin, Signal};

use crate::matrix::{
    self, Distribution, Generator, Matrix, Shape, UnknownName, decomposition, decomposition::NotConverged,
};

/// Every problem, in the order of the paper.
pub const ALL: &[&dyn Problem] = &[
    &transpose::Transpose,
    &add::Add,
    &matrix_vector::MatrixVector,
    &matrix_product::MatrixProduct,
    &eigenvalues::Eigenvalues,
    &eigenvectors::Eigenvectors,
    &inverse::Inverse,
    &symmetric_inverse::SymmetricInverse,
    &singular_values::SingularValues,
    &svd::Svd,
];

/// A name that no problem has, with those that there are.
pub type UnknownProblem = UnknownName;

/// The problem of a name, such as `matrix-vector`.
pub fn named(name: &str) -> Result<&'static dyn Problem, UnknownProblem> {
    matrix::find("problem", name, ALL, |problem| problem.name())
}

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

    /// The size at which operands have these shapes; the error says the shapes that are wanted.
    fn size_of(&self, operands: &[Shape]) -> Result<Shape, String> {
        let Some(&size) = operands.first() else {
            return Err(format!("{} wants operands, but there are none", self.name()));
        };
        if self.needs_square() && !size.is_square() {
            return Err(format!("{} wants a square matrix; this is {size}", self.name()));
        }
        let wanted = self.operand_shapes(size);
        if operands == wanted {
            Ok(size)
        } else {
            let (wanted, found) = (property::listed(&wanted), property::listed(operands));
            Err(format!(
                "{} wants operands of shapes {wanted}; these are {found}",
                self.name()
            ))
        }
    }

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

    /// How far a prediction is from solving the problem, relative, from the operands and the prediction alone: zero for
    /// solutions only, whatever the signs of their vectors; infinite where it is no number. Where nothing but the solution
    /// tells (a sum), it is compared with that.
    fn residual(&self, operands: &[Matrix], prediction: &[Matrix]) -> f64 {
        let mut solution = prediction.to_vec();
        match self.size_of(&property::shapes(operands)) {
            Ok(size) if self.check_shapes(size, prediction).is_ok() => match self.solve(operands, &mut solution) {
                Ok(()) => self.error(operands, &solution, prediction),
                Err(_) => f64::INFINITY,
            },
            _ => f64::INFINITY,
        }
    }

    /// One step from a prediction that is nearly right to a better one; none where nothing but the solution tells.
    fn repair(&self) -> Option<Repair> {
        None
    }

    /// How far a prediction is from each of the properties that a solution has, by name; none but the error where there is only
    /// one. `prediction` may have any shapes.
    fn properties(
        &self,
        _operands: &[Matrix],
        _solution: &[Matrix],
        _prediction: &[Matrix],
    ) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// What could tell that a prediction is wrong: of the operands, of the prediction. `prediction` may have any shapes.
    fn signals(&self, _operands: &[Matrix], _prediction: &[Matrix]) -> Vec<(Signal, f64)> {
        Vec::new()
    }

    /// What numbers that its operands are multiplied by do to the problem.
    fn invariance(&self) -> Invariance;

    /// Whether there is a [`Condensed`] form of it.
    fn has_condensed_form(&self) -> bool {
        false
    }

    /// Places of the matrices of the solution whose columns are vectors of either sign, which change it together.
    fn vectors(&self) -> &'static [usize] {
        &[]
    }

    /// Gives the vectors of a prediction the signs that a solution has: in every column of the first of [`Self::vectors`] the
    /// entry of largest magnitude is positive.
    fn fix_signs(&self, prediction: &mut [Matrix]) {
        let Some(&first) = self.vectors().first() else { return };
        for column in 0..prediction[first].ncols() {
            let sign = decomposition::fix_sign(prediction[first].column(column).iter());
            for &place in self.vectors() {
                let mut vector = prediction[place].column_mut(column);
                vector *= sign;
            }
        }
    }

    /// Whether the problem is defined for operands: shapes, finite values, symmetry; the error says what does not hold.
    fn check_operands(&self, operands: &[Matrix]) -> Result<(), String> {
        self.size_of(&property::shapes(operands))?;
        property::require_finite("operand", operands)?;
        if self.is_symmetric() {
            property::require_symmetric(&operands[0])
        } else {
            Ok(())
        }
    }

    /// Whether a solution has the shapes that it must have at a size; the error says which.
    fn check_shapes(&self, size: Shape, solution: &[Matrix]) -> Result<(), String> {
        let (found, wanted) = (property::shapes(solution), self.solution_shapes(size));
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (property::listed(&wanted), property::listed(&found));
        Err(format!("the solution has shapes {found}, but should have {wanted}"))
    }

    /// Checks a solution that others may have written, and its operands; the error says what does not hold. Signs of
    /// vectors are free, and values may be off by 1e-6 of the problem's scale.
    fn check(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        self.check_operands(operands)?;
        self.check_shapes(Shape::of(&operands[0]), solution)?;
        property::require_finite("solution", solution)?;
        self.check_solution(operands, solution)
    }

    /// Checks the mathematics of a solution, where all shapes are right and all values finite: part of [`check`].
    ///
    /// [`check`]: Problem::check
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String>;
}

/// Why a draw has no solution; it is drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsolvable {
    #[error("the matrix is singular to working precision")]
    Singular,
    #[error("the decomposition did not converge")]
    NotConverged,
}

impl From<NotConverged> for Unsolvable {
    fn from(_: NotConverged) -> Self {
        Unsolvable::NotConverged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Address, Split};

    fn zeros(shapes: &[Shape]) -> Vec<Matrix> {
        shapes
            .iter()
            .map(|shape| Matrix::zeros(shape.rows, shape.cols))
            .collect()
    }

    fn sizes(problem: &dyn Problem) -> Vec<Shape> {
        let square = (1..=12).map(|n| Shape::new(n, n));
        let others = [
            Shape::new(2, 5),
            Shape::new(5, 2),
            Shape::new(1, 3),
            Shape::new(3, 1),
            Shape::new(11, 4),
        ];
        square
            .chain(others.into_iter().filter(|_| !problem.needs_square()))
            .collect()
    }

    #[test]
    fn names_find_their_problems() {
        for problem in ALL {
            assert_eq!(named(problem.name()).unwrap().name(), problem.name());
        }
        let message = named("eigenvalue").unwrap_err().to_string();
        assert!(
            message.starts_with("unknown problem `eigenvalue`: did you mean `eigenvalues`? Allowed: transpose, add")
        );
    }

    #[test]
    fn every_problem_names_a_form_for_every_matrix() {
        for problem in ALL {
            let size = Shape::new(3, 3);
            assert_eq!(
                problem.operand_forms().len(),
                problem.operand_shapes(size).len(),
                "{}",
                problem.name()
            );
            assert_eq!(
                problem.solution_forms().len(),
                problem.solution_shapes(size).len(),
                "{}",
                problem.name()
            );
        }
    }

    #[test]
    fn own_solutions_pass_the_check_and_have_no_error_at_every_size() {
        for problem in ALL {
            for size in sizes(*problem) {
                let mut operands = zeros(&problem.operand_shapes(size));
                let mut solution = zeros(&problem.solution_shapes(size));
                for index in 0..20 {
                    let mut generator = Address {
                        seed: 2,
                        split: Split::Train,
                        index,
                    }
                    .generator(0);
                    problem.sample(&Distribution::default(), &mut generator, &mut operands);
                    assert_eq!(problem.size_of(&property::shapes(&operands)), Ok(size));
                    problem.solve(&operands, &mut solution).unwrap();
                    assert_eq!(
                        problem.check(&operands, &solution),
                        Ok(()),
                        "{} at {size}",
                        problem.name()
                    );
                    let error = problem.error(&operands, &solution, &solution);
                    assert!(error < 1e-9, "{} at {size}: {error}", problem.name());
                }
            }
        }
    }

    #[test]
    fn a_disturbed_entry_fails_the_check_of_every_problem() {
        for problem in ALL {
            let size = Shape::new(3, 3);
            let mut operands = zeros(&problem.operand_shapes(size));
            let mut solution = zeros(&problem.solution_shapes(size));
            let mut generator = Address {
                seed: 2,
                split: Split::Train,
                index: 0,
            }
            .generator(0);
            problem.sample(&Distribution::default(), &mut generator, &mut operands);
            problem.solve(&operands, &mut solution).unwrap();
            for (k, entry) in (0..solution.len()).flat_map(|k| (0..solution[k].len()).map(move |entry| (k, entry))) {
                let mut disturbed = solution.clone();
                disturbed[k][entry] += 1e-3;
                assert!(
                    problem.check(&operands, &disturbed).is_err(),
                    "{}: {k}, {entry}",
                    problem.name()
                );
                disturbed[k][entry] = f64::NAN;
                assert!(
                    problem
                        .check(&operands, &disturbed)
                        .unwrap_err()
                        .contains("not a finite number")
                );
                assert_eq!(
                    problem.error(&operands, &solution, &disturbed),
                    f64::INFINITY,
                    "{}",
                    problem.name()
                );
            }
        }
    }

    #[test]
    fn operands_of_wrong_shapes_are_refused() {
        for problem in ALL {
            assert!(problem.size_of(&[]).is_err());
            assert!(problem.size_of(&[Shape::new(3, 3); 3]).is_err());
            assert_eq!(
                problem.size_of(&[Shape::new(2, 3)]).is_err(),
                problem.needs_square() || problem.operand_forms().len() > 1
            );
        }
    }
}
