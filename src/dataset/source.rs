//! Sources of examples for training and evaluation: a stream or a file.

use super::{Example, Format, Stream, Targets};
use crate::matrix::Shape;
use anyhow::Result;

/// Examples by index, and batches of one size by training step. Both are pure functions.
pub trait Source: std::fmt::Debug + Send + Sync {
    fn example(&self, index: u64) -> Result<Example>;

    /// The number of examples; `None` if unlimited.
    fn count(&self) -> Option<u64>;

    /// Fills the batch of a training step with examples of one size, and returns the size.
    fn fill_batch(&self, step: u64, batch_size: usize, examples: &mut Vec<Example>) -> Result<Shape>;

    /// The task of the example at an index.
    fn task_of(&self, _index: u64) -> usize {
        0
    }

    /// The task of the batch of a training step.
    fn task_at(&self, _step: u64) -> usize {
        0
    }

    /// The number of first examples that training repeats; `None` without repetition.
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

    fn fill_batch(&self, step: u64, batch_size: usize, examples: &mut Vec<Example>) -> Result<Shape> {
        let size = self.batch_size_at(step);
        examples.resize_with(batch_size, Example::default);
        self.fill_all(self.indices_from(step * batch_size as u64), size, examples)?;
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
