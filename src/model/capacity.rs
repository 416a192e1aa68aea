//! The sizes that a model's position tables support.

use crate::dataset::Format;
use crate::matrix::Shape;
use crate::recipe::{Config, Positions};
use anyhow::{Result, ensure};

/// The sizes that a model's position tables support.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    has_positions: bool,
    /// Lengths of the longest source and target.
    pub(super) lengths: (i64, i64),
    pub(super) largest: Shape,
}

impl Capacity {
    /// The capacity of a model of these formats, built for sizes up to `largest`.
    pub fn of(config: &Config, formats: &[Format], largest: Shape) -> Self {
        let room = config.max_dim as usize;
        let largest = Shape::new(largest.rows.max(room), largest.cols.max(room));
        let most = |of: &dyn Fn(&Format) -> usize| formats.iter().map(of).max().unwrap_or(0) as i64;
        Self {
            has_positions: config.positions != Positions::None,
            lengths: (
                most(&|format| format.source_positions(largest).len()),
                most(&|format| format.target_positions(largest).len()),
            ),
            largest,
        }
    }

    /// Fails if the position tables do not support a size.
    pub fn check(&self, format: &Format, size: Shape) -> Result<()> {
        let (source, target) = (
            format.source_positions(size).len() as i64,
            format.target_positions(size).len() as i64,
        );
        let largest = self.largest.rows.max(self.largest.cols);
        ensure!(
            !self.has_positions
                || source <= self.lengths.0 && target <= self.lengths.1 && size.rows.max(size.cols) <= largest,
            "this model has positions for matrices up to {} only, not for {size}",
            self.largest
        );
        Ok(())
    }
}
