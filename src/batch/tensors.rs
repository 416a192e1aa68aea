//! Batches of examples as tensors.

use crate::dataset::{Case, Example, Format, Target};
use crate::encoding::{MAX_FIELDS, PAD, Vocabulary};
use crate::inference::Preparation;
use crate::libtorch;
use crate::matrix::{Matrix, Shape};
use anyhow::Result;
use tch::{Device, Tensor};

/// A batch of examples of one size.
#[derive(Debug)]
pub struct Batch {
    /// Index of the problem among the model's problems.
    pub task: usize,
    pub size: Shape,
    /// Values `[batch, count]` float32, after the task if there are several, or tokens `[batch, length]` int64.
    pub source: Tensor,
    /// Classes `[batch, count, fields]` in the encoding's order, or tokens `[batch, length]`; int64.
    pub target: Tensor,
    /// Positions of the numbers within the intervals that round to their classes, `[batch, count]` float32: see
    /// [`Encoding::share_within`](crate::encoding::Encoding::share_within). `None` for tokens.
    pub shares: Option<Tensor>,
}

impl Batch {
    pub fn case(&self) -> Case {
        Case {
            task: self.task,
            size: self.size,
        }
    }

    /// Splits the batch into parts of nearly equal size, in the order of its examples.
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let (rows, parts) = (self.source.size()[0], parts as i64);
        let part = |i: i64| {
            let (start, end) = (i * rows / parts, (i + 1) * rows / parts);
            self.map(|tensor| tensor.narrow(0, start, end - start))
        };
        (0..parts).map(part).collect()
    }

    /// Copies the batch to a device. The copy is asynchronous if the batch is [pinned](Self::pinned).
    pub fn to_device(&self, device: Device) -> Self {
        self.map(|tensor| tensor.to_device_(device, tensor.kind(), true, false))
    }

    /// Applies a function to all tensors of the batch.
    fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            task: self.task,
            size: self.size,
            source: change(&self.source),
            target: change(&self.target),
            shares: self.shares.as_ref().map(&change),
        }
    }

    /// Copies the batch to page-locked memory, for a CUDA device.
    pub fn pinned(&self) -> Result<Self> {
        Ok(Self {
            task: self.task,
            size: self.size,
            source: libtorch::pin_memory(&self.source)?,
            target: libtorch::pin_memory(&self.target)?,
            shares: self.shares.as_ref().map(libtorch::pin_memory).transpose()?,
        })
    }

    /// Copies the values of a batch of the same shape into this one.
    pub fn copy_from(&mut self, other: &Self) {
        self.source.copy_(&other.source);
        self.target.copy_(&other.target);
        if let (Some(shares), Some(other)) = (&mut self.shares, &other.shares) {
            shares.copy_(other);
        }
    }
}

/// Turns examples into batches. Holds the vocabularies, and buffers that all batches reuse.
#[derive(Debug)]
pub struct Batcher {
    format: Format,
    task: Option<usize>,
    source_vocabulary: Option<Vocabulary>,
    target_vocabulary: Vocabulary,
    values: Vec<f32>,
    sources: Rows,
    targets: Rows,
    shares: Vec<f32>,
    /// `None` if the model's examples need no preparation.
    preparation: Option<Preparation>,
    prepared: Vec<Example>,
}

impl Batcher {
    pub fn new(format: Format) -> Result<Self> {
        Ok(Self {
            preparation: Preparation::new(&format)?,
            prepared: Vec::new(),
            source_vocabulary: format.source_vocabulary(),
            target_vocabulary: format.target_vocabulary(),
            task: format.task(),
            format,
            values: Vec::new(),
            sources: Rows::default(),
            targets: Rows::default(),
            shares: Vec::new(),
        })
    }

    /// The batch of examples, all of the given size.
    pub fn batch(&mut self, size: Shape, examples: &[Example]) -> Result<Batch> {
        self.clear();
        match &self.preparation {
            Some(preparation) => {
                let mut prepared = std::mem::take(&mut self.prepared);
                preparation.prepare(examples, &mut prepared)?;
                for example in &mut prepared {
                    self.format.problem.settle(&mut example.solution);
                }
                self.write_examples(&prepared)?;
                self.prepared = prepared;
            }
            None => self.write_examples(examples)?,
        }
        let count = examples.len() as i64;
        let (target, shares) = match self.format.target {
            Target::Classes => {
                let fields = self.format.output.fields().len() as i64;
                let classes = Tensor::from_slice(&self.targets.flat).view([count, -1, fields]);
                (classes, Some(Tensor::from_slice(&self.shares).view([count, -1])))
            }
            Target::Tokens => (self.targets.tensor(), None),
        };
        Ok(Batch {
            task: self.task.unwrap_or(0),
            size,
            source: self.source_tensor(examples.len()),
            target,
            shares,
        })
    }

