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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_mean_square_is_of_all_operands_and_does_not_overflow() {
        let operands = [
            Matrix::from_row_slice(1, 3, &[1.0, -1.0, 3.0]),
            Matrix::from_element(1, 1, 5.0),
        ];
        assert_eq!(root_mean_square(&operands), 3.0);
        let huge = operands.map(|operand| operand * 1e200);
        assert!((root_mean_square(&huge) / 3e200 - 1.0).abs() < 1e-14);
        assert!(root_mean_square(&[Matrix::zeros(2, 2)]).is_nan());
    }
}
