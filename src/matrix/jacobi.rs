//! The singular value decomposition by one-sided Jacobi rotations (Hestenes; Demmel, *Applied Numerical Linear
//! Algebra*, section 5.4.3). It is slower than nalgebra's, but correct where nalgebra's is wrong.
//!
//! nalgebra 0.35 returns wrong values for some matrices of deficient rank: 5.73 instead of 5 for the 5×5 matrix of
//! ones.

use super::Matrix;

/// The reduced decomposition A = U diag(s) Vᵀ as (U, s, V), unordered. The matrix must be finite and not empty.
pub(super) fn svd(matrix: &Matrix) -> (Matrix, Vec<f64>, Matrix) {
    if matrix.nrows() < matrix.ncols() {
        let (v, values, u) = svd(&matrix.transpose());
        return (u, values, v);
    }
    let n = matrix.ncols();
    let scale = matrix.amax();
    let mut v = Matrix::identity(n, n);
    if scale == 0.0 {
        return (Matrix::identity(matrix.nrows(), n), vec![0.0; n], v);
    }
    let mut u = matrix / scale;
    orthogonalize(&mut u, &mut v);
    let norms: Vec<f64> = u.column_iter().map(|column| column.norm()).collect();
    // Columns this small consist of rounding errors and have no meaningful direction.
    let negligible = f64::EPSILON * n as f64 * norms.iter().copied().fold(0.0, f64::max);
    for (j, norm) in norms.iter().enumerate() {
        if *norm > negligible {
            u.column_mut(j).unscale_mut(*norm);
        } else {
            u.column_mut(j).fill(0.0);
        }
    }
    for (j, _) in norms.iter().enumerate().filter(|(_, norm)| **norm <= negligible) {
        complete_orthonormal(&mut u, j);
    }
    (u, norms.into_iter().map(|norm| norm * scale).collect(), v)
}

/// Rotates pairs of columns of U until all are orthogonal. The columns of V are rotated by the same angles.
fn orthogonalize(u: &mut Matrix, v: &mut Matrix) {
    // Convergence is quadratic: even 10 sweeps are many.
    const SWEEPS: usize = 60;
    let n = u.ncols();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (alpha, beta) = (u.column(p).norm_squared(), u.column(q).norm_squared());
                let gamma = u.column(p).dot(&u.column(q));
                if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = (beta - alpha) / (2.0 * gamma);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                rotate(u, p, q, cosine, cosine * tangent);
                rotate(v, p, q, cosine, cosine * tangent);
            }
        }
        if !rotated {
            return;
        }
    }
}

fn rotate(matrix: &mut Matrix, p: usize, q: usize, cosine: f64, sine: f64) {
    for i in 0..matrix.nrows() {
        let (x, y) = (matrix[(i, p)], matrix[(i, q)]);
        matrix[(i, p)] = cosine * x - sine * y;
        matrix[(i, q)] = sine * x + cosine * y;
    }
}

/// Replaces a column of zeros by a unit vector orthogonal to all other columns. It starts from the coordinate axis with
/// the smallest projection on their span.
fn complete_orthonormal(u: &mut Matrix, column: usize) {
    let axis = (0..u.nrows()).min_by(|a, b| u.row(*a).norm_squared().total_cmp(&u.row(*b).norm_squared()));
    let mut vector = nalgebra::DVector::zeros(u.nrows());
    vector[axis.unwrap_or(0)] = 1.0;
    // The second pass removes the rounding errors of the first.
    for _ in 0..2 {
        let overlap = u.tr_mul(&vector);
        vector -= &*u * overlap;
    }
    vector.normalize_mut();
    u.set_column(column, &vector);
}
