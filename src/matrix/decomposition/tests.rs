//! Tests that decompositions rebuild random and hostile matrices.

use super::*;
use crate::matrix::{Coefficients, address::test_generator};

fn random(rows: usize, cols: usize, index: u64) -> Matrix {
    let mut generator = test_generator(11, index);
    let mut matrix = Matrix::zeros(rows, cols);
    Coefficients::Uniform.fill(10.0, &mut generator, matrix.as_mut_slice());
    matrix
}

/// Matrices that are hard to decompose: zero, constant, of low rank, with repeated values, tiny, huge.
fn hostile(rows: usize, cols: usize) -> Vec<Matrix> {
    let ramp = Matrix::from_fn(rows, cols, |i, j| (i + j) as f64);
    let alternating = Matrix::from_fn(rows, cols, |i, j| if (i + j) % 2 == 0 { 1.0 } else { -1.0 });
    let graded = Matrix::from_fn(rows, cols, |i, j| 10f64.powi(-4 * (i.max(j) as i32)));
    let corner = Matrix::from_fn(rows, cols, |i, j| if i + j == 0 { 1.0 } else { 0.0 });
    let cross = Matrix::from_fn(rows, cols, |i, j| if i + j + 1 == rows.max(cols) { 1.0 } else { 0.0 });
    vec![
        Matrix::zeros(rows, cols),
        Matrix::from_element(rows, cols, 1.0),
        Matrix::identity(rows, cols),
        &ramp * 1e-200,
        &ramp * 1e200,
        ramp,
        alternating,
        graded,
        corner,
        cross,
    ]
}

fn is_descending(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] >= pair[1])
}

fn deviation_from_orthonormal(matrix: &Matrix) -> f64 {
    let gram = matrix.tr_mul(matrix);
    (&gram - Matrix::identity(gram.nrows(), gram.ncols())).amax()
}

fn check_eigen(matrix: &Matrix) {
    let n = matrix.nrows();
    let (mut values, mut alone) = (vec![0.0; n], vec![0.0; n]);
    let mut vectors = Matrix::zeros(n, n);
    eigen(matrix, &mut values, &mut vectors).unwrap();
    eigenvalues(matrix, &mut alone).unwrap();
    assert!(is_descending(&values));
    assert!(deviation_from_orthonormal(&vectors) < 1e-13, "{matrix}");
    let rebuilt = &vectors * Matrix::from_diagonal(&values.clone().into()) * vectors.transpose();
    assert!(
        (rebuilt - matrix).amax() <= 1e-13 * n as f64 * matrix.amax(),
        "{matrix}"
    );
    for (a, b) in values.iter().zip(&alone) {
        assert!((a - b).abs() <= 1e-13 * n as f64 * matrix.amax(), "{matrix}");
    }
    for column in vectors.column_iter() {
        assert!(column.max() >= -column.min());
    }
}

fn check_svd(matrix: &Matrix) {
    let (rows, cols) = matrix.shape();
    let k = rows.min(cols);
    let (mut values, mut alone) = (vec![0.0; k], vec![0.0; k]);
    let (mut u, mut v) = (Matrix::zeros(rows, k), Matrix::zeros(cols, k));
    svd(matrix, &mut u, &mut values, &mut v).unwrap();
    singular_values(matrix, &mut alone).unwrap();
    assert!(is_descending(&values) && values[k - 1] >= 0.0);
    assert!(deviation_from_orthonormal(&u) < 1e-12, "{matrix}{u}");
    assert!(deviation_from_orthonormal(&v) < 1e-12, "{matrix}{v}");
    let rebuilt = &u * Matrix::from_diagonal(&values.clone().into()) * v.transpose();
    let residual = (rebuilt - matrix).amax();
    assert!(residual <= 1e-12 * matrix.amax(), "{residual:e} {matrix}");
    for (a, b) in values.iter().zip(&alone) {
        assert!(
            (a - b).abs() <= 1e-13 * k as f64 * matrix.amax(),
            "{matrix}{values:?}{alone:?}"
        );
    }
    for column in u.column_iter() {
        assert!(column.max() >= -column.min());
    }
}

#[test]
fn eigenpairs_rebuild_random_and_hostile_matrices_of_every_order() {
    for n in 1..=12 {
        for index in 0..300 {
            let matrix = random(n, n, index);
            check_eigen(&(&matrix + matrix.transpose()));
        }
        hostile(n, n).iter().for_each(check_eigen);
    }
}

#[test]
fn singular_triplets_rebuild_random_and_hostile_matrices_of_every_shape() {
    for rows in 1..=11 {
        for cols in 1..=11 {
            (0..40).for_each(|index| check_svd(&random(rows, cols, index)));
            hostile(rows, cols).iter().for_each(check_svd);
        }
    }
}

#[test]
fn small_singular_values_keep_their_digits() {
    // Computed from AᵀA, the smallest value would be lost in rounding: its square is below epsilon.
    for n in [2, 3] {
        let q = random(n, n, 1).qr().q();
        let values: Vec<f64> = (0..n).map(|i| 10f64.powi(-5 * i as i32)).collect();
        let matrix = &q * Matrix::from_diagonal(&values.clone().into()) * random(n, n, 2).qr().q();
        let mut found = vec![0.0; n];
        singular_values(&matrix, &mut found).unwrap();
        for (a, b) in found.iter().zip(&values) {
            assert!((a - b).abs() < 1e-15, "{found:?}");
        }
    }
}

#[test]
fn inverses_agree_with_an_independent_solution() {
    for n in 1..=12 {
        for index in 0..50 {
            let matrix = random(n, n, index);
            let mut inverse = Matrix::zeros(n, n);
            assert!(invert(&matrix, inverse.as_mut_slice()));
            let oracle = matrix.clone().full_piv_lu().solve(&Matrix::identity(n, n)).unwrap();
            assert!((&inverse - &oracle).amax() < 1e-8 * oracle.amax());
        }
    }
    assert!(!invert(&Matrix::zeros(3, 3), &mut [0.0; 9]));
}

#[test]
fn values_that_are_not_finite_are_refused() {
    for bad in [f64::NAN, f64::INFINITY] {
        let matrix = Matrix::from_element(3, 3, bad);
        assert_eq!(eigenvalues(&matrix, &mut [0.0; 3]), Err(NotConverged));
        assert_eq!(singular_values(&matrix, &mut [0.0; 3]), Err(NotConverged));
    }
}

#[test]
fn ties_of_magnitude_are_decided_by_the_first() {
    assert_eq!(fix_sign([-1.0, 1.0].iter()), -1.0);
    assert_eq!(fix_sign([1.0, -1.0].iter()), 1.0);
    assert_eq!(fix_sign([0.5, -0.8].iter()), -1.0);
}
