//! Symmetries of problems: changes that make an equivalent problem, whose answer gives back that of the first.
//!
//! With P and Q signed permutations, `(P A Q)⁻¹ = Qᵀ A⁻¹ Pᵀ`, and `P A Pᵀ` has the eigenvalues of A. Coefficients only move
//! and change signs, so that an equivalent problem is as likely as the first wherever coefficients are alike and
//! symmetric around zero.

use super::Problem;
use crate::matrix::{Generator, Matrix};
use rand::RngExt;

/// What happens to the rows or the columns of a matrix of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// As to the rows of the first operand.
    Rows,
    /// As to the columns of the first operand.
    Cols,
    /// As to the columns of the second operand.
    Others,
    /// Nothing.
    Fixed,
}

/// What a problem's symmetries do to its matrices.
#[derive(Clone, Copy, Debug)]
pub struct Invariance {
    /// What happens to the rows and columns of each operand.
    pub operands: &'static [(Axis, Axis)],
    /// The same of each matrix of the solution.
    pub solution: &'static [(Axis, Axis)],
    /// The power of `s` by which each matrix of the solution grows where all operands are multiplied by `s`.
    pub degrees: &'static [i32],
    /// Whether `A + c I` adds `c` to the first matrix of the solution and leaves the others alone.
    pub shifts: bool,
}

/// Moves entry `i` to `places[i]`, times `signs[i]`.
#[derive(Clone, Debug, PartialEq)]
struct SignedPermutation {
    places: Vec<usize>,
    signs: Vec<f64>,
}

impl SignedPermutation {
    fn identity(length: usize) -> Self {
        Self {
            places: (0..length).collect(),
            signs: vec![1.0; length],
        }
    }

    fn draw(length: usize, generator: &mut Generator) -> Self {
        let mut drawn = Self::identity(length);
        for i in (1..length).rev() {
            drawn.places.swap(i, generator.random_range(0..=i));
        }
        drawn
            .signs
            .iter_mut()
            .for_each(|sign| *sign = if generator.random() { 1.0 } else { -1.0 });
        drawn
    }
}

/// A signed permutation for every axis of a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetry {
    axes: &'static [(Axis, Axis)],
    solution: &'static [(Axis, Axis)],
    rows: SignedPermutation,
    cols: SignedPermutation,
    others: SignedPermutation,
}

impl Symmetry {
    /// Draws a symmetry of a problem with operands of these shapes.
    pub fn draw(problem: &dyn Problem, operands: &[Matrix], generator: &mut Generator) -> Self {
        let Invariance {
            operands: axes,
            solution,
            ..
        } = problem.invariance();
        let mut draw = |axis: Axis| {
            let lengths = axes
                .iter()
                .zip(operands)
                .flat_map(|(&(rows, cols), matrix)| [(rows, matrix.nrows()), (cols, matrix.ncols())]);
            let length = lengths.filter(|(of, _)| *of == axis).map(|(_, length)| length).next();
            SignedPermutation::draw(length.unwrap_or(0), generator)
        };
        Self {
            axes,
            solution,
            rows: draw(Axis::Rows),
            cols: draw(Axis::Cols),
            others: draw(Axis::Others),
        }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let pairs = self.axes.iter().zip(operands);
        pairs
            .map(|(&(rows, cols), matrix)| {
                let (rows, cols) = (self.along(rows, matrix.nrows()), self.along(cols, matrix.ncols()));
                let mut moved = matrix.clone();
                for i in 0..matrix.nrows() {
                    for j in 0..matrix.ncols() {
                        moved[(rows.places[i], cols.places[j])] = rows.signs[i] * cols.signs[j] * matrix[(i, j)];
                    }
                }
                moved
            })
            .collect()
    }

    /// The solution of the problem from a solution of the equivalent one.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let pairs = self.solution.iter().zip(solution);
        pairs
            .map(|(&(rows, cols), matrix)| {
                let (rows, cols) = (self.along(rows, matrix.nrows()), self.along(cols, matrix.ncols()));
                Matrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
                    rows.signs[i] * cols.signs[j] * matrix[(rows.places[i], cols.places[j])]
                })
            })
            .collect()
    }

    fn along(&self, axis: Axis, length: usize) -> SignedPermutation {
        match axis {
            Axis::Rows => self.rows.clone(),
            Axis::Cols => self.cols.clone(),
            Axis::Others => self.others.clone(),
            Axis::Fixed => SignedPermutation::identity(length),
        }
    }
}

/// A problem's operands times a number, minus a multiple of the identity: so that matrices unlike those that a model knows
/// become like them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    scale: f64,
    shift: f64,
    degrees: &'static [i32],
}

impl Normalization {
    /// The largest coefficient in units of the deviation; that of uniform coefficients is √3.
    const LARGEST: f64 = 1.65;

