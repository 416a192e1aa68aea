//! The condensed form of an inverse: a problem of two diagonals in place of a whole matrix, for models that cannot multiply matrices.
//!
//! Rows and columns of A are scaled to one root mean square, `S = R A C` with diagonal R and C, so that `A⁻¹ = C S⁻¹ R`. Householder's
//! reflections make the transposed matrix bidiagonal, `B = U Sᵀ Vᵀ` (Golub & Van Loan, *Matrix computations*, 5.4.8), so that `S⁻ᵀ = Vᵀ B⁻¹ U`.
//! No entry of B is negative, which makes it one of a kind where nothing is zero.
//!
//! Which column of Sᵀ comes first is free. With `P B = I`, errors of `P[i, j]` by shares of `s[i, j]` make
//! `P[i, j] B[j, j] (s[i, j] - s[i, j - 1])` of `P B`, where `P[i, j] B[j, j]` is the product of `-B[k, k + 1] / B[k, k]` for `k` from `i` to `j - 1`.
//! The last pivot is in none of them, and so mostly not the condition of B. That column comes first by which the sum of their
//! magnitudes is least.

use crate::matrix::Matrix;
use nalgebra::{DVector, Dyn, Reflection, U1, Unit, VecStorage};

/// Growths of errors that differ by a smaller share are equal; `torchscript/condensed.py` has the same.
const EQUAL: f64 = 1e-9;

/// Beside the largest coefficient of a solution, less than this is nothing.
const ROUNDING: f64 = 1e-13;

/// How the condensed form of a square matrix was made.
#[derive(Clone, Debug)]
pub struct Condensed {
    /// Factors of the rows and of the columns of the matrix.
    rows: DVector<f64>,
    cols: DVector<f64>,
    /// U and V, orthogonal.
    left: Matrix,
    right: Matrix,
}

impl Condensed {
    /// That of a matrix, and the form itself: bidiagonal, `[n, n]`.
    pub fn of(matrix: &Matrix) -> (Self, Matrix) {
        let (rows, cols) = equilibration(matrix);
        let scaled = Matrix::from_diagonal(&rows) * matrix * Matrix::from_diagonal(&cols);
        let transposed = scaled.transpose();
        let mut best = bidiagonalizing(&transposed, 0);
        for first in 1..matrix.nrows() {
            let other = bidiagonalizing(&transposed, first);
            // Rounding errors do not decide between equal ones.
            if other.2 < best.2 * (1.0 - EQUAL) {
                best = other;
            }
        }
        let (left, right, _) = best;
        let form = &left * transposed * right.transpose();
        let condensed = Self {
            rows,
            cols,
            left,
            right,
        };
        (condensed, form)
    }

    /// The inverse of the form, from the inverse of the matrix.
    pub fn of_inverse(&self, inverse: &Matrix) -> Matrix {
        let unscaled = Matrix::from_fn(inverse.nrows(), inverse.ncols(), |i, j| {
            inverse[(i, j)] / (self.cols[i] * self.rows[j])
        });
        let mut moved = &self.right * unscaled.transpose() * self.left.transpose();
        // The inverse of a form has zeros, of which reflections leave the rounding errors: numbers like others to a model.
        let least = ROUNDING * moved.amax();
        moved.iter_mut().filter(|x| x.abs() < least).for_each(|x| *x = 0.0);
        moved
    }

    /// The inverse of the matrix, from the inverse of the form.
    pub fn restore(&self, inverse: &Matrix) -> Matrix {
        let scaled = (self.right.transpose() * inverse * &self.left).transpose();
        Matrix::from_fn(scaled.nrows(), scaled.ncols(), |i, j| {
            scaled[(i, j)] * self.cols[i] * self.rows[j]
        })
    }
}

