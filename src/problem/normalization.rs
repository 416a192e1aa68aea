//! Scales of operands.

use crate::matrix::Matrix;

/// The root mean square of all coefficients; NaN if all are zero.
pub fn root_mean_square(operands: &[Matrix]) -> f64 {
    let count: usize = operands.iter().map(|matrix| matrix.len()).sum();
    // Dividing by the largest value first keeps its square from overflowing.
    let unit = largest(operands);
    let square: f64 = operands.iter().map(|matrix| (matrix / unit).norm_squared()).sum();
    unit * (square / count as f64).sqrt()
}

/// The largest absolute value.
fn largest(operands: &[Matrix]) -> f64 {
    operands.iter().map(|matrix| matrix.amax()).fold(0.0, f64::max)
}