    /// Takes the mean of the eigenvalues away where that only moves the solution. Then the root mean square of the coefficients
    /// becomes `deviation`, or less where a coefficient would leave the range of such coefficients.
    pub fn of(problem: &dyn Problem, operands: &[Matrix], deviation: f64) -> Self {
        let Invariance { degrees, shifts, .. } = problem.invariance();
        let shift = match operands {
            [a] if shifts => a.trace() / a.nrows() as f64,
            _ => 0.0,
        };
        let unscaled = Self {
            scale: 1.0,
            shift,
            degrees,
        };
        let moved = unscaled.transform(operands);
        let count: usize = moved.iter().map(|matrix| matrix.len()).sum();
        let square: f64 = moved.iter().map(|matrix| matrix.norm_squared()).sum();
        let largest = moved.iter().map(|matrix| matrix.amax()).fold(0.0, f64::max);
        let scale = (deviation / (square / count as f64).sqrt()).min(Self::LARGEST * deviation / largest);
        // Of a multiple of the identity nothing is left to scale.
        let scale = if scale.is_finite() { scale } else { 1.0 };
        Self { scale, ..unscaled }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let transformed = operands.iter().map(|matrix| {
            let mut moved = matrix.clone();
            if self.shift != 0.0 {
                (0..moved.nrows()).for_each(|i| moved[(i, i)] -= self.shift);
            }
            moved * self.scale
        });
        transformed.collect()
    }

    /// The solution of the problem from a solution of the equivalent one.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let restored = solution
            .iter()
            .zip(self.degrees)
            .enumerate()
            .map(|(place, (matrix, &degree))| {
                let shift = if place == 0 { self.shift } else { 0.0 };
                (matrix / self.scale.powi(degree)).add_scalar(shift)
            });
        restored.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Address, Distribution, Shape, Split};
    use crate::problem::ALL;

    /// Operands of every problem at several sizes, each with a generator.
    fn cases() -> Vec<(&'static dyn Problem, Vec<Matrix>, Generator)> {
        let mut cases = Vec::new();
        for &problem in ALL {
            let square = [Shape::new(2, 2), Shape::new(4, 4)];
            let others = [Shape::new(2, 4), Shape::new(5, 3)];
            let sizes = square.iter().chain(others.iter().filter(|_| !problem.needs_square()));
            for (index, &size) in (0..).zip(sizes) {
                let address = Address {
                    seed: 3,
                    split: Split::Test,
                    index,
                };
                let mut generator = address.generator(0);
                let mut operands = zeros(problem.operand_shapes(size));
                problem.sample(&Distribution::default(), &mut generator, &mut operands);
                cases.push((problem, operands, generator));
            }
        }
        cases
    }

    fn zeros(shapes: Vec<Shape>) -> Vec<Matrix> {
        let zeros = shapes.iter().map(|shape| Matrix::zeros(shape.rows, shape.cols));
        zeros.collect()
    }

    fn solved(problem: &dyn Problem, operands: &[Matrix]) -> Vec<Matrix> {
        let mut solution = zeros(problem.solution_shapes(Shape::of(&operands[0])));
        problem.solve(operands, &mut solution).unwrap();
        solution
    }

    #[test]
    fn solutions_of_permuted_problems_give_back_the_solution() {
        for (problem, operands, mut generator) in cases() {
            let symmetry = Symmetry::draw(problem, &operands, &mut generator);
            let moved = symmetry.transform(&operands);
            assert_ne!(moved, operands, "{}", problem.name());
            assert_eq!(problem.check_operands(&moved), Ok(()));
            let restored = symmetry.restore(&solved(problem, &moved));
            assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
        }
    }

    #[test]
    fn solutions_of_normalized_problems_give_back_the_solution() {
        for (problem, operands, _) in cases() {
            let operands: Vec<Matrix> = operands.iter().map(|matrix| matrix * 300.0).collect();
            let normalization = Normalization::of(problem, &operands, 10.0 / 3f64.sqrt());
            let moved = normalization.transform(&operands);
            assert!(
                moved.iter().all(|matrix| matrix.amax() < 9.6),
                "{}: {moved:?}",
                problem.name()
            );
            let restored = normalization.restore(&solved(problem, &moved));
            assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
        }
    }

    #[test]
    fn a_mean_eigenvalue_is_taken_away_and_given_back() {
        let eigenvalues = crate::problem::named("eigenvalues").unwrap();
        let normalization = Normalization::of(eigenvalues, &[Matrix::from_diagonal_element(2, 2, 7.0)], 1.0);
        let moved = normalization.transform(&[Matrix::from_diagonal_element(2, 2, 7.0)]);
        assert_eq!(moved[0].amax(), 0.0);
        assert_eq!(normalization.restore(&[Matrix::zeros(2, 1)])[0].as_slice(), [7.0, 7.0]);
    }
}