    fn write_examples(&mut self, examples: &[Example]) -> Result<()> {
        for example in examples {
            self.write(&example.operands)?;
            self.write_target(&example.solution)?;
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.values.clear();
        self.sources.clear();
        self.targets.clear();
        self.shares.clear();
    }

    fn write(&mut self, operands: &[Matrix]) -> Result<()> {
        match &self.source_vocabulary {
            Some(vocabulary) => {
                vocabulary.write(operands, &mut self.sources.flat)?;
                self.sources.end();
            }
            None => {
                self.values.extend(self.task.map(|task| task as f32));
                for operand in operands {
                    operand.iter().try_for_each(|&x| self.format.input.check(x))?;
                    let reading = self.format.reading();
                    let places = (0..operand.nrows()).flat_map(|i| (0..operand.ncols()).map(move |j| (i, j)));
                    let read = places.filter(|&(i, j)| reading.has(i as i64, j as i64));
                    self.values.extend(read.map(|place| operand[place] as f32));
                }
            }
        }
        Ok(())
    }

    fn write_target(&mut self, solution: &[Matrix]) -> Result<()> {
        let targets = &mut self.targets.flat;
        match self.format.target {
            Target::Classes => {
                let output = self.format.output.as_ref();
                let starts = &[0; MAX_FIELDS][..output.fields().len()];
                for matrix in solution {
                    let written = targets.len();
                    output.write(matrix, starts, targets)?;
                    output.write_shares(matrix, &targets[written..], &mut self.shares);
                }
            }
            Target::Tokens => {
                self.target_vocabulary.write(solution, targets)?;
                self.targets.end();
            }
        }
        Ok(())
    }

    fn source_tensor(&self, count: usize) -> Tensor {
        match self.source_vocabulary {
            Some(_) => self.sources.tensor(),
            None => Tensor::from_slice(&self.values).view([count as i64, -1]),
        }
    }
}

/// Rows of different lengths in one flat buffer.
#[derive(Debug, Default)]
struct Rows {
    flat: Vec<i64>,
    ends: Vec<usize>,
}

impl Rows {
    fn clear(&mut self) {
        self.flat.clear();
        self.ends.clear();
    }

    /// Ends the current row.
    fn end(&mut self) {
        self.ends.push(self.flat.len());
    }

    /// The rows as a tensor `[rows, longest]`, padded.
    fn tensor(&self) -> Tensor {
        let starts = || std::iter::once(0).chain(self.ends.iter().copied());
        let longest = starts()
            .zip(&self.ends)
            .map(|(start, end)| end - start)
            .max()
            .unwrap_or(0);
        let shape = [self.ends.len() as i64, longest as i64];
        if longest * self.ends.len() == self.flat.len() {
            return Tensor::from_slice(&self.flat).view(shape);
        }
        let mut padded = vec![PAD; longest * self.ends.len()];
        for (row, (start, &end)) in padded.chunks_mut(longest).zip(starts().zip(&self.ends)) {
            row[..end - start].copy_from_slice(&self.flat[start..end]);
        }
        Tensor::from_slice(&padded).view(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Specification, Stream};
    use crate::encoding;
    use crate::matrix::{Split, row_major};
    use crate::problem;

    #[test]
    fn classes_and_shares_of_a_batch_give_its_solutions_row_by_row() {
        let problem = problem::named("inverse").unwrap();
        let specification = Specification::new(problem, "3".parse().unwrap(), Default::default()).unwrap();
        let stream = Stream::new(specification, 5, Split::Test);
        let examples = [0, 1].map(|index| stream.example(index).unwrap());
        let format = Format {
            problem,
            problems: problem.into(),
            input: "values".parse().unwrap(),
            output: encoding::named("P1000").unwrap(),
            target: Target::Classes,
            deviation: None,
        };
        let batch = Batcher::new(format.clone())
            .unwrap()
            .batch(Shape::new(3, 3), &examples)
            .unwrap();
        let classes = Vec::<i64>::try_from(batch.target.flatten(0, -1)).unwrap();
        let shares = Vec::<f32>::try_from(batch.shares.unwrap().flatten(0, -1)).unwrap();
        let numbers: Vec<f64> = examples
            .iter()
            .flat_map(|example| row_major(&example.solution[0]))
            .collect();
        assert_eq!(shares.len(), numbers.len());
        for ((number, share), classes) in numbers.iter().zip(shares).zip(classes.chunks(3)) {
            let mut classes: Vec<u32> = classes.iter().map(|class| *class as u32).collect();
            let found = format.output.decode_within(&mut classes, f64::from(share));
            assert!((found - number).abs() < 1e-8 * number.abs(), "{found} for {number}");
        }
    }
}
