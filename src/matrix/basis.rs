//! Bases of the eigenvectors (or singular vectors) of nearly equal values. Any basis of their span is correct; rounding
//! errors decide which one a solver returns. Models learn a basis that depends only on the span.

use super::{Matrix, decomposition, decomposition::NotConverged};
use std::ops::Range;

/// Values count as equal if their difference is at most this fraction of the range of all values (for singular values,
/// of the largest value). Rounding coefficients to three digits changes values by less than a third of this difference.
pub(crate) const CLOSENESS: f64 = 0.005;

/// The clusters of descending `values`, as index ranges. A cluster has at least two values. Each value is at most
/// `limit` below its predecessor.
pub(crate) fn clusters(values: &[f64], limit: f64) -> Vec<Range<usize>> {
    let mut clusters = Vec::new();
    let mut start = 0;
    for end in 1..=values.len() {
        if end == values.len() || values[end - 1] - values[end] > limit {
            if end - start > 1 {
                clusters.push(start..end);
            }
            start = end;
        }
    }
    clusters
}

/// The rotation after which the given columns of an orthonormal basis diagonalize diag(n, …, 2, 1) in their span. If
/// the columns span the whole space, they become the unit vectors.
pub(crate) fn rotation(basis: &Matrix, columns: &Range<usize>) -> Result<Matrix, NotConverged> {
    let chosen = basis.columns(columns.start, columns.len());
    let mut weighted = chosen.into_owned();
    let rows = weighted.nrows();
    for (i, mut row) in weighted.row_iter_mut().enumerate() {
        row *= (rows - i) as f64;
    }
    let mut rotation = Matrix::zeros(columns.len(), columns.len());
    let mut values = vec![0.0; columns.len()];
    decomposition::eigen(&chosen.tr_mul(&weighted), &mut values, &mut rotation)?;
    Ok(rotation)
}

/// Multiplies the given columns of a basis by a rotation.
pub(crate) fn rotate(basis: &mut Matrix, columns: &Range<usize>, rotation: &Matrix) {
    let rotated = basis.columns(columns.start, columns.len()) * rotation;
    basis.columns_mut(columns.start, columns.len()).copy_from(&rotated);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::parse;

    #[test]
    fn clusters_are_chains_of_close_values() {
        assert_eq!(clusters(&[5.0, 4.9, 4.85, 3.0, 1.0, 1.0], 0.1), [0..3, 4..6]);
        assert!(clusters(&[5.0, 4.0], 0.1).is_empty());
        assert!(clusters(&[], 0.1).is_empty());
    }

    #[test]
    fn a_rotated_basis_depends_on_the_span_alone() {
        let (sine, cosine) = 0.3f64.sin_cos();
        let settled = |coefficients: [f64; 4]| {
            // An orthonormal basis of the plane whose normal is (1, 1, 1).
            let plane = parse(
                "[[0.7071067811865476,0.4082482904638631],[-0.7071067811865476,0.4082482904638631],[0,-0.8164965809277261]]",
            );
            let mut basis = plane.unwrap() * Matrix::from_row_slice(2, 2, &coefficients);
            let found = rotation(&basis, &(0..2)).unwrap();
            rotate(&mut basis, &(0..2), &found);
            basis.map(|x| x.abs())
        };
        let difference = settled([1.0, 0.0, 0.0, 1.0]) - settled([cosine, -sine, sine, cosine]);
        assert!(difference.amax() < 1e-14, "{difference}");
    }
}
