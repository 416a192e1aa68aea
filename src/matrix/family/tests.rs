//! Tests that families have the properties of their names, and that a seed always draws the same matrices.

use super::*;
use crate::matrix::address::test_generator;

fn draw(family: Family, rows: usize, cols: usize, index: u64) -> Matrix {
    let mut matrix = Matrix::zeros(rows, cols);
    family.fill(Coefficients::Uniform, 10.0, &mut test_generator(7, index), &mut matrix);
    matrix
}

fn draw_symmetric(family: Family, n: usize, index: u64) -> Matrix {
    let mut matrix = Matrix::zeros(n, n);
    family.fill_symmetric(Coefficients::Uniform, 10.0, &mut test_generator(7, index), &mut matrix);
    matrix
}

#[test]
fn every_family_has_finite_matrices_of_every_shape_and_symmetric_ones() {
    for family in Family::ALL {
        for (rows, cols) in [(1, 1), (2, 5), (5, 2), (4, 1), (8, 8)] {
            let matrix = draw(family, rows, cols, 1);
            assert!(matrix.iter().all(|x| x.is_finite()), "{family}: {matrix}");
        }
        for n in 1..=8 {
            let matrix = draw_symmetric(family, n, n as u64);
            assert!(matrix.iter().all(|x| x.is_finite()), "{family}: {matrix}");
            assert_eq!(matrix, matrix.transpose(), "{family}");
        }
    }
}