/// Factors of rows and columns that bring their root mean squares near that of the whole matrix (Ruiz 2001, with another norm).
fn equilibration(matrix: &Matrix) -> (DVector<f64>, DVector<f64>) {
    const STEPS: usize = 16;
    let (m, n) = matrix.shape();
    let (mut rows, mut cols) = (DVector::from_element(m, 1.0), DVector::from_element(n, 1.0));
    let whole = (matrix.norm_squared() / (m * n) as f64).sqrt();
    let factor = |square: f64, count: usize| {
        let own = (square / count as f64).sqrt();
        if own > 0.0 { (whole / own).sqrt() } else { 1.0 }
    };
    for _ in 0..STEPS {
        let squares = Matrix::from_fn(m, n, |i, j| (matrix[(i, j)] * rows[i] * cols[j]).powi(2));
        (0..m).for_each(|i| rows[i] *= factor(squares.row(i).sum(), n));
        (0..n).for_each(|j| cols[j] *= factor(squares.column(j).sum(), m));
    }
    (rows, cols)
}

/// Reflections of rows and of columns that make a matrix bidiagonal, B, once one of its columns has changed places with the first; and the
/// growth of errors of its inverse P, the sum of the magnitudes of `P[i, j] B[j, j]`.
fn bidiagonalizing(matrix: &Matrix, first: usize) -> (Matrix, Matrix, f64) {
    let n = matrix.nrows();
    let mut matrix = matrix.clone();
    let [mut left, mut right] = [n, n].map(|length| Matrix::identity(length, length));
    matrix.swap_columns(0, first);
    right.swap_rows(0, first);
    let mut work = DVector::zeros(n);
    for k in 0..n {
        if let Some(mirror) = straightening(matrix.column(k).rows_range(k..).into_owned()) {
            mirror.reflect(&mut matrix.rows_range_mut(k..));
            mirror.reflect(&mut left.rows_range_mut(k..));
        }
        if k + 1 == n {
            break;
        }
        if let Some(mirror) = straightening(matrix.row(k).columns_range(k + 1..).transpose()) {
            mirror.reflect_rows(&mut matrix.columns_range_mut(k + 1..), &mut work);
            mirror.reflect(&mut right.rows_range_mut(k + 1..));
        }
    }
    // Column by column, each from the one before.
    let (mut column, mut growth) = (1.0, 1.0);
    for k in 0..n - 1 {
        column = 1.0 + column * (matrix[(k, k + 1)] / matrix[(k, k)]).abs();
        growth += column;
    }
    (left, right, growth)
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
    use super::super::tests::solved;
    use super::*;
    use crate::matrix::{Address, Generator, Split};
    use rand::RngExt;
    use rand_distr::StandardNormal;

    fn generator(index: u64) -> Generator {
        let address = Address {
            seed: 1,
            split: Split::Test,
            index,
        };
        address.generator(0)
    }

    fn random(n: usize, generator: &mut Generator) -> Matrix {
        Matrix::from_fn(n, n, |_, _| generator.sample(StandardNormal))
    }

    #[test]
    fn a_form_has_two_diagonals_and_its_inverse_is_that_of_the_matrix() {
        for n in 1..6 {
            let matrix = random(n, &mut generator(n as u64));
            let (condensed, form) = Condensed::of(&matrix);
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let near = i == j || i + 1 == j;
                assert!(
                    if near {
                        form[(i, j)] > 0.0
                    } else {
                        form[(i, j)].abs() < 1e-12
                    },
                    "{form}"
                );
            }
            let inverse = matrix.clone().try_inverse().unwrap();
            let of_form = form.try_inverse().unwrap();
            assert!((condensed.of_inverse(&inverse) - &of_form).amax() < 1e-9 * of_form.amax());
            assert!((condensed.restore(&of_form) - &inverse).amax() < 1e-9 * inverse.amax());
        }
    }

    #[test]
    fn rows_and_columns_come_to_one_root_mean_square() {
        let matrix = Matrix::from_row_slice(3, 3, &[100.0, 2.0, 0.5, 2.0, 0.03, -0.02, 0.5, -0.02, 0.004]);
        let (rows, cols) = equilibration(&matrix);
        let scaled = Matrix::from_diagonal(&rows) * &matrix * Matrix::from_diagonal(&cols);
        for row in scaled
            .row_iter()
            .map(|row| row.norm())
            .chain(scaled.column_iter().map(|column| column.norm()))
        {
            assert!((row * 3f64.sqrt() / matrix.norm() - 1.0).abs() < 0.05, "{row}");
        }
    }

    #[test]
    fn matrices_with_other_orders_signs_and_scales_of_rows_and_columns_have_one_form() {
        let matrix = random(4, &mut generator(9));
        let moved = Matrix::from_fn(4, 4, |i, j| {
            let (row, col) = ([2, 0, 3, 1][i], [1, 3, 2, 0][j]);
            [1.0, -2.0, 0.5, -1.0][i] * [-1.0, 3.0, 1.0, 0.25][j] * matrix[(row, col)]
        });
        let [form, other] = [matrix, moved].map(|matrix| Condensed::of(&matrix).1);
        // They are scaled to the root mean square of the whole, and so far as sixteen steps go.
        assert!((form.unscale(form.norm()) - other.unscale(other.norm())).amax() < 0.02);
    }

    #[test]
    fn the_first_column_is_that_by_which_errors_grow_least() {
        let growth = |form: &Matrix| {
            let diagonal = Matrix::from_diagonal(&form.diagonal());
            (form.clone().try_inverse().unwrap() * diagonal).abs().sum()
        };
        let matrix = random(5, &mut generator(4));
        let (_, form) = Condensed::of(&matrix);
        let (rows, cols) = equilibration(&matrix);
        let transposed = (Matrix::from_diagonal(&rows) * matrix * Matrix::from_diagonal(&cols)).transpose();
        for first in 0..5 {
            let (left, right, told) = bidiagonalizing(&transposed, first);
            let other = left * &transposed * right.transpose();
            assert!((growth(&other) - told).abs() < 1e-9 * told, "{other}");
            assert!(growth(&form) <= told * (1.0 + 1e-9), "{form} {other}");
        }
    }

    #[test]
    fn a_hand_worked_form() {
        // Rows and columns of [[3, 4], [-4, 3]] are alike. Begun with (3, 4), the norm is 5, and nothing is left beside it.
        let (_, form) = Condensed::of(&Matrix::from_row_slice(2, 2, &[3.0, 4.0, -4.0, 3.0]));
        assert!((form - Matrix::from_diagonal_element(2, 2, 5.0)).amax() < 1e-12);
        // The second column, (3, 4), has the norm 5 and with the first, (0, 1), the product 4; pivots multiply to the determinant, 3. Errors
        // count by 1 + 1 + 0.8 / 5; begun with the first column by 1 + 1 + 4 / 1.
        let matrix = Matrix::from_row_slice(2, 2, &[0.0, 3.0, 1.0, 4.0]);
        let [first, second] = [0, 1].map(|first| bidiagonalizing(&matrix, first));
        assert!((first.2 - 6.0).abs() < 1e-12 && (second.2 - 2.16).abs() < 1e-12);
        let form = second.0 * matrix * second.1.transpose();
        assert!((form - Matrix::from_row_slice(2, 2, &[5.0, 0.8, 0.0, 0.6])).amax() < 1e-12);
    }

    #[test]
    fn zeros_stay_zeros() {
        assert_eq!(Condensed::of(&Matrix::zeros(3, 3)).1, Matrix::zeros(3, 3));
    }

    #[test]
    fn errors_are_not_multiplied_by_the_condition() {
        let inverse = crate::problem::named("inverse").unwrap();
        let mut generator = generator(0);
        let mut worst = 0f64;
        for condition in [1e2, 1e3, 1e4] {
            for _ in 0..50 {
                let [left, right] = [(); 2].map(|_| random(5, &mut generator).qr().q());
                let singular_values = DVector::from_vec(vec![1.0, 0.5, 0.25, 0.1, 1.0 / condition]);
                let operands = [left * Matrix::from_diagonal(&singular_values) * right];
                let (condensed, _) = Condensed::of(&operands[0]);
                let mut answer = condensed.of_inverse(&solved(inverse, &operands)[0]);
                let shares = random(5, &mut generator).map(|x: f64| 1.0 + 1e-3 * x.clamp(-1.0, 1.0));
                answer.component_mul_assign(&shares);
                worst = worst.max(inverse.error(&operands, &[], &[condensed.restore(&answer)]));
            }
        }
        assert!(worst < 0.01, "{worst}");
    }
}
