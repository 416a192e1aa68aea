//! The problems: how operands are sampled, solved with nalgebra, and how a prediction is measured.
//!
//! One file per problem, one line in [`ALL`] to register it.

mod add;
mod determinant;
mod eigenvalues;
mod eigenvectors;
mod facts;
mod inverse;
mod linear_solve;
mod matrix_exponential;
mod matrix_sign;
pub(crate) mod measure;
mod normalization;
mod product;
mod set;
mod singular_values;
mod svd;
mod transpose;

pub use facts::{Check, Degree, Facts, Form, Invariance, Part, Side, Structure};
pub use normalization::root_mean_square;
pub use set::{InvalidProblems, Problems};

use crate::matrix::{
    self, Distribution, Generator, Matrix, Shape, UnknownName, decomposition, decomposition::NotConverged,
};

/// Every problem: those of the paper in its order, then others.
pub const ALL: &[&dyn Problem] = &[
    &transpose::Transpose,
    &add::Add,
    &product::MATRIX_VECTOR,
    &product::MATRIX_PRODUCT,
    &eigenvalues::Eigenvalues,
    &eigenvectors::Eigenvectors,
    &inverse::INVERSE,
    &inverse::SYMMETRIC_INVERSE,
    &singular_values::SingularValues,
    &svd::Svd,
    &determinant::Determinant,
    &linear_solve::LinearSolve,
    &matrix_exponential::MatrixExponential,
    &matrix_sign::MatrixSign,
];

/// A name that no problem has, with those that there are.
pub type UnknownProblem = UnknownName;

/// The problem of a name, such as `matrix-vector`.
pub fn named(name: &str) -> Result<&'static dyn Problem, UnknownProblem> {
    matrix::find("problem", name, ALL, |problem| problem.name())
}

/// A problem of numerical linear algebra: what it is, how it is solved, and how a prediction is measured.
///
/// A size is the shape of the first operand. What follows from [`Self::facts`], such as shapes, are methods of `dyn Problem`.
pub trait Problem: std::fmt::Debug + Send + Sync {
    /// The name on the command line, in recipes and in CSV files: `matrix-vector`.
    fn name(&self) -> &'static str;

    /// Its structure, shapes and invariances.
    fn facts(&self) -> &'static Facts;

    /// Draws operands into matrices that already have their shapes.
    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        let symmetric = self.facts().structure == Structure::Symmetric;
        for operand in operands {
            if symmetric {
                distribution.fill_symmetric(generator, operand);
            } else {
                distribution.fill(generator, operand);
            }
        }
    }

    /// Solves into matrices that already have their shapes; fails where no answer exists, as for a singular inverse.
    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable>;

    /// Replaces a solution by one of nearly the same error that changes least with the operands, which a model can learn. Vectors of nearly
    /// equal values are the only freedom of this kind; signs are [another](Facts::vectors).
    fn settle(&self, _solution: &mut [Matrix]) {}

    /// The relative error by which a prediction counts as right or wrong: `Σ|P - T| / Σ|T|`, or of a product of the
    /// prediction (RESEARCH). NaN never counts as right.
    fn error(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        measure::relative_l1(solution, prediction)
    }

    /// Checks the mathematics of a solution, where all shapes are right and all values finite: part of `check`.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String>;
}

impl dyn Problem + '_ {
    /// What it is asked of.
    pub fn operands(&self) -> &'static [Part] {
        self.facts().operands
    }

    /// What it is answered by.
    pub fn solution(&self) -> &'static [Part] {
        self.facts().solution
    }

    /// Shapes of the operands at a size, e.g. `[3x4, 4x1]` for matrix-vector at 3x4.
    pub fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        measure::shapes_of(self.operands(), size)
    }

    /// Shapes of the matrices of the solution at a size, e.g. `[3x1]`.
    pub fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        measure::shapes_of(self.solution(), size)
    }

    /// Whether the first operand must be square.
    pub fn needs_square(&self) -> bool {
        self.facts().structure != Structure::General
    }

    /// Whether the operand is symmetric, so that a spectrum may be asked for.
    pub fn is_symmetric(&self) -> bool {
        self.facts().structure == Structure::Symmetric
    }

    /// The size at which operands have these shapes; the error says the shapes that are wanted.
    pub fn size_of(&self, operands: &[Shape]) -> Result<Shape, String> {
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
            let (wanted, found) = (measure::listed(&wanted), measure::listed(operands));
            Err(format!(
                "{} wants operands of shapes {wanted}; these are {found}",
                self.name()
            ))
        }
    }

    /// Gives the vectors of a prediction the signs that a solution has: in every column of the first of [`Facts::vectors`]
    /// the entry of largest magnitude is positive.
    pub fn fix_signs(&self, prediction: &mut [Matrix]) {
        let vectors = self.facts().vectors;
        let Some(&first) = vectors.first() else { return };
        for column in 0..prediction[first].ncols() {
            let sign = decomposition::fix_sign(prediction[first].column(column).iter());
            for &place in vectors {
                let mut vector = prediction[place].column_mut(column);
                vector *= sign;
            }
        }
    }

    /// Whether the problem is defined for operands: shapes, finite values, symmetry; the error says what does not hold.
    pub fn check_operands(&self, operands: &[Matrix]) -> Result<(), String> {
        self.size_of(&measure::shapes(operands))?;
        measure::require_finite("operand", operands)?;
        if self.is_symmetric() {
            measure::require_symmetric(&operands[0])
        } else {
            Ok(())
        }
    }

    /// Whether a solution has the shapes that it must have at a size; the error says which.
    pub fn check_shapes(&self, size: Shape, solution: &[Matrix]) -> Result<(), String> {
        let (found, wanted) = (measure::shapes(solution), self.solution_shapes(size));
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (measure::listed(&wanted), measure::listed(&found));
        Err(format!("the solution has shapes {found}, but should have {wanted}"))
    }

    /// Checks a solution that others may have written, and its operands; the error says what does not hold. Signs of
    /// vectors are free, and values may be off by 1e-6 of the problem's scale.
    pub fn check(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        self.check_operands(operands)?;
        self.check_shapes(Shape::of(&operands[0]), solution)?;
        measure::require_finite("solution", solution)?;
        self.check_solution(operands, solution)
    }
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
        for &problem in ALL {
            assert_eq!(named(problem.name()).unwrap().name(), problem.name());
        }
        let message = named("eigenvalue").unwrap_err().to_string();
        assert!(
            message.starts_with("unknown problem `eigenvalue`: did you mean `eigenvalues`? Allowed: transpose, add")
        );
    }

    #[test]
    fn own_solutions_pass_the_check_and_have_no_error_at_every_size() {
        for &problem in ALL {
            for size in sizes(problem) {
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
                    assert_eq!(problem.size_of(&measure::shapes(&operands)), Ok(size));
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
        for &problem in ALL {
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
                disturbed[k][entry] += 1e-3 * solution[k].amax().max(1.0);
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
        for &problem in ALL {
            assert!(problem.size_of(&[]).is_err());
            assert!(problem.size_of(&[Shape::new(3, 3); 3]).is_err());
            assert_eq!(
                problem.size_of(&[Shape::new(2, 3)]).is_err(),
                problem.needs_square() || problem.operands().len() > 1
            );
        }
    }
}
