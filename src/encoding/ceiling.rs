//! Matrices as tokens can write them: what the exact answer becomes.

use super::{Encoding, MAX_FIELDS, OutOfRange};
use crate::matrix::Matrix;

/// The matrices with every coefficient written and read again.
pub fn round_matrices(encoding: &dyn Encoding, matrices: &[Matrix]) -> Result<Vec<Matrix>, OutOfRange> {
    let mut rounded = matrices.to_vec();
    let mut classes = [0; MAX_FIELDS];
    let classes = &mut classes[..encoding.fields().len()];
    for value in rounded.iter_mut().flat_map(|matrix| matrix.as_mut_slice()) {
        encoding.encode(*value, classes)?;
        *value = encoding.decode(classes);
    }
    Ok(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::named;
    use nalgebra::dmatrix;

    #[test]
    fn every_coefficient_is_rounded_in_its_place() {
        let encoding = named("P1000").unwrap();
        let matrices = [dmatrix![1.0004, -2.5; 0.0, 1234.5], dmatrix![9.999]];
        let rounded = round_matrices(encoding.as_ref(), &matrices).unwrap();
        assert_eq!(rounded, [dmatrix![1.0, -2.5; 0.0, 1230.0], dmatrix![10.0]]);
    }

    #[test]
    fn a_number_that_cannot_be_written_is_named() {
        let encoding = named("FP15").unwrap();
        let error = round_matrices(encoding.as_ref(), &[dmatrix![1.0, -2e9]]).unwrap_err();
        assert_eq!(error.value, -2e9);
    }
}
