//! What scales and shifts of its operands do to a problem.

use crate::matrix::Matrix;

/// What numbers do to a problem that its operands are multiplied by.
#[derive(Clone, Copy, Debug)]
pub struct Invariance {
    /// The power of `s` by which each matrix of the solution grows where all operands are multiplied by `s`.
    pub degrees: &'static [i32],
    /// Whether `A + c I` adds `c` to the first matrix of the solution and leaves the others alone.
    pub shifts: bool,
}

/// The root mean square of all coefficients; NaN where all are zero.
pub fn root_mean_square(operands: &[Matrix]) -> f64 {
    let count: usize = operands.iter().map(|matrix| matrix.len()).sum();
    // In units of the largest, whose square may be beyond all numbers.
    let unit = largest(operands);
    let square: f64 = operands.iter().map(|matrix| (matrix / unit).norm_squared()).sum();
    unit * (square / count as f64).sqrt()
}

/// The largest absolute value.
fn largest(operands: &[Matrix]) -> f64 {
    operands.iter().map(|matrix| matrix.amax()).fold(0.0, f64::max)
}
