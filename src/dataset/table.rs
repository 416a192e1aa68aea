//! Examples read from a CSV file, for training and evaluation in place of the stream.

use super::{Dimensions, Example, Format, Reader, Source, Targets};
use crate::encoding::round_matrices;
use crate::matrix::{Address, Noise, Shape, Split, fingerprint};
use anyhow::{Context, Result, bail, ensure};
use rand::RngExt;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The rows of a file as a model sees them: operands rounded, targets of the rounded operands or as the file has them.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    seed: u64,
    examples: Vec<Example>,
    /// Rows of each size, so that a batch has one size.
    sizes: Vec<(Shape, Vec<usize>)>,
}

impl Table {
    /// Reads a whole file. Rows must be of the format's problem.
    pub fn read(path: &Path, format: &Format, targets: Targets, seed: u64) -> Result<Self> {
        let rounding = format.input.rounding();
        let mut examples = Vec::new();
        let mut sizes: BTreeMap<Shape, Vec<usize>> = BTreeMap::new();
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        for row in Reader::new(file).with_context(|| path.display().to_string())? {
            let row = row.with_context(|| path.display().to_string())?;
            let place = || format!("{} line {}", path.display(), row.line);
            if row.problem.name() != format.problem.name() {
                bail!(
                    "{}: a row of {}, but the recipe is for {}",
                    place(),
                    row.problem.name(),
                    format.problem.name()
                );
            }
            let size = format.size_of(&row.example.operands).with_context(place)?;
            let mut example = row.example;
            example.operands = round_matrices(rounding.as_ref(), &example.operands).with_context(place)?;
            if targets == Targets::Rounded {
                format
                    .problem
                    .solve(&example.operands, &mut example.solution)
                    .with_context(place)?;
            }
            round_matrices(format.output.as_ref(), &example.solution).with_context(place)?;
            sizes.entry(size).or_default().push(examples.len());
            examples.push(example);
        }
        ensure!(!examples.is_empty(), "{} has no rows", path.display());
        Ok(Self {
            path: path.to_path_buf(),
            seed,
            examples,
            sizes: sizes.into_iter().collect(),
        })
    }

    /// Adds noise to the operands, the same to a row whenever it comes in a split, and rounds them again; `deviation` is that
    /// of the coefficients. Solutions stay as they are.
    pub fn with_noise(mut self, noise: Noise, deviation: f64, format: &Format, split: Split) -> Result<Self> {
        if noise.is_none() {
            return Ok(self);
        }
        let rounding = format.input.rounding();
        for (index, example) in (0..).zip(&mut self.examples) {
            let address = Address {
                seed: self.seed,
                split,
                index,
            };
            let mut generator = address.generator(fingerprint("noise"));
            let mut noisy = example.operands.clone();
            for operand in &mut noisy {
                noise.add(deviation, &mut generator, operand.as_mut_slice());
            }
            let noisy = round_matrices(rounding.as_ref(), &noisy)
                .with_context(|| format!("{}: row {index} with noise {noise}", self.path.display()))?;
            example.clean = std::mem::replace(&mut example.operands, noisy);
        }
        Ok(self)
    }

    /// Fails where a row is of a size that the model is not for.
    pub fn within(self, dimensions: &Dimensions) -> Result<Self> {
        for (size, rows) in &self.sizes {
            ensure!(
                dimensions.contains(*size),
                "{}: {} rows are of size {size}, but the model is for {dimensions}",
                self.path.display(),
                rows.len()
            );
        }
        Ok(self)
    }
}

impl Source for Table {
    fn example(&self, index: u64) -> Result<Example> {
        let example = usize::try_from(index).ok().and_then(|index| self.examples.get(index));
        example
            .cloned()
            .with_context(|| format!("{} has no row {index}", self.path.display()))
    }

    fn count(&self) -> Option<u64> {
        Some(self.examples.len() as u64)
    }

    /// Rows drawn with replacement, of one size that is drawn as often as it occurs.
    fn fill_batch(&self, step: u64, batch_size: usize, examples: &mut Vec<Example>) -> Result<Shape> {
        let address = Address {
            seed: self.seed,
            split: Split::Train,
            index: step,
        };
        let mut generator = address.generator(fingerprint("table"));
        let mut row = generator.random_range(0..self.examples.len());
        let (size, rows) = self
            .sizes
            .iter()
            .find(|(_, rows)| {
                let here = row < rows.len();
                row = row.wrapping_sub(rows.len());
                here
            })
            .context("sizes cover all rows")?;
        examples.clear();
        examples.extend((0..batch_size).map(|_| self.examples[rows[generator.random_range(0..rows.len())]].clone()));
        Ok(*size)
    }
}
