//! Factors that make the rows and columns of a matrix alike.

use crate::matrix::Matrix;

/// Factors of rows and columns that bring the root mean square of every row and every column of a matrix near that of the whole,
/// the same for both of a symmetric one (Ruiz 2001, with another norm).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Equilibration {
    pub rows: Vec<f64>,
    pub cols: Vec<f64>,
    /// Sums of the squares of columns.
    squares: Vec<f64>,
}

impl Equilibration {
    /// Becomes that of a matrix, in the memory that there is.
    pub fn find(&mut self, matrix: &Matrix) {
        const STEPS: usize = 16;
        let Self { rows, cols, squares } = self;
        for (factors, length) in [(&mut *rows, matrix.nrows()), (&mut *cols, matrix.ncols())] {
            factors.clear();
            factors.resize(length, 1.0);
        }
        let square: f64 = matrix.as_slice().iter().map(|x| x * x).sum();
        let whole = root_mean(square, matrix.len());
        let factor = |own: f64| if own > 0.0 { (whole / own).sqrt() } else { 1.0 };
        for _ in 0..STEPS {
            squares.clear();
            squares.resize(cols.len(), 0.0);
            for (i, row) in rows.iter_mut().enumerate() {
                let mut square = 0.0;
                for (j, (col, column)) in cols.iter().zip(&mut *squares).enumerate() {
                    let entry = matrix[(i, j)] * *row * col;
                    square += entry * entry;
                    *column += entry * entry;
                }
                *row *= factor(root_mean(square, cols.len()));
            }
            for (col, square) in cols.iter_mut().zip(&*squares) {
                *col *= factor(root_mean(*square, rows.len()));
            }
        }
    }
}

/// The root of the mean of so many numbers, from their sum.
fn root_mean(sum: f64, count: usize) -> f64 {
    (sum / count as f64).sqrt()
}