#[test]
fn families_have_the_properties_of_their_names() {
    for index in 0..50 {
        let identity = Matrix::identity(5, 5);
        for orthogonal in [
            draw(Family::Orthogonal, 5, 5, index),
            draw_symmetric(Family::Orthogonal, 5, index),
        ] {
            assert!((&orthogonal * orthogonal.transpose() - &identity).amax() < 1e-12);
        }
        for swap in [
            draw(Family::Permutation, 5, 5, index),
            draw_symmetric(Family::Permutation, 5, index),
        ] {
            assert_eq!(&swap * swap.transpose(), identity);
        }
        let rank = |matrix: Matrix| matrix.rank(1e-9);
        assert_eq!(rank(draw(Family::RankOne, 5, 4, index)), 1);
        assert_eq!(rank(draw_symmetric(Family::RankTwo, 5, index)), 2);
        let laplacian = draw(Family::Laplacian, 5, 5, index);
        assert_eq!(laplacian.column_sum().amax(), 0.0);
        let stochastic = draw(Family::Stochastic, 5, 5, index);
        assert!(stochastic.column_sum().iter().all(|sum| (sum - 1.0).abs() < 1e-12));
        let correlation = draw_symmetric(Family::Correlation, 5, index);
        assert!(correlation.diagonal().iter().all(|x| (x - 1.0).abs() < 1e-12) && correlation.amax() < 1.0 + 1e-12);
        let least = |matrix: &Matrix| matrix.clone().symmetric_eigenvalues().min();
        assert!(least(&draw_symmetric(Family::Covariance, 5, index)) > 0.0);
        assert!(least(&draw_symmetric(Family::Kernel, 5, index)) > -1e-12);
        let companion = draw(Family::Companion, 3, 3, index);
        assert_eq!(
            companion.rows(1, 2),
            Matrix::from_row_slice(2, 3, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
        );
        for circulant in [
            draw(Family::Circulant, 4, 4, index),
            draw_symmetric(Family::Circulant, 4, index),
        ] {
            assert!((0..4).all(|j| circulant[(0, j)] == circulant[(2, (j + 2) % 4)]));
        }
        let few = |values: Matrix| {
            let mut values: Vec<_> = values.iter().map(|x| (x * 1e6).round() as i64).collect();
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        let clustered = draw_symmetric(Family::Clustered, 6, index).symmetric_eigenvalues();
        assert!(few(Matrix::from_column_slice(6, 1, clustered.as_slice())) <= 2);
    }
    assert_eq!(
        draw(Family::Hilbert, 2, 2, 0),
        Matrix::from_row_slice(2, 2, &[1.0, 0.5, 0.5, 1.0 / 3.0])
    );
}

#[test]
fn families_keep_their_scales() {
    let largest = |family| {
        (0..20)
            .map(|index| draw(family, 5, 5, index).amax())
            .fold(0.0, f64::max)
    };
    assert!((0.009..=0.01).contains(&largest(Family::Tiny)));
    assert!((9e4..=1e5).contains(&largest(Family::Huge)));
    assert!((300.0..=1000.0).contains(&largest(Family::MixedRows)));
}

#[test]
fn every_family_is_drawn() {
    let mut generator = test_generator(7, 0);
    let mut found = std::collections::HashSet::new();
    for _ in 0..1000 {
        found.insert(Family::draw(&mut generator));
    }
    assert_eq!(found.len(), Family::ALL.len());
}

/// Σ k²·x over the coefficients x of 20 matrices 5x5 and of 20 symmetric ones; k counts from 1 and begins again for each
/// matrix.
fn weighted(draw: impl Fn(u64) -> Matrix) -> f64 {
    let sum = |matrix: Matrix| -> f64 {
        matrix
            .iter()
            .enumerate()
            .map(|(k, x)| ((k + 1) * (k + 1)) as f64 * x)
            .sum()
    };
    (0..20).map(draw).map(sum).sum()
}

#[test]
fn a_seed_draws_the_same_matrices_in_every_version() {
    let expected: [(Family, f64, f64); 33] = [
        (Family::Tiny, -24.99026912, -15.32317167),
        (Family::Huge, -249902691.2, -153231716.7),
        (Family::Integer, -25974.0, -13487.0),
        (Family::Positive, 538801.9697, 511368.3392),
        (Family::MixedRows, -1571769.564, -910146.3352),
        (Family::Identity, 109097.6769, 109097.6769),
        (Family::NearIdentity, 26395.14723, 24478.60389),
        (Family::Exchangeable, 682890.9833, 682890.9833),
        (Family::Permutation, 22150.0, 22580.0),
        (Family::Diagonal, 6352.452338, 6352.452338),
        (Family::Tridiagonal, -11341.85475, 20007.72124),
        (Family::Banded, -6259.938598, -3199.583263),
        (Family::Triangular, -3647.651695, -1395.964447),
        (Family::Arrow, -33552.89962, -27735.97564),
        (Family::Block, -26632.18901, -38586.43811),
        (Family::Sparse, 5591.835055, 5714.589565),
        (Family::Toeplitz, 70583.83585, 127199.9815),
        (Family::Hankel, 112325.1226, 112325.1226),
        (Family::Circulant, -14088.82705, -12461.71608),
        (Family::Hilbert, 18727.93651, 18727.93651),
        (Family::Vandermonde, 20895.0067, 148148.2821),
        (Family::Companion, 12837.88312, 34858.86362),
        (Family::Covariance, 122187.628, 122187.628),
        (Family::Correlation, 23234.9024, 23234.9024),
        (Family::Kernel, 93264.18632, 93264.18632),
        (Family::Adjacency, 42576.0, 42576.0),
        (Family::Laplacian, 5340.0, 5340.0),
        (Family::Stochastic, 21617.96526, 22573.18204),
        (Family::Orthogonal, -2276.439879, 7825.817343),
        (Family::RankOne, -2831.49499, 60613.36051),
        (Family::RankTwo, 40100.61653, 135307.3306),
        (Family::Clustered, -2004.048142, -21192.63971),
        (Family::Graded, -11066.50236, 1399.241377),
    ];
    for (family, general, symmetric) in expected {
        let found = [
            weighted(|index| draw(family, 5, 5, index)),
            weighted(|index| draw_symmetric(family, 5, index)),
        ];
        for (found, expected) in found.into_iter().zip([general, symmetric]) {
            // Powers and exponentials differ in their last bits between machines.
            assert!(
                (found - expected).abs() <= 1e-8 * expected.abs().max(1.0),
                "{family}: {found:e}, not {expected:e}"
            );
        }
    }
}
