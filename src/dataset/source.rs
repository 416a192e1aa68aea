//! Where training and evaluation take their examples from: the stream, or a file.

use super::{Example, Format, Stream, Targets};
use crate::matrix::Shape;
use anyhow::Result;

/// Examples by index, and batches of one size by training step: both pure functions.
pub trait Source: std::fmt::Debug + Send + Sync {
    fn example(&self, index: u64) -> Result<Example>;

    /// How many examples there are; none where they never end.
    fn count(&self) -> Option<u64>;

    /// Fills the batch of a training step with examples of one size, which it returns.
    fn fill_batch(&self, step: u64, batch_size: usize, examples: &mut Vec<Example>) -> Result<Shape>;
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
        self.fill_all(step * batch_size as u64, size, examples)?;
        Ok(size)
    }
}

impl Stream {
    /// The stream as a model of a format sees it: operands rounded, solutions that its output can write.
    #[must_use]
    pub fn encoded(self, format: &Format, targets: Targets) -> Self {
        self.with_input(format.input.rounding())
            .with_output(format.output.clone())
            .with_targets(targets)
    }
}
