//! How far test matrices lie outside of what a training has shown, so that generalizing is told from interpolating.

use super::Evaluation;
use crate::dataset::Source;
use crate::matrix::{Matrix, decomposition};
use anyhow::{Result, anyhow};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Training matrices whose eigenvalues are looked at.
const MATRICES: u64 = 20_000;
/// What is left out at both ends of the eigenvalues: the middle 99.9 % are the range of a training.
const TAIL: f64 = 0.0005;

type Range = (f64, f64);

/// Where the eigenvalues of the symmetric matrices of a training lie.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Of all of them.
    all: Range,
    /// Of the largest, the second largest and so on, at each size.
    ranks: BTreeMap<usize, Vec<Range>>,
}

/// Shares of test matrices that a training has not covered, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// Of matrices with an eigenvalue outside of the range of all eigenvalues of the training.
    pub range: f64,
    /// Of matrices with an eigenvalue outside of the range of those of its rank, the largest, the second and so on; of a size
    /// that the training had none of, all are.
    pub ranks: f64,
}

impl Coverage {
    /// The coverage of a source of training examples with one symmetric operand.
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

    /// The shares of the matrices of an evaluation outside; without their noise.
    pub fn of_evaluation(&self, evaluation: &Evaluation) -> Result<Outside> {
        self.outside(evaluation.examples.iter().map(|measured| &measured.example.truth()[0]))
    }

    /// The shares of test matrices outside.
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

/// The middle part of values.
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
    fn a_test_of_the_same_law_is_inside() {
        for law in ["uniform", "uniform/laplace", "gaussian/marchenko-pastur"] {
            let found = outside(("5", law), ("5", law));
            // One eigenvalue in a thousand is outside: one matrix of 5x5 in two hundred.
            assert!(found.range < 0.015 && found.ranks < 0.015, "{law}: {found:?}");
        }
        let sizes = outside(("2-4", "uniform"), ("3", "uniform"));
        assert!(sizes.ranks < 0.02, "{sizes:?}");
    }

    #[test]
    fn positive_matrices_are_in_the_range_of_wigner_matrices_and_far_from_them_by_rank() {
        let found = outside(("5", "uniform"), ("5", "uniform/abs-semicircle"));
        assert!(found.range < 0.015 && found.ranks > 0.9, "{found:?}");
    }

    #[test]
    fn larger_coefficients_and_larger_sizes_leave_the_range() {
        let larger = outside(("5", "uniform"), ("5", "uniform:50"));
        assert!(larger.range > 0.95 && larger.ranks >= larger.range, "{larger:?}");
        let size = outside(("5", "uniform"), ("6", "uniform"));
        assert!(size.range < 0.2 && size.ranks == 1.0, "{size:?}");
        let smaller = outside(("5", "uniform:50"), ("5", "uniform"));
        assert_eq!(smaller.range, 0.0);
    }

    #[test]
    fn laplace_covers_the_semicircle_and_not_the_other_way_round() {
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
