//! Rotations: what signed permutations do to problems, all orthogonal matrices do. They change every coefficient, so that a model
//! which takes permuted problems for one and the same answers anew.

use super::super::Problem;
use super::{Axis, Invariance};
use crate::matrix::{Generator, Matrix};
use nalgebra::{DVector, Dyn, Reflection, U1, Unit, VecStorage};
use rand::RngExt;
use rand_distr::StandardNormal;

/// Growths of errors that differ by a smaller share are equal; `torchscript/condensed.py` has the same.
const EQUAL: f64 = 1e-9;

/// An orthogonal matrix for every axis of a problem, with or without reflection.
#[derive(Clone, Debug)]
pub struct Rotation {
    invariance: Invariance,
    rows: Matrix,
    cols: Matrix,
    others: Matrix,
}

impl Rotation {
    /// Draws a rotation of a problem with operands of these shapes; all are equally likely.
    pub fn draw(problem: &dyn Problem, operands: &[Matrix], generator: &mut Generator) -> Self {
        let invariance = problem.invariance();
        let mut draw = |axis| {
            let length = invariance.length(axis, operands);
            Matrix::from_fn(length, length, |_, _| generator.sample(StandardNormal))
                .qr()
                .q()
        };
        Self {
            rows: draw(Axis::Rows),
            cols: draw(Axis::Cols),
            others: draw(Axis::Others),
            invariance,
        }
    }

    /// The one that brings a matrix to its condensed form by Householder's reflections (Golub & Van Loan, *Matrix computations*,
    /// 5.4.8 and 8.3.1): a tridiagonal matrix where rows and columns turn together, else one with a diagonal and another right above
    /// it. What stands there is not negative but for the diagonal of the former, which makes the form one of a kind where
    /// nothing is zero. What the first axis stands for stays: the first row and column where they turn together, else the first column. Of a
    /// matrix that should be symmetric the symmetric part counts.
    ///
    /// Where a problem pivots, that column comes first by which errors of the answer count least. With `P B = I`, errors of `P[i, j]` by shares of
    /// `s[i, j]` make `P[i, j] B[j, j] (s[i, j] - s[i, j - 1])` of `P B`, where `P[i, j] B[j, j]` is the product of `-B[k, k + 1] / B[k, k]` for `k` from
    /// `i` to `j - 1`. The last pivot is in none of them, and so mostly not the condition of B; the sum of their magnitudes is least.
    pub fn condensing(problem: &dyn Problem, operands: &[Matrix]) -> Self {
        let invariance = problem.invariance();
        let matrix = &operands[0];
        let (rows, cols) = if invariance.operands[0] == (Axis::Rows, Axis::Rows) {
            (
                tridiagonalizing(matrix),
                Matrix::identity(matrix.ncols(), matrix.ncols()),
            )
        } else {
            let mut best = bidiagonalizing(matrix, 0);
            let firsts = if invariance.pivots { 1..matrix.ncols() } else { 0..0 };
            for first in firsts {
                let other = bidiagonalizing(matrix, first);
                // Rounding errors do not decide between equal ones.
                if other.2 < best.2 * (1.0 - EQUAL) {
                    best = other;
                }
            }
            (best.0, best.1)
        };
        Self {
            rows,
            cols,
            others: Matrix::zeros(0, 0),
            invariance,
        }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let moved = self.invariance.operands.iter().zip(operands);
        moved
            .map(|(&(rows, cols), matrix)| {
                let moved = self.turn(rows, matrix);
                let moved = self.turn(cols, &moved.transpose()).transpose();
                // What is symmetric stays so to the last bit.
                if rows == cols {
                    (&moved + moved.transpose()) / 2.0
                } else {
                    moved
                }
            })
            .collect()
    }

