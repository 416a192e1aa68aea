//! Proof that the examples of a test do not occur among those of a training.

use std::collections::HashMap;

use anyhow::Result;
use rayon::prelude::*;

use super::{Example, Stream};
use crate::matrix::{Matrix, mix};

/// Examples that a model has seen: the first `count` of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub stream: &'a Stream,
    pub count: u64,
    /// How many examples share the size of [`Stream::batch_size_at`]; None where each has its own.
    pub batch: Option<u64>,
}

/// How often tests had been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collisions {
    /// Examples of the test.
    pub tests: u64,
    /// Examples that the model has seen.
    pub seen: u64,
    /// Those seen whose operands, as the model sees them, are those of a test.
    pub collisions: u64,
}

/// Counts the examples seen whose operands are those of one of the first `tests` examples of a stream.
///
/// Small matrices of few digits do collide by chance. Hashes find candidates, a comparison decides.
pub fn collisions(test: &Stream, tests: u64, seen: &[Seen<'_>]) -> Result<Collisions> {
    /// Examples that one task makes.
    const CHUNK: u64 = 4096;
    let mut indices: HashMap<u64, Vec<u64>> = HashMap::new();
    for index in 0..tests {
        indices
            .entry(hash(&test.example(index)?.operands))
            .or_default()
            .push(index);
    }
    let mut found = Collisions {
        tests,
        ..Collisions::default()
    };
    for Seen { stream, count, batch } in seen {
        let collide = |index: u64, example: &mut Example| -> Result<bool> {
            let size = match batch {
                Some(batch) => stream.batch_size_at(index / batch.max(&1)),
                None => stream.size(index),
            };
            stream.fill(index, size, example)?;
            for candidate in indices.get(&hash(&example.operands)).into_iter().flatten() {
                if test.example(*candidate)?.operands == example.operands {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let chunks: Vec<u64> = (0..count.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut example = Example::default();
                let mut collisions = 0;
                for index in chunk * CHUNK..(chunk + 1).saturating_mul(CHUNK).min(*count) {
                    collisions += u64::from(collide(index, &mut example)?);
                }
                Ok(collisions)
            })
            .collect::<Result<_>>()?;
        found.collisions += chunks.into_iter().sum::<u64>();
        found.seen += count;
    }
    Ok(found)
}

/// Of shapes and values; zeros of both signs are equal.
fn hash(matrices: &[Matrix]) -> u64 {
    matrices.iter().fold(0, |hash, matrix| {
        let shape = mix(hash ^ matrix.nrows() as u64).wrapping_add(matrix.ncols() as u64);
        matrix
            .iter()
            .fold(mix(shape), |hash, value| mix(hash ^ (value + 0.0).to_bits()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dataset::Specification, matrix::Split, problem};

    fn stream(dimensions: &str, split: Split) -> Stream {
        let problem = problem::named("eigenvalues").unwrap();
        let specification = Specification::new(problem, dimensions.parse().unwrap(), Default::default()).unwrap();
        Stream::new(specification, 1, split)
    }

    #[test]
    fn splits_do_not_collide() {
        let [train, validation, test] = Split::ALL.map(|split| stream("2-3", split));
        let seen = [
            Seen {
                stream: &train,
                count: 20_000,
                batch: Some(64),
            },
            Seen {
                stream: &validation,
                count: 5_000,
                batch: None,
            },
        ];
        let found = collisions(&test, 1_000, &seen).unwrap();
        assert_eq!(
            found,
            Collisions {
                tests: 1_000,
                seen: 25_000,
                collisions: 0
            }
        );
    }

    #[test]
    fn examples_that_were_seen_are_found() {
        let test = stream("2-3", Split::Test);
        let found = collisions(
            &test,
            100,
            &[Seen {
                stream: &test,
                count: 5_000,
                batch: None,
            }],
        )
        .unwrap();
        assert_eq!(found.collisions, 100);
    }

    #[test]
    fn zeros_of_both_signs_are_the_same_to_a_model() {
        let matrices = [0.0, -0.0].map(|zero| [Matrix::from_element(2, 2, zero)]);
        assert_eq!(hash(&matrices[0]), hash(&matrices[1]));
        assert_ne!(hash(&[Matrix::zeros(2, 3)]), hash(&[Matrix::zeros(3, 2)]));
    }
}
