//! Sources of examples for training and evaluation: a stream or a file.

use super::{Example, Format, Stream, Targets};
use crate::matrix::Shape;
use anyhow::Result;

/// The part of every training batch that one of several processes computes: `count` of its `batch_size` examples, from
/// `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub batch_size: usize,
    pub first: usize,
    pub count: usize,
}

impl Share {
    /// Part `number` of `parts` of nearly equal size.
    pub const fn of(batch_size: usize, number: usize, parts: usize) -> Self {
        let first = batch_size * number / parts;
        Self {
            batch_size,
            first,
            count: batch_size * (number + 1) / parts - first,
        }
    }
}

/// The whole batch.
impl From<usize> for Share {
    fn from(batch_size: usize) -> Self {
        Self::of(batch_size, 0, 1)
    }
}

/// Examples by index, and batches of one size by training step. Both are pure functions.
pub trait Source: std::fmt::Debug + Send + Sync {
    fn example(&self, index: u64) -> Result<Example>;

    /// The number of examples; `None` if unlimited.
    fn count(&self) -> Option<u64>;

    /// Fills a share of the batch of a training step with examples of one size, and returns the size.
    fn fill_share(&self, step: u64, share: Share, examples: &mut Vec<Example>) -> Result<Shape>;

    /// Fills the batch of a training step with examples of one size, and returns the size.
    fn fill_batch(&self, step: u64, batch_size: usize, examples: &mut Vec<Example>) -> Result<Shape> {
        self.fill_share(step, batch_size.into(), examples)
    }

    /// The task of the example at an index.
    fn task_of(&self, _index: u64) -> usize {
        0
    }

    /// The task of the batch of a training step.
    fn task_at(&self, _step: u64) -> usize {
        0
    }

    /// The number of leading examples that training repeats; `None` without repetition.
    fn repeats(&self) -> Option<u64> {
        None
    }
}

impl Source for Stream {
    fn example(&self, index: u64) -> Result<Example> {
        Ok(Self::example(self, index)?)
    }

    fn count(&self) -> Option<u64> {
        None
    }

    fn fill_share(&self, step: u64, share: Share, examples: &mut Vec<Example>) -> Result<Shape> {
        let size = self.batch_size_at(step);
        examples.resize_with(share.count, Example::default);
        let first = step * share.batch_size as u64 + share.first as u64;
        self.fill_all(self.indices_from(first), size, examples)?;
        Ok(size)
    }

    fn repeats(&self) -> Option<u64> {
        self.repetition().examples()
    }
}

impl Stream {
    /// The stream in a model's format: operands are rounded, and solutions can be encoded.
    #[must_use]
    pub fn encoded(self, format: &Format, targets: Targets) -> Self {
        self.with_input(format.input.rounding())
            .with_output(format.output.clone())
            .with_targets(targets)
    }
}
