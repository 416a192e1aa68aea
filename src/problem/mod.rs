//! Problems: sampling operands, solving with nalgebra, and measuring the error of predictions.
//!
//! Each problem is one file, registered by one line in [`ALL`].

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

/// All problems: first the paper's problems in its order, then the others.
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

/// The error of an unknown problem name. It lists the names of all problems.
pub type UnknownProblem = UnknownName;

/// Finds a problem by its name, such as `matrix-vector`.
pub fn named(name: &str) -> Result<&'static dyn Problem, UnknownProblem> {
    matrix::find("problem", name, ALL, |problem| problem.name())
}

/// A problem of numerical linear algebra.
///
/// The size of an example is the shape of its first operand. The methods of `dyn Problem` derive shapes and other
/// properties from [`Self::facts`].
pub trait Problem: std::fmt::Debug + Send + Sync {
    /// The name on the command line, in recipes and in CSV files: `matrix-vector`.
    fn name(&self) -> &'static str;

    /// Structure, shapes and invariances.
    fn facts(&self) -> &'static Facts;

    /// Fills `operands`, whose shapes are given, with random values.
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

    /// Solves the problem and writes to `solution`, whose shapes are given. Fails if no solution exists, for example
    /// for the inverse of a singular matrix.
    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable>;

    /// Replaces the solution by an equally accurate one that depends smoothly on the operands, so that a model can learn
    /// it. Only the bases of vectors of nearly equal values change. For the signs of vectors, see [`Facts::vectors`].
    fn settle(&self, _solution: &mut [Matrix]) {}

    /// The relative error that decides whether a prediction is correct. By default, it is `Σ|P - T| / Σ|T|`. NaN never
    /// counts as correct.
    fn error(&self, _operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        measure::relative_l1(solution, prediction)
    }

    /// Checks the mathematics of a solution whose shapes are correct and whose values are finite.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String>;
}

impl dyn Problem + '_ {
    /// The shapes of the operands as functions of the size.
    pub fn operands(&self) -> &'static [Part] {
        self.facts().operands
    }

    /// The shapes of the solution as functions of the size.
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

    /// Whether the operand is symmetric, so that its spectrum can be chosen.
    pub fn is_symmetric(&self) -> bool {
        self.facts().structure == Structure::Symmetric
    }

    /// The size of operands of these shapes. The error names the expected shapes.
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

    /// Fixes the signs of predicted vectors by the convention of solutions. In each column of the first matrix of
    /// [`Facts::vectors`], the entry of largest magnitude becomes positive.
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

    /// Fails if shapes, symmetry or values of the operands do not suit the problem. The error names the fault.
    pub fn check_operands(&self, operands: &[Matrix]) -> Result<(), String> {
        self.size_of(&measure::shapes(operands))?;
        measure::require_finite("operand", operands)?;
        if self.is_symmetric() {
            measure::require_symmetric(&operands[0])
        } else {
            Ok(())
        }
    }

    /// Fails if the shapes of a solution are wrong for the size. The error names the expected shapes.
    pub fn check_shapes(&self, size: Shape, solution: &[Matrix]) -> Result<(), String> {
        let (found, wanted) = (measure::shapes(solution), self.solution_shapes(size));
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (measure::listed(&wanted), measure::listed(&found));
        Err(format!("the solution has shapes {found}, but should have {wanted}"))
    }

    /// Checks operands and a solution from any source. The error names the fault. Vectors may have any sign, and values
    /// may be off by 1e-6 of the problem's scale.
    pub fn check(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        self.check_operands(operands)?;
        self.check_shapes(Shape::of(&operands[0]), solution)?;
        measure::require_finite("solution", solution)?;
        self.check_solution(operands, solution)
    }
}

/// The reason why operands have no solution. New operands are then drawn for the example.
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