    /// A solution of the problem from a solution of the equivalent one, but for the signs of vectors.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let back = self.inverse();
        let restored = self.invariance.solution.iter().zip(solution);
        restored
            .map(|(&(rows, cols), matrix)| {
                let restored = back.turn(rows, matrix);
                back.turn(cols, &restored.transpose()).transpose()
            })
            .collect()
    }

    /// A solution of the equivalent problem from a solution of the problem, but for the signs of vectors.
    pub fn transform_solution(&self, solution: &[Matrix]) -> Vec<Matrix> {
        self.inverse().restore(solution)
    }

    fn inverse(&self) -> Self {
        Self {
            rows: self.rows.transpose(),
            cols: self.cols.transpose(),
            others: self.others.transpose(),
            invariance: self.invariance,
        }
    }

    /// Rotates the columns of a matrix.
    fn turn(&self, axis: Axis, matrix: &Matrix) -> Matrix {
        match axis {
            Axis::Rows => &self.rows * matrix,
            Axis::Cols => &self.cols * matrix,
            Axis::Others => &self.others * matrix,
            Axis::Fixed => matrix.clone(),
        }
    }
}

/// Reflections of rows, and of columns alike, that make the symmetric part of a matrix tridiagonal.
fn tridiagonalizing(matrix: &Matrix) -> Matrix {
    let n = matrix.nrows();
    let (mut matrix, mut rows) = ((matrix + matrix.transpose()) / 2.0, Matrix::identity(n, n));
    let mut work = DVector::zeros(n);
    for k in 1..n {
        if let Some(mirror) = straightening(matrix.column(k - 1).rows_range(k..).into_owned()) {
            mirror.reflect(&mut matrix.rows_range_mut(k..));
            mirror.reflect_rows(&mut matrix.columns_range_mut(k..), &mut work);
            mirror.reflect(&mut rows.rows_range_mut(k..));
        }
    }
    rows
}

/// Reflections of rows and of columns that make a matrix bidiagonal, B, once one of its columns has changed places with the first; and the
/// growth of errors of its inverse P, the sum of the magnitudes of `P[i, j] B[j, j]`.
fn bidiagonalizing(matrix: &Matrix, first: usize) -> (Matrix, Matrix, f64) {
    let (m, n) = matrix.shape();
    let mut matrix = matrix.clone();
    let [mut rows, mut cols] = [m, n].map(|length| Matrix::identity(length, length));
    matrix.swap_columns(0, first);
    cols.swap_rows(0, first);
    let mut work = DVector::zeros(m);
    let pivots = m.min(n);
    for k in 0..pivots {
        if let Some(mirror) = straightening(matrix.column(k).rows_range(k..).into_owned()) {
            mirror.reflect(&mut matrix.rows_range_mut(k..));
            mirror.reflect(&mut rows.rows_range_mut(k..));
        }
        if k + 1 == n {
            break;
        }
        if let Some(mirror) = straightening(matrix.row(k).columns_range(k + 1..).transpose()) {
            mirror.reflect_rows(&mut matrix.columns_range_mut(k + 1..), &mut work);
            mirror.reflect(&mut cols.rows_range_mut(k + 1..));
        }
    }
    // Column by column, each from the one before.
    let (mut column, mut growth) = (1.0, 1.0);
    for k in 0..pivots - 1 {
        column = 1.0 + column * (matrix[(k, k + 1)] / matrix[(k, k)]).abs();
        growth += column;
    }
    (rows, cols, growth)
}

