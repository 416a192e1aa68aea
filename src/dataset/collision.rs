//! Tests whether examples of a test set occur in the training data.

use std::collections::HashMap;

use anyhow::Result;
use rayon::prelude::*;

use super::{Example, Source};
use crate::matrix::{Matrix, mix};

/// Examples that a model has seen in training.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// The batches of the first training steps, with repeated examples.
    Batches {
        source: &'a dyn Source,
        steps: u64,
        batch_size: usize,
    },
    /// The first examples of a source.
    Examples { source: &'a dyn Source, count: u64 },
}

/// Counts of test examples that a model has seen in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collisions {
    /// The number of test examples.
    pub tests: u64,
    /// The number of training examples. Repetitions count.
    pub seen: u64,
    /// The number of training examples whose operands, after rounding, equal the operands of a test example of the same
    /// problem.
    pub collisions: u64,
}

/// Counts the training examples whose operands equal the operands of any of the first `tests` examples of a source.
///
/// Small matrices of few digits may be equal by chance. Hashes find candidates, which are then compared.
pub fn collisions(test: &dyn Source, tests: u64, seen: &[Seen<'_>]) -> Result<Collisions> {
    let mut found = Collisions {
        tests,
        ..Collisions::default()
    };
    let tests = Tests::new(test, tests)?;
    for seen in seen {
        let (count, collisions) = match *seen {
            Seen::Batches {
                source,
                steps,
                batch_size,
            } => {
                let batch = |step, examples: &mut Vec<Example>| {
                    source.fill_batch(step, batch_size, examples)?;
                    tests.collisions(source.task_at(step), examples)
                };
                (steps * batch_size as u64, sum(steps, batch)?)
            }
            Seen::Examples { source, count } => {
                let example = |index, examples: &mut Vec<Example>| {
                    examples.clear();
                    examples.push(source.example(index)?);
                    tests.collisions(source.task_of(index), examples)
                };
                (count, sum(count, example)?)
            }
        };
        found.seen += count;
        found.collisions += collisions;
    }
    Ok(found)
}

/// The sum of `item` over `count` indices, on all threads. The calls of one thread share a buffer.
fn sum(count: u64, item: impl Fn(u64, &mut Vec<Example>) -> Result<u64> + Sync) -> Result<u64> {
    /// Indices per parallel task.
    const CHUNK: u64 = 256;
    let chunks = (0..count.div_ceil(CHUNK)).into_par_iter().map(|chunk| {
        let mut examples = Vec::new();
        let items = chunk * CHUNK..(chunk + 1).saturating_mul(CHUNK).min(count);
        items.map(|index| item(index, &mut examples)).sum::<Result<u64>>()
    });
    Ok(chunks.collect::<Result<Vec<u64>>>()?.into_iter().sum())
}

/// The test examples, indexed by a hash of their operands.
struct Tests<'a> {
    source: &'a dyn Source,
    indices: HashMap<u64, Vec<u64>>,
}

impl<'a> Tests<'a> {
    fn new(source: &'a dyn Source, count: u64) -> Result<Self> {
        let mut indices: HashMap<u64, Vec<u64>> = HashMap::new();
        for index in 0..count {
            indices
                .entry(hash(&source.example(index)?.operands))
                .or_default()
                .push(index);
        }
        Ok(Self { source, indices })
    }

    /// The number of examples of this task that are test examples.
    fn collisions(&self, task: usize, examples: &[Example]) -> Result<u64> {
        let mut collisions = 0;
        for example in examples {
            for &candidate in self.indices.get(&hash(&example.operands)).into_iter().flatten() {
                if self.source.task_of(candidate) == task
                    && self.source.example(candidate)?.operands == example.operands
                {
                    collisions += 1;
                    break;
                }
            }
        }
        Ok(collisions)
    }
}

/// A hash of shapes and values. Zeros of both signs are equal.
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
    use crate::{
        dataset::{Mixture, Repetition, Specification, Stream},
        matrix::Split,
        problem,
    };

    fn stream_of(problem: &str, dimensions: &str, split: Split) -> Stream {
        let problem = problem::named(problem).unwrap();
        let specification = Specification::new(problem, dimensions.parse().unwrap(), Default::default()).unwrap();
        Stream::new(specification, 1, split)
    }

    fn stream(dimensions: &str, split: Split) -> Stream {
        stream_of("eigenvalues", dimensions, split)
    }

    #[test]
    fn splits_do_not_collide() {
        let [train, validation, test] = Split::ALL.map(|split| stream("2-3", split));
        let seen = [
            Seen::Batches {
                source: &train,
                steps: 313,
                batch_size: 64,
            },
            Seen::Examples {
                source: &validation,
                count: 5_000,
            },
        ];
        let found = collisions(&test, 1_000, &seen).unwrap();
        assert_eq!(
            found,
            Collisions {
                tests: 1_000,
                seen: 25_032,
                collisions: 0
            }
        );
    }

    #[test]
    fn seen_examples_are_counted() {
        let test = stream("2-3", Split::Test);
        let seen = Seen::Examples {
            source: &test,
            count: 5_000,
        };
        assert_eq!(collisions(&test, 100, &[seen]).unwrap().collisions, 100);
    }

    #[test]
    fn repeated_examples_are_counted_repeatedly() {
        let seen = |repetition, size| {
            let train = stream(size, Split::Train);
            let batches = train.clone().with_repetition(repetition);
            let seen = Seen::Batches {
                source: &batches,
                steps: 100,
                batch_size: 8,
            };
            // The first fifty training examples serve as test set.
            collisions(&train, 50, &[seen]).unwrap().collisions
        };
        assert_eq!(seen(Repetition::Never, "3"), 50);
        assert_eq!(seen(Repetition::Fixed { examples: 80 }, "3"), 500);
        let two = Repetition::TwoSets {
            examples: 50,
            share: 0.5,
        };
        let of_two = seen(two, "3");
        assert!((340..460).contains(&of_two), "{of_two}");
        // An index has one example of each of two sizes; the test set has one of them.
        let of_sizes = seen(Repetition::Fixed { examples: 50 }, "2-3");
        assert!((300..500).contains(&of_sizes), "{of_sizes}");
    }

    #[test]
    fn equal_operands_of_other_problems_do_not_collide() {
        let mixture = |names: [&str; 2], split| Mixture::of(names.map(|name| stream_of(name, "1", split)).to_vec());
        let test = mixture(["transpose", "inverse"], Split::Test);
        let found = |source: &dyn Source| {
            let seen = Seen::Examples { source, count: 40 };
            collisions(test.as_ref(), 40, &[seen]).unwrap().collisions
        };
        assert_eq!(found(test.as_ref()), 40);
        assert_eq!(found(mixture(["inverse", "transpose"], Split::Test).as_ref()), 0);
    }

    #[test]
    fn zeros_of_both_signs_collide() {
        let matrices = [0.0, -0.0].map(|zero| [Matrix::from_element(2, 2, zero)]);
        assert_eq!(hash(&matrices[0]), hash(&matrices[1]));
        assert_ne!(hash(&[Matrix::zeros(2, 3)]), hash(&[Matrix::zeros(3, 2)]));
    }
}
