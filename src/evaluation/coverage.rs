//! Coverage of test matrices by the training distribution, to distinguish extrapolation from interpolation.

use super::Evaluation;
use crate::dataset::Source;
use crate::matrix::{Matrix, decomposition};
use anyhow::{Result, anyhow};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The largest number of training matrices that are examined.
const MATRICES: u64 = 20_000;
/// The fraction of eigenvalues that is cut off at each end. The range of a training set is thus the middle 99.9 %.
const TAIL: f64 = 0.0005;

type Range = (f64, f64);

/// Ranges of the eigenvalues of symmetric training matrices.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// The range of all eigenvalues.
    all: Range,
    /// For each size, the ranges of the largest eigenvalue, the second largest and so on.
    ranks: BTreeMap<usize, Vec<Range>>,
}

/// Fractions, from 0 to 1, of test matrices that are not covered by the training distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// Fraction of matrices with an eigenvalue outside of the range of all training eigenvalues.
    pub range: f64,
    /// Fraction of matrices with an eigenvalue outside of the range for its rank (largest, second largest and so on).
    /// Matrices of sizes without training examples count as outside.
    pub ranks: f64,
}

impl Coverage {
    /// The coverage of training examples with one symmetric operand.
    pub fn of(training: &dyn Source) -> Result<Self> {
        let count = training.count().map_or(MATRICES, |count| count.min(MATRICES));
        let spectra: Vec<Vec<f64>> = (0..count)
            .into_par_iter()
            .map(|index| spectrum(&training.example(index)?.truth()[0]))
            .collect::<Result<_>>()?;
        let mut ranks: BTreeMap<usize, Vec<Vec<f64>>> = BTreeMap::new();
        for spectrum in &spectra {
            let columns = ranks
                .entry(spectrum.len())
                .or_insert_with(|| vec![Vec::new(); spectrum.len()]);
            columns
                .iter_mut()
                .zip(spectrum)
                .for_each(|(column, value)| column.push(*value));
        }
        Ok(Self {
            all: range(spectra.concat()),
            ranks: ranks
                .into_iter()
                .map(|(size, columns)| (size, columns.into_iter().map(range).collect()))
                .collect(),
        })
    }

    /// The fractions for the matrices of an evaluation, before noise.
    pub fn of_evaluation(&self, evaluation: &Evaluation) -> Result<Outside> {
        self.outside(evaluation.examples.iter().map(|measured| &measured.example.truth()[0]))
    }

    /// The fractions for test matrices.
    pub fn outside<'a>(&self, tests: impl Iterator<Item = &'a Matrix>) -> Result<Outside> {
        let (mut count, mut range, mut ranks) = (0.0, 0.0, 0.0);
        for matrix in tests {
            let spectrum = spectrum(matrix)?;
            let beyond = spectrum.iter().any(|value| !contains(self.all, *value));
            let known = self.ranks.get(&spectrum.len());
            let inside = known.is_some_and(|known| {
                spectrum
                    .iter()
                    .zip(known)
                    .all(|(value, range)| contains(*range, *value))
            });
            count += 1.0;
            range += f64::from(u8::from(beyond));
            ranks += f64::from(u8::from(!inside));
        }
        let of = f64::max(count, 1.0);
        Ok(Outside {
            range: range / of,
            ranks: ranks / of,
        })
    }
}

fn contains((low, high): Range, value: f64) -> bool {
    (low..=high).contains(&value)
}

/// The middle part of the values.
fn range(mut values: Vec<f64>) -> Range {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let tail = (last as f64 * TAIL).round() as usize;
    match (values.get(tail), values.get(last - tail)) {
        (Some(&low), Some(&high)) => (low, high),
        _ => (f64::INFINITY, f64::NEG_INFINITY),
    }
}

/// Eigenvalues, descending.
fn spectrum(matrix: &Matrix) -> Result<Vec<f64>> {
    let mut values = vec![0.0; matrix.nrows()];
    decomposition::eigenvalues(matrix, &mut values).map_err(|_| anyhow!("a matrix has no eigenvalues: {matrix}"))?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Specification, Stream};
    use crate::matrix::Split;
    use crate::problem;

    fn stream(dim: &str, distribution: &str, split: Split) -> Stream {
        let problem = problem::named("eigenvectors").unwrap();
        let distribution = distribution.parse().unwrap();
        Stream::new(
            Specification::new(problem, dim.parse().unwrap(), distribution).unwrap(),
            1,
            split,
        )
    }

    fn outside(training: (&str, &str), test: (&str, &str)) -> Outside {
        let coverage = Coverage::of(&stream(training.0, training.1, Split::Train)).unwrap();
        let test = stream(test.0, test.1, Split::Test);
        let matrices: Vec<Matrix> = (0..2_000)
            .map(|index| test.example(index).unwrap().operands[0].clone())
            .collect();
        coverage.outside(matrices.iter()).unwrap()
    }

    #[test]
    fn a_test_of_the_same_distribution_is_inside() {
        for law in ["uniform", "uniform/laplace", "gaussian/marchenko-pastur"] {
            let found = outside(("5", law), ("5", law));
            // One eigenvalue in a thousand is outside, so one 5x5 matrix in two hundred.
            assert!(found.range < 0.015 && found.ranks < 0.015, "{law}: {found:?}");
        }
        let sizes = outside(("2-4", "uniform"), ("3", "uniform"));
        assert!(sizes.ranks < 0.02, "{sizes:?}");
    }

    #[test]
    fn positive_matrices_are_inside_wigner_matrices_by_range_and_outside_by_rank() {
        let found = outside(("5", "uniform"), ("5", "uniform/abs-semicircle"));
        assert!(found.range < 0.015 && found.ranks > 0.9, "{found:?}");
    }

    #[test]
    fn larger_coefficients_and_sizes_are_outside() {
        let larger = outside(("5", "uniform"), ("5", "uniform:50"));
        assert!(larger.range > 0.95 && larger.ranks >= larger.range, "{larger:?}");
        let size = outside(("5", "uniform"), ("6", "uniform"));
        assert!(size.range < 0.2 && size.ranks == 1.0, "{size:?}");
        let smaller = outside(("5", "uniform:50"), ("5", "uniform"));
        assert_eq!(smaller.range, 0.0);
    }

    #[test]
    fn laplace_covers_the_semicircle_but_not_conversely() {
        let wide = outside(("5", "uniform/laplace"), ("5", "uniform"));
        let narrow = outside(("5", "uniform"), ("5", "uniform/laplace"));
        assert!(wide.range == 0.0 && narrow.range > 0.08, "{wide:?} {narrow:?}");
    }

    #[test]
    fn the_range_is_the_middle_of_the_values() {
        assert_eq!(range((0..=10_000).rev().map(f64::from).collect()), (5.0, 9_995.0));
        assert_eq!(range(vec![2.0, 1.0]), (1.0, 2.0));
        assert!(!contains(range(vec![]), 0.0));
    }
}