/// The reflection that leaves a vector nothing but a first entry, its norm; none where it has nothing else.
fn straightening(mut x: DVector<f64>) -> Option<Reflection<f64, Dyn, VecStorage<f64, Dyn, U1>>> {
    let largest = x.amax();
    if largest == 0.0 {
        return None;
    }
    // Squares of very small numbers are zero.
    x /= largest;
    let (first, norm) = (x[0], x.norm());
    // first - norm, not as a difference of two numbers that may be nearly equal.
    x[0] = if first < 0.0 {
        first - norm
    } else {
        -x.rows_range(1..).norm_squared() / (first + norm)
    };
    Some(Reflection::new(Unit::try_new(x, 0.0)?, 0.0))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cases, solved};
    use super::*;

    #[test]
    fn solutions_of_rotated_problems_give_back_the_solution() {
        for (problem, operands, mut generator) in cases() {
            let rotation = Rotation::draw(problem, &operands, &mut generator);
            let moved = rotation.transform(&operands);
            assert!((&moved[0] - &operands[0]).amax() > 0.1, "{}", problem.name());
            assert_eq!(problem.check_operands(&moved), Ok(()), "{}", problem.name());
            let mut restored = rotation.restore(&solved(problem, &moved));
            problem.fix_signs(&mut restored);
            assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
        }
    }

    #[test]
    fn lengths_stay() {
        for (problem, operands, mut generator) in cases() {
            let moved = Rotation::draw(problem, &operands, &mut generator).transform(&operands);
            for (moved, matrix) in moved.iter().zip(&operands) {
                assert!((moved.norm() - matrix.norm()).abs() < 1e-9, "{}", problem.name());
            }
        }
    }

    #[test]
    fn condensed_forms_have_two_diagonals() {
        for (problem, operands, _) in cases() {
            if operands.len() > 1 {
                continue;
            }
            let (form, name) = (
                Rotation::condensing(problem, &operands).transform(&operands).remove(0),
                problem.name(),
            );
            let symmetric = problem.is_symmetric();
            for j in 0..form.ncols() {
                for i in 0..form.nrows() {
                    let near = i == j || i + 1 == j || symmetric && j + 1 == i;
                    assert!(near || form[(i, j)].abs() < 1e-12, "{name}: {form}");
                    assert!(!near || symmetric && i == j || form[(i, j)] > 0.0, "{name}: {form}");
                }
            }
            assert!((form.norm() - operands[0].norm()).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn an_inverse_is_condensed_from_the_column_by_which_errors_grow_least() {
        let inverse = crate::problem::named("inverse").unwrap();
        let growth = |form: &Matrix| {
            let diagonal = Matrix::from_diagonal(&form.diagonal());
            (form.clone().try_inverse().unwrap() * diagonal).abs().sum()
        };
        for (_, operands, _) in cases().into_iter().filter(|(problem, ..)| problem.name() == "inverse") {
            let form = Rotation::condensing(inverse, &operands).transform(&operands).remove(0);
            for first in 0..form.ncols() {
                let (rows, cols, told) = bidiagonalizing(&operands[0], first);
                let other = rows * &operands[0] * cols.transpose();
                assert!((growth(&other) - told).abs() < 1e-9 * told, "{other}");
                assert!(growth(&form) <= told * (1.0 + 1e-9), "{form} {other}");
            }
        }
        // The second column, (3, 4), has the norm 5 and with the first, (0, 1), the product 4; pivots multiply to the determinant, 3. Errors
        // count by 1 + 1 + 0.8 / 5; begun with the first column by 1 + 1 + 4 / 1.
        let matrix = Matrix::from_row_slice(2, 2, &[0.0, 3.0, 1.0, 4.0]);
        let form = Rotation::condensing(inverse, std::slice::from_ref(&matrix)).transform(&[matrix]);
        let expected = Matrix::from_row_slice(2, 2, &[5.0, 0.8, 0.0, 0.6]);
        assert!((&form[0] - expected).amax() < 1e-12, "{}", form[0]);
    }

    #[test]
    fn a_hand_worked_condensed_form() {
        let eigenvalues = crate::problem::named("eigenvalues").unwrap();
        // The first column below the diagonal, (3, 4), has the norm 5 and the direction (3, 4) / 5, in which the rest is 1.72.
        let matrix = Matrix::from_row_slice(3, 3, &[7.0, 3.0, 4.0, 3.0, 1.0, -1.0, 4.0, -1.0, 2.0]);
        let form = Rotation::condensing(eigenvalues, std::slice::from_ref(&matrix)).transform(&[matrix]);
        let expected = Matrix::from_row_slice(3, 3, &[7.0, 5.0, 0.0, 5.0, 0.68, 0.76, 0.0, 0.76, 2.32]);
        assert!((&form[0] - expected).amax() < 1e-12, "{}", form[0]);
    }

    #[test]
    fn what_is_zero_or_straight_already_stays() {
        for name in ["eigenvalues", "svd"] {
            let problem = crate::problem::named(name).unwrap();
            for matrix in [
                Matrix::zeros(3, 3),
                Matrix::from_diagonal(&DVector::from_vec(vec![1e-200, 2.0, 3.0])),
            ] {
                let form = Rotation::condensing(problem, std::slice::from_ref(&matrix))
                    .transform(std::slice::from_ref(&matrix));
                assert_eq!(form[0], matrix, "{name}");
            }
        }
    }
}
