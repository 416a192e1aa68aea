//! Examples from a CSV file, for training and evaluation.

use super::{Case, Dimensions, Example, Format, Reader, Share, Source, Targets};
use crate::encoding::round_matrices;
use crate::matrix::{Address, Generator, Noise, Shape, Split, fingerprint};
use anyhow::{Context, Error, Result, bail, ensure};
use rand::RngExt;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The rows of a file in a model's format: operands are rounded, and targets belong to the rounded operands or are the
/// file's own.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    seed: u64,
    /// Each example with its task.
    examples: Vec<(usize, Example)>,
    /// Row indices by task and size, because a batch has one task and one size.
    groups: Vec<(Case, Vec<usize>)>,
}

impl Table {
    /// Reads a whole file. Each row must have one of the format's problems.
    pub fn read(path: &Path, format: &Format, targets: Targets, seed: u64) -> Result<Self> {
        let rounding = format.input.rounding();
        let mut examples = Vec::new();
        let formats = format.tasks();
        let mut groups: BTreeMap<(usize, Shape), Vec<usize>> = BTreeMap::new();
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        for row in Reader::new(file).with_context(|| path.display().to_string())? {
            let row = row.with_context(|| path.display().to_string())?;
            let place = || format!("{} line {}", path.display(), row.line);
            let Ok(task) = format.problems.task(row.problem.name()) else {
                bail!(
                    "{}: a row of {}, but the recipe is for {}",
                    place(),
                    row.problem.name(),
                    format.problems
                );
            };
            let format = &formats[task];
            let size = format.size_of(&row.example.operands).with_context(place)?;
            let mut example = row.example;
            let checked = format.problem.check_operands(&example.operands);
            checked.map_err(Error::msg).with_context(place)?;
            example.operands = round_matrices(rounding.as_ref(), &example.operands).with_context(place)?;
            if targets == Targets::Rounded {
                format
                    .problem
                    .solve(&example.operands, &mut example.solution)
                    .with_context(place)?;
            }
            round_matrices(format.output.as_ref(), &example.solution).with_context(place)?;
            groups.entry((task, size)).or_default().push(examples.len());
            examples.push((task, example));
        }
        ensure!(!examples.is_empty(), "{} has a header, but no rows", path.display());
        Ok(Self {
            path: path.to_path_buf(),
            seed,
            examples,
            groups: groups
                .into_iter()
                .map(|((task, size), rows)| (Case { task, size }, rows))
                .collect(),
        })
    }

    /// Adds noise to the operands and rounds them again; solutions do not change. A row always has the same noise in
    /// the same split. `deviation` is the standard deviation of the coefficients.
    pub fn with_noise(mut self, noise: Noise, deviation: f64, format: &Format, split: Split) -> Result<Self> {
        if noise.is_none() {
            return Ok(self);
        }
        let rounding = format.input.rounding();
        for (index, (_, example)) in (0..).zip(&mut self.examples) {
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

    /// Fails if a row's size is outside of the model's sizes.
    pub fn within(self, dimensions: &Dimensions) -> Result<Self> {
        for (Case { size, .. }, rows) in &self.groups {
            ensure!(
                dimensions.contains(*size),
                "{}: {} rows are of size {size}, but the model is for {dimensions}",
                self.path.display(),
                rows.len()
            );
        }
        Ok(self)
    }

    /// The group of a step's batch, and the generator that draws its rows.
    fn group_at(&self, step: u64) -> (usize, Generator) {
        let address = Address {
            seed: self.seed,
            split: Split::Train,
            index: step,
        };
        let mut generator = address.generator(fingerprint("table"));
        let row = generator.random_range(0..self.examples.len());
        let mut end = 0;
        let group = self.groups.iter().position(|(_, rows)| {
            end += rows.len();
            row < end
        });
        (group.unwrap_or(0), generator)
    }
}

impl Source for Table {
    fn example(&self, index: u64) -> Result<Example> {
        let example = usize::try_from(index).ok().and_then(|index| self.examples.get(index));
        example
            .map(|(_, example)| example.clone())
            .with_context(|| format!("{} has no row {index}", self.path.display()))
    }

    fn count(&self) -> Option<u64> {
        Some(self.examples.len() as u64)
    }

    /// Draws a group of one task and size with probability proportional to its rows. Then draws rows of this group with
    /// replacement.
    fn fill_share(&self, step: u64, share: Share, examples: &mut Vec<Example>) -> Result<Shape> {
        let (group, mut generator) = self.group_at(step);
        let (case, rows) = &self.groups[group];
        let drawn = (0..share.batch_size).map(|_| rows[generator.random_range(0..rows.len())]);
        examples.clear();
        examples.extend(
            drawn
                .skip(share.first)
                .take(share.count)
                .map(|row| self.examples[row].1.clone()),
        );
        Ok(case.size)
    }

    fn task_of(&self, index: u64) -> usize {
        let row = usize::try_from(index).ok().and_then(|index| self.examples.get(index));
        row.map_or(0, |(task, _)| *task)
    }

    fn task_at(&self, step: u64) -> usize {
        self.groups[self.group_at(step).0].0.task
    }

    fn repeats(&self) -> Option<u64> {
        self.count()
    }
}
